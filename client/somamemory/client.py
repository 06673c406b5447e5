"""The client for threads: every call waits for its answer."""

import copy
import itertools
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import grpc

from somamemory import channel
from somamemory.access import Access, Token
from somamemory.calls import admin, lifecycle, links, memories, namespaces, recalls
from somamemory.calls.base import Call, Download, Exchange, Method, made
from somamemory.errors import ClientClosed, SomaMemoryError
from somamemory.model import Page
from somamemory.status import error_of_call
from somamemory.unanswered import Unanswered

P = ParamSpec("P")
T = TypeVar("T")


def _unary(build: Callable[P, Call[T]]) -> Callable[Concatenate["MemoryClient", P], T]:
    @channel.documented_as(build)
    def method(self: "MemoryClient", *args: P.args, **kwargs: P.kwargs) -> T:
        return self.invoke(made(build, *args, **kwargs))

    return method


def _paged(
    build: Callable[P, Call[Page[T]]],
) -> Callable[Concatenate["MemoryClient", P], Iterator[T]]:
    @channel.documented_as(build)
    def method(self: "MemoryClient", *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        call = made(build, *args, **kwargs)
        return self.iterate(call)

    return method


def _downloaded(
    build: Callable[P, Download[T]],
) -> Callable[Concatenate["MemoryClient", P], Iterator[T]]:
    @channel.documented_as(build)
    def method(self: "MemoryClient", *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.download(made(build, *args, **kwargs))

    return method


def _exchanged(
    build: Callable[P, Exchange[T]],
) -> Callable[Concatenate["MemoryClient", P], Iterator[T]]:
    @channel.documented_as(build)
    def method(self: "MemoryClient", *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.exchange(made(build, *args, **kwargs))

    return method


class MemoryClient:
    """Calls one memory server; may be shared by threads.

    Args:
        address: `HOST:PORT`. None: a server on this machine.
        timeout_s: How long an ordinary call may take with all its retries; a batch may take six times as long.
        access: TLS and the caller's token. None: plain text, nobody.
        token: Short for an `access` with this token.
        ca_file: Short for an `access` that trusts this authority.
        cert_file: Short for an `access` with this certificate.
        key_file: Its key.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout_s: float = channel.DEFAULT_TIMEOUT_S,
        access: Access | None = None,
        token: Token | None = None,
        ca_file: Path | str | None = None,
        cert_file: Path | str | None = None,
        key_file: Path | str | None = None,
    ) -> None:
        self.address = channel.checked_address(address or channel.default_address())
        self._timeout_s = timeout_s
        self._callables: dict[str, Any] = {}
        # Of the connection, which views with another timeout share.
        self._closed = threading.Event()
        self._access = access or Access(
            token=token, ca_file=ca_file, cert_file=cert_file, key_file=key_file
        )
        credentials = self._access.credentials()
        options = channel.CHANNEL_OPTIONS
        self._channel = (
            grpc.secure_channel(self.address, credentials, options)
            if credentials
            else grpc.insecure_channel(self.address, options)
        )

    store = _unary(memories.store)
    store_batch = _unary(memories.store_batch)
    store_stream = _exchanged(memories.store_stream)
    update = _unary(memories.update)
    get = _unary(memories.get)
    batch_get = _unary(memories.batch_get)
    delete = _unary(memories.delete)
    delete_batch = _unary(memories.delete_batch)
    purge = _unary(memories.purge)
    list_memories = _paged(memories.list_memories)
    list_versions = _paged(memories.list_versions)
    restore_version = _unary(memories.restore_version)
    watch = _downloaded(memories.watch)
    recall = _unary(recalls.recall)
    recall_batch = _unary(recalls.recall_batch)
    recall_stream = _exchanged(recalls.recall_stream)
    range_search = _paged(recalls.range_search)
    link = _unary(links.link)
    unlink = _unary(links.unlink)
    neighbors = _unary(links.neighbors)
    find_path = _unary(links.find_path)
    create_namespace = _unary(namespaces.create_namespace)
    get_namespace = _unary(namespaces.get_namespace)
    update_namespace = _unary(namespaces.update_namespace)
    delete_namespace = _unary(namespaces.delete_namespace)
    stats = _unary(namespaces.stats)
    list_namespaces = _paged(namespaces.list_namespaces)
    export_memories = _downloaded(lifecycle.export_memories)
    import_memories = _exchanged(lifecycle.import_memories)
    share = _unary(lifecycle.share)
    consolidate = _unary(lifecycle.consolidate)
    undo_consolidation = _unary(lifecycle.undo_consolidation)
    reflect = _unary(lifecycle.reflect)
    report_outcome = _unary(lifecycle.report_outcome)
    erase_subject = _unary(lifecycle.erase_subject)
    verify_erasure = _unary(lifecycle.verify_erasure)
    server_info = _unary(admin.server_info)
    backup = _downloaded(admin.backup)
    is_serving = _unary(admin.is_serving)

    def with_timeout(self, timeout_s: float) -> Self:
        """Return a client over the same connection whose calls may take another time."""
        other = copy.copy(self)
        other._timeout_s = timeout_s
        return other

    def close(self) -> None:
        """Close the connection; calls under way are cancelled."""
        self._closed.set()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def invoke(self, call: Call[T]) -> T:
        """Make one described call; raises the errors of `somamemory.errors`."""
        call = call.identified(channel.new_request_id)
        until = time.monotonic() + self._timeout_s * call.method.patience
        metadata = self._access.metadata()
        for tries in itertools.count(1):
            left_s = until - time.monotonic()
            try:
                return call.read(
                    self._callable(call.method)(call.request, timeout=left_s, metadata=metadata)
                )
            except grpc.RpcError as failure:
                left_s = until - time.monotonic()
                error = _error(failure, left_s)
                delay_s = channel.delay_before_retry(error, tries, left_s, random.random())
                if delay_s is None:
                    raise channel.in_doubt(error, call.method) from failure
            time.sleep(delay_s)
        raise AssertionError("every turn returns, raises or goes on")

    def iterate(self, call: Call[Page[T]]) -> Iterator[T]:
        """Yield the items of all pages of a described call."""
        while True:
            page = self.invoke(call)
            yield from page.items
            if not page.next_token:
                return
            call = call.page(page.next_token)

    def download(self, call: Download[T]) -> Iterator[T]:
        """Yield what a server streams; letting the iterator go ends the call."""
        stream = self._opened("unary_stream", call.method)(
            call.request, metadata=self._access.metadata()
        )
        try:
            for response in stream:
                yield from call.read(response)
        except grpc.RpcError as failure:
            raise _error(failure) from failure
        finally:
            stream.cancel()

    def exchange(self, call: Exchange[T]) -> Iterator[T]:
        """Send requests as the server takes them, and yield what it answers, in the order of the requests.

        A resumable exchange that breaks is made again, and what was not answered is sent again.
        """
        unanswered = Unanswered(call.requests)
        failures, until = 0, math.inf
        while True:
            stream = self._opened("stream_stream", call.method)(
                unanswered.feed(), metadata=self._access.metadata()
            )
            try:
                for response in stream:
                    failures = 0
                    unanswered.answered()
                    yield from call.read(response)
                if unanswered.failure is not None:
                    raise unanswered.failure
                return
            except grpc.RpcError as failure:
                error = channel.in_doubt(_error(failure), call.method)
                failures += 1
                if failures == 1:  # the caller may have sent nothing for long before it broke
                    until = time.monotonic() + self._timeout_s
                delay_s = channel.delay_before_resuming(
                    error, failures, until - time.monotonic(), random.random()
                )
                if delay_s is None or not call.is_resumable:
                    raise (unanswered.failure or error) from failure
            finally:
                unanswered.stop()
                stream.cancel()
            time.sleep(delay_s)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ClientClosed("the client was closed")

    def _opened(self, kind: str, method: Method[Any, Any]) -> Any:
        self._check_open()
        return getattr(self._channel, kind)(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )

    def _callable(self, method: Method[Any, Any]) -> Any:
        self._check_open()
        made = self._callables.get(method.path)
        if made is None:
            made = self._callables[method.path] = self._channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
        return made


def _error(failure: grpc.RpcError, left_s: float = math.inf) -> SomaMemoryError:
    trailing = [(each.key, each.value) for each in failure.trailing_metadata() or ()]
    return error_of_call(failure.code(), failure.details() or "", trailing, left_s)
