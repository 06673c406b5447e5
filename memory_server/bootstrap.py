"""Composition root: settings become a running server, and a signal ends it in order.

Order of a start: open the store, listen on HTTP (alive, not ready), load the index, listen on gRPC, ready.
Order of a stop: not ready, wait for the endpoints to forget the pod, finish accepted calls, stop the workers, close the
store. No acknowledged write depends on this order: it only spares callers a retry.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from memory_server.adapters.embedded.committer import CommitterOptions
from memory_server.adapters.embedded.database import (
    INDEX_FOLDER,
    Database,
    StoreLocked,
    open_database,
)
from memory_server.adapters.embedded.index import EmbeddedIndex
from memory_server.adapters.embedded.index.snapshot import SnapshotFile
from memory_server.adapters.embedded.store import EmbeddedStore
from memory_server.adapters.in_memory.embedder import NoEmbedder
from memory_server.adapters.in_memory.index import InMemoryIndex
from memory_server.adapters.in_memory.store import InMemoryStore
from memory_server.adapters.openai.api import ApiOptions
from memory_server.adapters.openai.embedder import EmbedderOptions, OpenAIEmbedder, model_name
from memory_server.adapters.system_clock import SystemClock
from memory_server.adapters.wordllama import WordLlamaEmbedder
from memory_server.domain.limits import Limits
from memory_server.domain.memory import CALLER_MODEL
from memory_server.domain.quota import TenantQuotas
from memory_server.ports import Clock, Embedder, MemoryStore, SearchIndex
from memory_server.transport import predecessor
from memory_server.transport.admission import AdmissionOptions
from memory_server.transport.audit import AuditFile, AuditTrail
from memory_server.transport.auth import SingleTenant
from memory_server.transport.boundary import Boundary, BoundaryOptions
from memory_server.transport.front.launch import Launched
from memory_server.transport.health import Readiness
from memory_server.transport.http import HttpServer
from memory_server.transport.metrics import ServerMetrics
from memory_server.transport.server import GrpcPort, address_of, grpc_port, server_credentials
from memory_server.transport.services import methods_by_service
from memory_server.transport.services.admin import ServerFacts
from memory_server.transport.tokens import TokenAuthenticator
from memory_server.usecases.engine import Engine, fill_index
from memory_server.workers import maintainer, reembedder
from soma_common import __version__, collector
from soma_common.errors import Unavailable
from soma_common.settings import SMFSettings

log = logging.getLogger(__name__)

LOCK_RETRY_S = 0.1

LAST_WORDS_S = 2.0
"""How long a stop waits for answers that are made but not read yet."""


async def serve(settings: SMFSettings, stop: asyncio.Event, fronts: Sequence[Launched]) -> None:
    """Run a server until `stop` is set.

    Args:
        settings: How.
        stop: When to end.
        fronts: Front processes that were started for it.

    Raises:
        SomaError: It cannot start, or its store cannot go on; the text names the mend.
    """
    labels = {"service": settings.service, "instance": settings.instance, "env": settings.env}
    metrics = ServerMetrics({**labels, "version": __version__})
    credentials = server_credentials(settings, metrics)
    authenticator = _authenticator(settings, metrics)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(
            _engine(settings, metrics, lambda tenant: authenticator.quota(tenant).storage)
        )
        facts = ServerFacts(__version__, authenticator.name)
        services = {
            **methods_by_service(engine, facts),
            **predecessor.methods_by_service(predecessor.PredecessorServicer(engine)),
        }
        readiness = Readiness(services)
        await stack.enter_async_context(_http(settings, readiness, metrics))
        audit = stack.enter_context(_audit(settings, metrics))
        boundary = Boundary(authenticator, metrics, _boundary_options(settings), audit)
        port = grpc_port(settings, boundary, services, readiness, credentials, metrics, fronts)
        await port.prepare()
        models = await fill_index(engine)
        await stack.enter_async_context(_previous_embedder(settings, engine, models, metrics))
        metrics.tail_memories.set_function(engine.index.tail_size)
        metrics.commit_seq.set_function(lambda: engine.store.last_commit_seq)
        collector.look_seldom()
        await readiness.begin()
        await port.start()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(readiness.watch(engine.store, stop))
            keeping = tasks.create_task(_kept_open(port, readiness, stop))
            working = [
                *map(tasks.create_task, _upkeep(settings, engine, metrics)),
                tasks.create_task(authenticator.watch(boundary.end_revoked)),
            ]
            _announce(settings, engine)
            await stop.wait()
            log.info("stopping")
            watching.cancel()
            await readiness.drain()
            await asyncio.sleep(settings.drain_delay_s)
            boundary.drain()
            keeping.cancel()
            await _stop(port, boundary, settings.drain_s)
            for task in working:
                task.cancel()
    log.info("stopped")
    if readiness.broken is not None:
        raise readiness.broken


def _upkeep(
    settings: SMFSettings, engine: Engine, metrics: ServerMetrics
) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield what the server does beside answering calls, until cancelled."""
    observe = metrics.observe_upkeep
    yield maintainer.run(engine, decay_every_s=settings.decay_every_s, observe=observe)
    yield reembedder.run(engine, observe=observe)


