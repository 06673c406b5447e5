"""The upkeep: it distrusts a clock that jumps, and writes down what it counted."""

import asyncio
from pathlib import Path

import pytest

from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.adapters.in_memory.index import InMemoryIndex
from memory_server.domain.limits import Limits
from memory_server.domain.memory import MemoryId, MemoryRef
from memory_server.domain.policy import NamespacePolicy
from memory_server.domain.steady_clock import PATIENCE_US, TOLERANCE_US, SteadyClock
from memory_server.ports import PolicyWrite
from memory_server.usecases import lifecycle
from memory_server.usecases.engine import Engine, fill_index
from memory_server.workers import maintainer
from tests.support.memories import DIMENSIONS, NOW_US, SCOPE, StoppedClock, a_store
from tests.support.stores import open_in_memory

DAY_US = 86_400 * 1_000_000


def test_a_steady_clock_is_believed() -> None:
    """Small differences are those of any two clocks."""
    clock = SteadyClock(0, 0)
    assert clock.may_act(DAY_US, DAY_US)
    assert clock.may_act(2 * DAY_US + TOLERANCE_US, 2 * DAY_US)


@pytest.mark.parametrize("jump_us", [DAY_US, -DAY_US])
def test_a_jump_is_doubted_until_it_lasts(jump_us: int) -> None:
    """Forward and back; a jump back to the right time is believed at once."""
    clock = SteadyClock(0, 0)
    assert not clock.may_act(jump_us, 0)
    assert not clock.may_act(jump_us + PATIENCE_US - 1, PATIENCE_US - 1)
    assert clock.may_act(PATIENCE_US - 1, PATIENCE_US - 1)
    assert not clock.may_act(jump_us + PATIENCE_US, PATIENCE_US)
    assert clock.may_act(jump_us + 2 * PATIENCE_US, 2 * PATIENCE_US)


async def an_engine(folder: Path, clock: StoppedClock) -> Engine:
    store = await open_in_memory(folder)
    limits = Limits(8 << 20, 1 << 20, 3600, DIMENSIONS)
    engine = Engine(store, InMemoryIndex(), HashEmbedder(DIMENSIONS), clock, bytes, limits)
    await fill_index(engine)
    return engine


async def test_a_jump_of_the_clock_removes_nothing(tmp_path: Path) -> None:
    """What has expired by the new time is hidden, and comes back with the old time."""
    clock = StoppedClock(NOW_US)
    engine = await an_engine(tmp_path, clock)
    await engine.store.commit([a_store(expire_time_us=NOW_US + DAY_US)])
    done: list[str] = []

    def observe(action: str, _count: int) -> None:
        done.append(action)

    rounds = asyncio.create_task(
        maintainer.run(engine, decay_every_s=1, observe=observe, monotonic_ns=lambda: 0)
    )
    await asyncio.sleep(0)
    clock.time_us = NOW_US + 2 * DAY_US
    await asyncio.sleep(3 * maintainer.EVERY_S)
    rounds.cancel()
    await asyncio.gather(rounds, return_exceptions=True)
    clock.time_us = NOW_US

    assert "expired" not in done
    ref = MemoryRef(id=MemoryId("tea"))
    assert (await engine.store.get(SCOPE, ref, NOW_US)).id == "tea"


async def test_a_limit_that_was_lowered_is_reached_without_stores(tmp_path: Path) -> None:
    """However far it was lowered, within one round."""
    engine = await an_engine(tmp_path, StoppedClock(NOW_US))
    await engine.store.commit([a_store(f"m{number}") for number in range(3 * lifecycle.BATCH)])
    await engine.store.commit([PolicyWrite(SCOPE, NamespacePolicy(max_memories=5), NOW_US)])
    evicted: list[int] = []
    is_reached = asyncio.Event()

    def observe(action: str, count: int) -> None:
        if action == "evicted":
            evicted.append(count)
        if sum(evicted) == 3 * lifecycle.BATCH - 5:
            is_reached.set()

    rounds = asyncio.create_task(maintainer.run(engine, decay_every_s=1, observe=observe))
    async with asyncio.timeout(10):
        await is_reached.wait()
    rounds.cancel()
    await asyncio.gather(rounds, return_exceptions=True)

    assert (await engine.store.stats(SCOPE, NOW_US)).memory_count == 5
    assert max(evicted) <= lifecycle.BATCH


async def test_a_bug_in_one_kind_of_upkeep_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and neither the server nor the other kinds end by it."""

    async def fail(_engine: Engine) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(lifecycle, "expire_once", fail)
    engine = await an_engine(tmp_path, StoppedClock(NOW_US))
    await engine.store.commit([a_store("a"), a_store("b")])
    await engine.store.commit([PolicyWrite(SCOPE, NamespacePolicy(max_memories=1), NOW_US)])
    is_evicted = asyncio.Event()
    rounds = asyncio.create_task(
        maintainer.run(engine, decay_every_s=1, observe=lambda *_: is_evicted.set())
    )
    async with asyncio.timeout(10):
        await is_evicted.wait()
    assert not rounds.done()
    rounds.cancel()
    await asyncio.gather(rounds, return_exceptions=True)

    assert "ZeroDivisionError" in caplog.text


async def test_what_was_counted_is_written_down_at_the_end(tmp_path: Path) -> None:
    """An orderly end loses no access."""
    engine = await an_engine(tmp_path, StoppedClock(NOW_US))
    await engine.store.commit([a_store()])
    rounds = asyncio.create_task(
        maintainer.run(engine, decay_every_s=1, observe=lambda _action, _count: None)
    )
    await asyncio.sleep(0.01)
    engine.note_access(SCOPE, [MemoryId("tea"), MemoryId("tea"), MemoryId("absent")])
    rounds.cancel()
    await asyncio.gather(rounds, return_exceptions=True)

    record = await engine.store.get(SCOPE, MemoryRef(id=MemoryId("tea")), NOW_US)
    assert (record.access_count, record.last_access_us) == (2, NOW_US)
