"""The engines under test: each store with its index, and a clock that the test turns."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from memory_server.adapters.embedded.index import EmbeddedIndex
from memory_server.adapters.in_memory.index import InMemoryIndex
from memory_server.domain.limits import Limits
from memory_server.ports import Embedder
from memory_server.usecases.engine import Engine, fill_index
from tests.support.memories import DIMENSIONS, StoppedClock
from tests.support.stores import open_embedded, open_in_memory

LIMITS = Limits(8 << 20, 1 << 20, 3600, DIMENSIONS)
ENGINES = ("in_memory", "embedded")


@asynccontextmanager
async def an_engine(
    kind: str, folder: Path, embedder: Embedder, clock: StoppedClock
) -> AsyncIterator[Engine]:
    """Run an empty engine, one of `ENGINES`."""
    is_embedded = kind == "embedded"
    memory_store = await (open_embedded if is_embedded else open_in_memory)(folder / "data")
    index = EmbeddedIndex() if is_embedded else InMemoryIndex()
    numbers = itertools.count()
    engine = Engine(
        memory_store,
        index,
        embedder,
        clock,
        lambda size: next(numbers).to_bytes(size, "big"),
        LIMITS,
    )
    await fill_index(engine)
    try:
        yield engine
    finally:
        await memory_store.close()
