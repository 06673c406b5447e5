"""How long request ids are kept, whatever the clock does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from memory_server.adapters.embedded.committer import CommitterOptions
from memory_server.adapters.embedded.database import open_database
from memory_server.adapters.embedded.store import EmbeddedStore
from memory_server.domain.memory import MemoryId, Receipt
from memory_server.domain.steady_clock import PATIENCE_US
from memory_server.ports import RequestKey
from tests.support.memories import DIMENSIONS, NOW_US, StoppedClock, a_store
from tests.support.stores import StoreCase, commit

TTL_S = 3600
LATER_US = 2 * TTL_S * 1_000_000


class Case:
    """A store whose clocks the test turns."""

    def __init__(self, store: EmbeddedStore, clock: StoppedClock) -> None:
        self.clock = clock
        self._case = StoreCase(store)

    async def store(self, id: str) -> Receipt:
        fallback = MemoryId(id)
        key = RequestKey("r", b"digest")
        return await commit(self._case, a_store("", request=key, fallback_id=fallback))

    async def keep_house(self) -> None:
        await commit(self._case, a_store("other"))
        assert await self._case.store.scrub(1.0)


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    database = open_database(tmp_path / "data", synchronous="FULL", dimensions=DIMENSIONS)
    clock = StoppedClock(NOW_US)
    store = EmbeddedStore(database, clock, CommitterOptions(100, TTL_S))
    yield Case(store, clock)
    await store.close()


async def test_a_clock_that_jumps_ahead_forgets_no_request_id(case: Case) -> None:
    """A retry that comes when it is right again is still none to be written."""
    await case.store("one")
    case.clock.time_us += LATER_US
    await case.keep_house()
    case.clock.time_us -= LATER_US
    again = await case.store("two")
    assert (again.memory_id, again.is_replayed) == ("one", True)


async def test_old_request_ids_are_forgotten(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when a jump of the clock turns out to be the time."""
    await case.store("one")
    case.clock.time_us += LATER_US
    await case.keep_house()
    passed_us = PATIENCE_US
    steady = "memory_server.adapters.embedded.committer.Committer._monotonic_us"
    now_us = case.clock.time_us
    monkeypatch.setattr(steady, lambda committer: round(committer._loop.time() * 1e6) + passed_us)
    case.clock.time_us = now_us + passed_us
    await case.keep_house()
    assert not (await case.store("two")).is_replayed