async def _kept_open(port: GrpcPort, readiness: Readiness, stop: asyncio.Event) -> None:
    """Keep the port open, until cancelled; stop the server when that is not possible."""
    try:
        await port.watch()
    except Unavailable as error:
        await readiness.give_up(error)
        stop.set()


async def _stop(port: GrpcPort, boundary: Boundary, drain_s: float) -> None:
    """Finish the calls that are at work; callers who do not read their last words are not waited for as long."""
    stopping = asyncio.ensure_future(port.stop(drain_s))
    quiet = asyncio.ensure_future(boundary.quiet())
    await asyncio.wait({stopping, quiet}, return_when=asyncio.FIRST_COMPLETED)
    quiet.cancel()
    await port.stop(min(drain_s, LAST_WORDS_S))
    await stopping


def _authenticator(
    settings: SMFSettings, metrics: ServerMetrics
) -> SingleTenant | TokenAuthenticator:
    if settings.auth_tokens_file is None:
        return SingleTenant()
    return TokenAuthenticator(settings.auth_tokens_file, SystemClock(), metrics)


@contextmanager
def _audit(settings: SMFSettings, metrics: ServerMetrics) -> Iterator[AuditTrail | None]:
    if settings.audit == "off":
        yield None
    elif settings.audit == "log" or settings.audit_file is None:
        yield AuditTrail(SystemClock(), metrics, None)
    else:
        file = AuditFile(settings.audit_file)
        try:
            yield AuditTrail(SystemClock(), metrics, file)
        finally:
            file.close()


def _boundary_options(settings: SMFSettings) -> BoundaryOptions:
    admission = AdmissionOptions(
        settings.max_concurrent_rpcs,
        settings.max_concurrent_streams,
        is_shared=settings.auth_tokens_file is not None,
        requests_per_s=settings.tenant_requests_per_s,
        bytes_per_s=settings.tenant_bytes_per_s,
    )
    return BoundaryOptions(
        admission,
        settings.default_deadline_s,
        settings.stream_idle_s,
        reads_late=settings.auth_tokens_file is not None,
    )


@asynccontextmanager
async def _engine(
    settings: SMFSettings, metrics: ServerMetrics, quotas: TenantQuotas
) -> AsyncIterator[Engine]:
    dimensions = settings.embedding_dimensions
    limits = Limits(
        max_message_bytes=settings.max_message_bytes,
        max_payload_bytes=settings.max_payload_bytes,
        request_id_ttl_s=settings.request_id_ttl_s,
        embedding_dimensions=dimensions,
    )
    clock = SystemClock()
    async with _embedder(settings, metrics) as embedder:
        store, index = await _store_and_index(settings, metrics, clock, embedder, quotas)
        try:
            yield Engine(store, index, embedder, clock, os.urandom, limits)
        finally:
            await index.close()
            await store.close()


async def _store_and_index(
    settings: SMFSettings,
    metrics: ServerMetrics,
    clock: Clock,
    embedder: Embedder,
    quotas: TenantQuotas,
) -> tuple[MemoryStore, SearchIndex]:
    if settings.store == "in_memory":
        return InMemoryStore(quotas), InMemoryIndex()
    database = await _database(settings)
    options = CommitterOptions(settings.write_queue_size, settings.request_id_ttl_s, quotas)
    store = EmbeddedStore(database, clock, options, metrics.observe_commit)
    kept = SnapshotFile(
        settings.data_dir / INDEX_FOLDER / "copy", database.page_key, embedder.model
    )
    words = embedder.words if isinstance(embedder, WordLlamaEmbedder) else None
    return store, EmbeddedIndex(words, kept)


