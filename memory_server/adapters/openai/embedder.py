"""Embedder over HTTP: callers' texts are gathered into batches, kept, and never waited for when the other side is ill.

Theory of operation:
    A text is looked up in the cache, then among the texts that are under way (single flight), and else joins the next
    batch, which leaves after `GATHER_S` or when it is full. Batches are bounded by number and by bytes, and few are
    under way at once. A batch that is refused for its input is halved until the text that is to blame stands alone, so
    that one bad text costs nobody else an embedding. After failures in a row the breaker opens: then every call fails
    at once, writes go on without an embedding, and the background takes them up later.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memory_server.adapters.openai.api import (
    ApiOptions,
    EmbedderFailed,
    EmbeddingsApi,
    InputRefused,
)
from memory_server.adapters.openai.breaker import Breaker
from memory_server.adapters.openai.cache import EmbeddingCache, Key, key_of
from memory_server.ports import Vector, Vectors
from soma_common.errors import TextRefused, Unavailable

log = logging.getLogger(__name__)

GATHER_S = 0.003
BATCHES_AT_ONCE = 4

Observer = Callable[[str, int, float | None], None]
"""Told what became of how many texts: `ok`, `failed` and `refused` with the seconds of their request; `cached` and
`cut` without."""


@dataclass(frozen=True, slots=True)
class EmbedderOptions:
    """How texts are prepared and gathered.

    Attributes:
        batch_texts: Most texts in one request.
        batch_bytes: Most bytes of text in one request.
        text_bytes: Longer texts are cut here, which is counted: models do not read on for ever.
        cache_size: Embeddings that are kept.
        document_prefix: Set before what is stored, for models that want it.
        query_prefix: Set before what is asked.
    """

    batch_texts: int = 128
    batch_bytes: int = 400_000
    text_bytes: int = 24_000
    cache_size: int = 4096
    document_prefix: str = ""
    query_prefix: str = ""


@dataclass(slots=True)
class _Wanted:
    """A text that is to be embedded, and who waits for it."""

    key: Key
    text: str
    future: asyncio.Future[Vector]


class OpenAIEmbedder:
    """Embeds texts by an API in OpenAI's form; to be made inside the running loop and closed."""

    def __init__(
        self,
        api: ApiOptions,
        options: EmbedderOptions,
        observe: Observer = lambda _outcome, _count, _seconds: None,
    ) -> None:
        self._api = EmbeddingsApi(api)
        self._options = options
        self._observe = observe
        self._breaker = Breaker()
        self._cache = EmbeddingCache(options.cache_size)
        self._flying: dict[Key, asyncio.Future[Vector]] = {}
        self._gathered: list[_Wanted] = []
        self._gathered_bytes = 0
        self._slots = asyncio.Semaphore(BATCHES_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.dimensions = api.dimensions
        self.model = model_name(api, options)

    @property
    def is_open(self) -> bool:
        """Whether the embedder is being left alone because it failed."""
        return self._breaker.is_open

    async def embed(self, texts: Sequence[str], *, for_query: bool = False) -> Vectors:
        """See the port."""
        prefix = self._options.query_prefix if for_query else self._options.document_prefix
        futures = [self._wanted(prefix, text) for text in texts]
        pending = {future for future in futures if not future.done()}
        if pending:
            # Not cancelled with this caller: others may wait for the same texts.
            await asyncio.wait(pending)
        rows = [future.result() for future in futures]
        return np.stack(rows) if rows else np.zeros((0, self.dimensions), np.float32)

    async def close(self) -> None:
        """Give up what is under way, and end all connections."""
        if self._leaving is not None:
            self._leaving.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._fail(self._gathered, Unavailable("the embedder is closed"))
        await self._api.close()

    def _wanted(self, prefix: str, text: str) -> asyncio.Future[Vector]:
        """Return the future of a text's embedding, which may be done already."""
        if not text.strip():
            return self._done(np.zeros(self.dimensions, np.float32))
        key = key_of(self.model, prefix, text)
        kept = self._cache.get(key)
        if kept is not None:
            self._observe("cached", 1, None)
            return self._done(kept)
        if key in self._flying:
            return self._flying[key]
        future: asyncio.Future[Vector] = self._loop.create_future()
        # Whoever asked may have gone; the failure of nobody's text is nobody's news.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._flying[key] = future
        self._gather(_Wanted(key, self._cut(prefix + text), future))
        return future

    def _done(self, vector: Vector) -> asyncio.Future[Vector]:
        future: asyncio.Future[Vector] = self._loop.create_future()
        future.set_result(vector)
        return future

    def _cut(self, text: str) -> str:
        raw = text.encode("utf-8", "replace")
        if len(raw) <= self._options.text_bytes:
            return raw.decode()
        self._observe("cut", 1, None)
        return raw[: self._options.text_bytes].decode("utf-8", "ignore")

    def _gather(self, wanted: _Wanted) -> None:
        size = len(wanted.text.encode())
        if (
            len(self._gathered) >= self._options.batch_texts
            or self._gathered_bytes + size > self._options.batch_bytes
        ):
            self._leave()
        if not self._gathered:
            self._leaving = self._loop.call_later(GATHER_S, self._leave)
        self._gathered.append(wanted)
        self._gathered_bytes += size

    def _leave(self) -> None:
        """Let the gathered batch go."""
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        batch, self._gathered, self._gathered_bytes = self._gathered, [], 0
        if batch:
            self._start(self._carry_out(batch))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        # Not a TaskGroup: a batch belongs to all who wait for its texts, and to none of them.
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, batch: Sequence[_Wanted]) -> None:
        """Embed a batch; settles the future of each text, whatever happens."""
        try:
            async with self._slots:
                await self._try(batch)
        except Unavailable as error:
            self._fail(batch, error)
        finally:
            self._fail(batch, Unavailable("the embedder is closed"))

    async def _try(self, batch: Sequence[_Wanted]) -> None:
        if not self._breaker.allows(self._loop.time()):
            raise Unavailable("the embedder is left alone because it failed", dependency="embedder")
        started = self._loop.time()
        outcome = "failed"
        try:
            vectors = await self._api.embed([wanted.text for wanted in batch])
            outcome = "ok"
            self._breaker.succeeded()
        except InputRefused as error:
            outcome = "refused"
            self._breaker.succeeded()
            await self._halve(batch, error)
            return
        except EmbedderFailed as error:
            self._note_failure(error)
            raise
        except asyncio.CancelledError:
            self._breaker.left()
            raise
        finally:
            self._observe(outcome, len(batch), self._loop.time() - started)
        for wanted, vector in zip(batch, vectors, strict=True):
            # A copy: a row would keep the whole batch in memory.
            self._cache.put(wanted.key, vector.copy())
            self._settle(wanted, vector)

    async def _halve(self, batch: Sequence[_Wanted], error: InputRefused) -> None:
        if len(batch) == 1:
            message = "the embedder does not take this text"
            raise TextRefused(message, dependency="embedder", **error.facts) from error
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            try:
                await self._try(half)
            except Unavailable as failure:
                self._fail(half, failure)

    def _note_failure(self, error: EmbedderFailed) -> None:
        was_open = self._breaker.is_open
        self._breaker.failed(self._loop.time(), pause_s=error.pause_s)
        if self._breaker.is_open and not was_open:
            log.warning(error.message, extra={**error.facts, "breaker": "open"})

    def _settle(self, wanted: _Wanted, vector: Vector) -> None:
        self._flying.pop(wanted.key, None)
        if not wanted.future.done():
            wanted.future.set_result(vector)

    def _fail(self, batch: Sequence[_Wanted], error: Unavailable) -> None:
        for wanted in batch:
            if not wanted.future.done():
                self._flying.pop(wanted.key, None)
                wanted.future.set_exception(error)


def model_name(api: ApiOptions, options: EmbedderOptions) -> str:
    """Return the name of the vectors' space: another model, dimension or prefix makes vectors that do not compare."""
    name = f"{api.model}-{api.dimensions}"
    if options.document_prefix or options.query_prefix:
        prefixes = f"{options.document_prefix}\0{options.query_prefix}".encode()
        name += f"-{hashlib.blake2b(prefixes, digest_size=4).hexdigest()}"
    return name
