"""Walks over links, over every store: right beside a plain statement of the rules, and bounded."""

import asyncio
import random

import pytest

from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.adapters.in_memory.index import InMemoryIndex
from memory_server.domain.limits import Limits
from memory_server.domain.memory import MemoryId, MemoryKind, MemoryLink, MemoryRef
from memory_server.usecases import walk
from memory_server.usecases.engine import Engine, fill_index
from memory_server.usecases.walk import Direction, NeighborQuery, PathQuery, Ways
from soma_common.errors import QuotaExceeded
from tests.support.memories import DIMENSIONS, NOW_US, SCOPE, StoppedClock, a_link, a_store
from tests.support.stores import StoreCase

LIMITS = Limits(8 << 20, 1 << 20, 3600, DIMENSIONS)
GONE = "m07"
"""It has expired."""


@pytest.fixture
async def engine(case: StoreCase) -> Engine:
    """An engine over each store."""
    made = Engine(
        case.store, InMemoryIndex(), HashEmbedder(DIMENSIONS), StoppedClock(), bytes, LIMITS
    )
    await fill_index(made)
    return made


def ref(name: str) -> MemoryRef:
    return MemoryRef(id=MemoryId(name))


async def fill(engine: Engine, names: list[str], links: list[tuple[str, str, str, float]]) -> None:
    semantic = MemoryKind.SEMANTIC
    await engine.store.commit([a_store(name, kind=semantic) for name in names])
    writes = [a_link(start, end, type=kind, weight=weight) for start, end, kind, weight in links]
    await engine.store.commit(writes)
    if GONE in names:
        await engine.store.commit([a_store(GONE, kind=semantic, expire_time_us=NOW_US)])


def plainly(
    links: list[tuple[str, str, str, float]], start: str, query: NeighborQuery
) -> tuple[list[tuple[str, int, str, float]], bool]:
    """Return (id, distance, type, weight) of what is near, by reading all links at each step."""
    reached: dict[str, tuple[int, str, float]] = {}
    frontier = [start]
    for distance in range(1, query.depth + 1):
        steps = []
        for one, other, kind, weight in links:
            ways = [(one, other)] if query.ways.direction is not Direction.INCOMING else []
            ways += [(other, one)] if query.ways.direction is not Direction.OUTGOING else []
            is_wanted = not query.ways.types or kind in query.ways.types
            steps += [
                (-weight, far, kind)
                for near, far in ways
                if near in frontier and far != GONE and is_wanted
            ]
        frontier = []
        for lightness, far, kind in sorted(steps):
            if far == start or far in reached:
                continue
            if len(reached) == query.limit:
                return [(name, *reached[name]) for name in reached], True
            reached[far] = (distance, kind, -lightness)
            frontier.append(far)
    return [(name, *reached[name]) for name in reached], False


async def test_what_is_near_is_what_the_rules_say(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In random graphs with heavy and equal weights, several types, what has expired, and small pages."""
    monkeypatch.setattr(walk, "AT_ONCE", 3)
    chance = random.Random(5)
    names = [f"m{number:02}" for number in range(30)]
    drawn = {
        (chance.choice(names), chance.choice(names), chance.choice("tuv")): float(
            chance.randint(0, 2)
        )
        for _ in range(220)
    }
    links = [(*key, weight) for key, weight in drawn.items()]
    await fill(engine, names, links)
    for _ in range(120):
        start = chance.choice([name for name in names if name != GONE])
        ways = Ways(chance.choice([(), ("t",), ("t", "v")]), chance.choice(list(Direction)))
        query = NeighborQuery(
            ref(start), ways, chance.randint(1, 4), chance.choice([1, 2, 5, 12, 40])
        )
        found, is_truncated = await walk.neighbors(engine, SCOPE, query)
        got = [(one.record.id, one.distance, one.link.type, one.link.weight) for one in found]

        assert (got, is_truncated) == plainly(links, start, query)


async def test_a_walk_looks_at_so_many_links_and_no_more(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk tells that it was cut, a search of a path that it was given up; others have their turn meanwhile."""
    monkeypatch.setattr(walk, "AT_ONCE", 8)
    names = ["hub", *(f"n{number:03}" for number in range(200)), "island"]
    links = [("hub", name, "t", 1.0) for name in names[1:-1]]
    await fill(engine, names, links)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    near = NeighborQuery(ref("hub"), Ways(), 1, 1000)
    to_island = PathQuery(ref("hub"), ref("island"), Ways())
    whole, is_cut = await walk.neighbors(engine, SCOPE, near)
    assert await walk.find_path(engine, SCOPE, to_island) is None
    task.cancel()
    monkeypatch.setattr(walk, "MAX_LINKS", 50)
    part, is_part_cut = await walk.neighbors(engine, SCOPE, near)
    with pytest.raises(QuotaExceeded) as caught:
        await walk.find_path(engine, SCOPE, to_island)

    assert (len(whole), is_cut) == (200, False)
    assert turns > 20
    assert 50 <= len(part) <= 60
    assert is_part_cut
    assert caught.value.retry_after_s is None


async def test_links_that_somebody_wrote_come_before_those_that_are_derived(engine: Engine) -> None:
    """An episode that follows another one by a link of its own has that one, with its weight, once."""
    await engine.store.commit([a_store("a"), a_store("b", event_time_us=NOW_US + 1)])
    derived = NeighborQuery(ref("b"), Ways(), 1, 10)
    before, _ = await walk.neighbors(engine, SCOPE, derived)
    await engine.store.commit([a_link("b", "a", type="follows", weight=0.25)])
    after, _ = await walk.neighbors(engine, SCOPE, derived)

    made = MemoryLink(MemoryId("b"), MemoryId("a"), "follows", 1.0, {}, 0)
    assert [one.link for one in before] == [made]
    assert [(one.record.id, one.link.weight, one.link.version) for one in after] == [("a", 0.25, 1)]
