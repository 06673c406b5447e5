"""What happens when the disk fails in the worst moment: nothing hangs, nothing is half done, and it is said."""

import asyncio
import dataclasses
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memory_server.adapters.embedded.committer import CommitterOptions
from memory_server.adapters.embedded.database import Database, open_database
from memory_server.adapters.embedded.store import EmbeddedStore
from memory_server.domain.memory import Receipt
from memory_server.transport.health import Readiness
from soma_common.errors import StoreBroken, Unavailable
from tests.support.memories import DIMENSIONS, NOW_US, SCOPE, StoppedClock, a_store
from tests.support.stores import StoreCase, open_embedded

failing: set[str] = set()
"""First words of the statements that fail now, and `connect`."""

SLOW_COMMIT_S = 0.05
is_slow = threading.Event()
"""Whether a commit takes that long."""


class FailingConnection(sqlite3.Connection):
    """A connection to a disk that fails at chosen statements, the way SQLite says it."""

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        if statement.split(maxsplit=1)[0] in failing:
            raise sqlite3.OperationalError("disk I/O error")
        if statement == "COMMIT" and is_slow.is_set():
            time.sleep(SLOW_COMMIT_S)
        return super().execute(statement, *parameters)


class FailingDatabase(Database):
    """Opens such connections for the writer."""

    def connect(self, *, is_writer: bool = False) -> sqlite3.Connection:
        if not is_writer:
            return super().connect()
        if "connect" in failing:
            raise sqlite3.OperationalError("unable to open database file")
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, factory=FailingConnection
        )
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


@pytest.fixture
async def case(tmp_path: Path) -> StoreCase:
    failing.clear()
    is_slow.clear()
    opened = open_database(tmp_path / "data", synchronous="FULL", dimensions=DIMENSIONS)
    facts = {each.name: getattr(opened, each.name) for each in dataclasses.fields(opened)}
    return StoreCase(
        EmbeddedStore(FailingDatabase(**facts), StoppedClock(), CommitterOptions(100, 60))
    )


async def reopened_count(tmp_path: Path) -> int:
    store = await open_embedded(tmp_path / "data")
    try:
        return (await store.stats(SCOPE, NOW_US)).memory_count
    finally:
        await store.close()


async def test_a_rollback_that_fails_takes_a_new_connection(
    case: StoreCase, tmp_path: Path
) -> None:
    """The write that failed is refused and undone; the next one works; what was acknowledged is there."""
    await case.store.commit([a_store("before")])
    failing.update({"COMMIT", "ROLLBACK"})
    (refused,) = await case.store.commit([a_store("lost")])
    with pytest.raises(Unavailable):
        await case.store.check()
    failing.clear()
    await case.store.check()
    (accepted,) = await case.store.commit([a_store("after")])
    ids = [change.added.id for change in case.changes if change.added]
    await case.store.close()

    assert isinstance(refused, Unavailable)
    assert isinstance(accepted, Receipt)
    assert ids == ["before", "after"]
    assert await reopened_count(tmp_path) == 2


async def test_without_a_new_connection_every_write_is_refused(
    case: StoreCase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody hangs, neither who was writing nor who waits; readiness says why, and the server is told to end."""
    await case.store.commit([a_store("before")])
    failing.update({"COMMIT", "ROLLBACK", "connect"})
    with caplog.at_level(logging.CRITICAL):
        outcomes = await asyncio.gather(
            *(case.store.commit([a_store(f"lost-{number}")]) for number in range(5)),
            return_exceptions=True,
        )
    failing.clear()
    with pytest.raises(StoreBroken):
        await case.store.commit([a_store("late")])
    readiness, stop = Readiness([]), asyncio.Event()
    await readiness.watch(case.store, stop)
    await case.store.close()

    assert all(isinstance(outcome, StoreBroken) for outcome in outcomes)
    assert stop.is_set()
    assert readiness.broken is not None
    assert readiness.reason == readiness.broken.message
    assert "the store cannot go on" in caplog.text
    assert await reopened_count(tmp_path) == 1


async def test_a_listener_that_fails_breaks_the_store_but_no_promise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The write is durable and acknowledged; the index has missed it, so the server ends and reads it anew."""

    def fail(_changes: object) -> None:
        raise ValueError("a bug of the index")

    store = await open_embedded(tmp_path / "data")
    listener: Callable[[Any], None] = fail
    store.listen(listener)
    with caplog.at_level(logging.CRITICAL):
        (receipt,) = await store.commit([a_store("kept")])
    with pytest.raises(StoreBroken):
        await store.check()
    await store.close()

    assert isinstance(receipt, Receipt)
    assert await reopened_count(tmp_path) == 1


async def test_who_was_being_committed_when_the_store_broke_is_not_left_waiting(
    case: StoreCase, tmp_path: Path
) -> None:
    """The next group is on its way to the disk while the listener fails: its writer hears that the store is broken."""

    def fail(_changes: object) -> None:
        raise ValueError("a bug of the index")

    case.store.listen(fail)
    is_slow.set()
    first = asyncio.ensure_future(case.store.commit([a_store("kept")]))
    await asyncio.sleep(SLOW_COMMIT_S / 2)
    second = asyncio.ensure_future(case.store.commit([a_store("unsaid")]))
    outcomes = await asyncio.gather(first, second, return_exceptions=True)
    await case.store.close()

    assert isinstance(outcomes[0], list)
    assert isinstance(outcomes[1], StoreBroken)
    assert await reopened_count(tmp_path) == 2


async def test_a_group_is_told_of_before_the_next_one(case: StoreCase) -> None:
    """Also when the next one was carried out first; and what was acknowledged, the listener has heard of."""
    is_slow.set()
    acknowledged: list[int] = []

    async def write(number: int) -> None:
        await asyncio.sleep(number * SLOW_COMMIT_S / 3)
        await case.store.commit([a_store(f"memory-{number}")])
        acknowledged.append(number)
        told = [change.added.id for change in case.changes if change.added]
        assert f"memory-{number}" in told

    await asyncio.gather(*(write(number) for number in range(12)))
    seqs = [change.commit_seq for change in case.changes]
    await case.store.close()

    assert sorted(acknowledged) == list(range(12))
    assert seqs == sorted(seqs)
