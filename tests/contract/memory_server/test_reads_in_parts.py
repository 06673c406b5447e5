"""Reads of many memories, each of which may have a megabyte: never more at once than a sweep reads."""

import dataclasses
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryDraft, MemoryId, MemoryRef
from memory_server.domain.policy import NamespacePolicy
from memory_server.ports import CreateNamespaceWrite
from memory_server.usecases import consolidate, read, reflect, store, walk
from memory_server.usecases.engine import Engine
from memory_server.usecases.read import SWEEP_PAGE
from tests.support.engines import ENGINES, an_engine
from tests.support.memories import DIMENSIONS, NOW_US, SCOPE, StoppedClock

COUNT = 3 * SWEEP_PAGE
WHOLE = MemoryRef(id=MemoryId("whole"))


class Counted:
    """A store that notes how many memories each read gives."""

    def __init__(self, engine: Engine) -> None:
        self._store = engine.store
        self.most = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in ("versions", "get_by_id", "list_page"):
            return found

        async def noted(*arguments: Any, **named: Any) -> Any:
            given = await found(*arguments, **named)
            self.most = max(self.most, len(given))
            return given

        return noted


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """Each engine, with a session of many episodes and a memory of many versions."""
    clock = StoppedClock(NOW_US)
    async with an_engine(request.param, tmp_path, HashEmbedder(DIMENSIONS), clock) as engine:
        policy = NamespacePolicy(max_versions=COUNT)
        await engine.commit_one(CreateNamespaceWrite(SCOPE, policy, NOW_US))
        parts = [
            MemoryDraft(b"{}", id=f"m{number}", metadata={"session": "whole"})
            for number in range(COUNT)
        ]
        versions = [
            MemoryDraft(b"{}", id="whole", kind=2, metadata={"consolidation": "c"})
            for _ in range(COUNT)
        ]
        commands = [store.StoreCommand(draft) for draft in [*parts, *versions]]
        for first in range(0, len(commands), 500):
            await store.store_batch(engine, SCOPE, commands[first : first + 500])
        yield engine


async def neighbors(engine: Engine) -> int:
    ways = walk.Ways(("part_of",), walk.Direction.INCOMING)
    found, _ = await walk.neighbors(engine, SCOPE, walk.NeighborQuery(WHOLE, ways, 1, COUNT))
    return len(found)


async def sample(engine: Engine) -> int:
    return len(
        await reflect.reflect(engine, SCOPE, Filter(kinds=frozenset({1})), count=1000, seed=1)
    )


async def versions(engine: Engine) -> int:
    page = await read.list_versions(engine, SCOPE, WHOLE, page_size=1000, token="")
    assert not page.next_token
    return len(page.versions)


async def moment(engine: Engine) -> int:
    return (await read.get(engine, SCOPE, WHOLE, as_of_us=NOW_US)).version


async def undo(engine: Engine) -> int:
    count, _ = await consolidate.undo(engine, SCOPE, "c")
    return count * COUNT


@pytest.mark.parametrize("work", [neighbors, sample, versions, moment, undo])
async def test_few_are_read_at_once(
    engine: Engine, work: Callable[[Engine], Coroutine[Any, Any, int]]
) -> None:
    """And all of them are found."""
    counted = Counted(engine)
    watched: Any = dataclasses.replace(engine, store=counted)
    assert await work(watched) == COUNT
    assert 0 < counted.most <= SWEEP_PAGE