async def _database(settings: SMFSettings) -> Database:
    """Open the store, waiting for a predecessor that is still finishing its calls."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + settings.lock_wait_s
    is_told = False
    while True:
        try:
            return open_database(
                settings.data_dir,
                synchronous=settings.synchronous,
                dimensions=settings.embedding_dimensions,
            )
        except StoreLocked:
            if loop.time() >= give_up_at:
                raise
        if not is_told:
            log.info("waiting for another server to let go of the data folder")
            is_told = True
        await asyncio.sleep(LOCK_RETRY_S)


@asynccontextmanager
async def _embedder(settings: SMFSettings, metrics: ServerMetrics) -> AsyncIterator[Embedder]:
    if settings.embedder == "none":
        yield NoEmbedder(settings.embedding_dimensions)
    elif settings.embedder == "wordllama":
        yield WordLlamaEmbedder(settings.embedding_dimensions)
    else:
        made = OpenAIEmbedder(*_embedder_options(settings), metrics.observe_embedder)
        metrics.embedder_open.set_function(lambda: made.is_open)
        try:
            yield made
        finally:
            await made.close()


@asynccontextmanager
async def _previous_embedder(
    settings: SMFSettings, engine: Engine, models: Counter[str], metrics: ServerMetrics
) -> AsyncIterator[None]:
    """Let the model of what is stored serve while everything is embedded for another one, if it can be had."""
    wanted = engine.wanted_embedder.model
    others = Counter(
        {model: models[model] for model in models if model not in (wanted, CALLER_MODEL)}
    )
    if not others or wanted == "none":
        yield
        return
    name = others.most_common(1)[0][0]
    async with AsyncExitStack() as stack:
        for changes in (
            {"embedder": "wordllama"},
            {"embedder_model": settings.embedder_previous_model},
        ):
            earlier = settings.model_copy(update=changes)
            if not _has_model(earlier, name):
                continue
            engine.model_change.previous = await stack.enter_async_context(
                _embedder(earlier, metrics)
            )
        facts = {"stored_model": name, "wanted_model": wanted}
        if engine.model_change.previous is None:
            log.warning("recall by vectors comes back as memories are embedded anew", extra=facts)
        else:
            log.info("memories are embedded anew; the stored model serves meanwhile", extra=facts)
        yield


def _has_model(settings: SMFSettings, name: str) -> bool:
    """Tell whether the embedder of these settings makes vectors of this model."""
    if settings.embedder == "wordllama":
        return name == f"wordllama-{settings.embedding_dimensions}"
    return settings.embedder == "openai" and name == model_name(*_embedder_options(settings))


def _embedder_options(settings: SMFSettings) -> tuple[ApiOptions, EmbedderOptions]:
    api = ApiOptions(
        settings.embedder_url or "",
        settings.embedder_model or "",
        settings.embedding_dimensions,
        asks_for_dimensions=settings.embedder_request_dimensions,
        api_key_file=settings.embedder_api_key_file,
        timeout_s=settings.embedder_timeout_s,
    )
    options = EmbedderOptions(
        batch_texts=settings.embedder_batch_texts,
        batch_bytes=settings.embedder_batch_bytes,
        text_bytes=settings.embedder_text_bytes,
        cache_size=settings.embedder_cache_size,
        document_prefix=settings.embedder_document_prefix,
        query_prefix=settings.embedder_query_prefix,
    )
    return api, options


@asynccontextmanager
async def _http(
    settings: SMFSettings, readiness: Readiness, metrics: ServerMetrics
) -> AsyncIterator[None]:
    http = HttpServer(readiness, metrics)
    try:
        try:
            await http.start(settings.http_host, settings.http_port)
        except OSError as error:
            message = "the HTTP port cannot be opened; is another server running?"
            address = address_of(settings.http_host, settings.http_port)
            raise Unavailable(message, address=address) from error
        yield
    finally:
        await http.stop()


def _announce(settings: SMFSettings, engine: Engine) -> None:
    log.info(
        "serving",
        extra={
            "grpc_address": address_of(settings.grpc_host, settings.grpc_port),
            "http_address": address_of(settings.http_host, settings.http_port),
            "store": engine.store.name,
            "commit_seq": engine.store.last_commit_seq,
            "embedding_model": engine.embedder.model,
        },
    )
    if settings.auth_tokens_file is None:
        log.warning("nobody is authenticated: every caller is the tenant default")
    elif settings.tls_cert_file is None:
        log.warning("tokens travel in plain text: whoever sees the network can use them")
