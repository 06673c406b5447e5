"""Callers who go while something is read for them: a connection that is closed under a read ends the process."""

import asyncio
import dataclasses
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from memory_server.adapters.embedded import snapshot
from memory_server.adapters.embedded.committer import CommitterOptions
from memory_server.adapters.embedded.database import Database, open_database
from memory_server.adapters.embedded.store import EmbeddedStore
from memory_server.domain.filters import Filter
from tests.support.memories import DIMENSIONS, NOW_US, SCOPE, StoppedClock, a_store

SLOW_S = 0.1
events: list[str] = []
"""What happened to connections, in order."""


class NotingConnection(sqlite3.Connection):
    """A connection that notes its end, and is slow to read memories."""

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        is_slow = statement.startswith("SELECT memory.commit_seq")
        if is_slow:
            events.append("begun")
            time.sleep(SLOW_S)
        done = super().execute(statement, *parameters)
        if is_slow:
            events.append("read")
        return done

    def close(self) -> None:
        events.append("closed")
        super().close()


class NotingDatabase(Database):
    """Opens such connections for readers."""

    def connect(self, *, is_writer: bool = False) -> sqlite3.Connection:
        if is_writer:
            return super().connect(is_writer=True)
        return sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, factory=NotingConnection
        )


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty store folder that is open."""
    opened = open_database(tmp_path / "data", synchronous="FULL", dimensions=DIMENSIONS)
    return NotingDatabase(
        **{one.name: getattr(opened, one.name) for one in dataclasses.fields(opened)}
    )


async def test_a_snapshot_is_let_go_after_its_last_read(database: Database) -> None:
    """However its reader went; the loop does not wait for it."""
    store = EmbeddedStore(database, StoppedClock(), CommitterOptions(100, 60))
    await store.commit([a_store()])
    events.clear()

    async def export() -> None:
        async with snapshot.hold(database, SCOPE) as held:
            async for _ in held.memories(Filter(), NOW_US, with_versions=False):
                pass

    task = asyncio.create_task(export())
    await asyncio.sleep(SLOW_S / 4)
    before = time.monotonic()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    is_waited_for = "closed" in events
    for _ in range(100):
        if "closed" in events:
            break
        await asyncio.sleep(SLOW_S / 10)
    took = time.monotonic() - before

    assert events == ["begun", "read", "closed"]
    assert not is_waited_for
    assert took > SLOW_S / 4
    await store.close()


async def test_slow_reads_are_made_one_by_one(database: Database) -> None:
    """A caller who goes leaves one under way: the next one, and the end of the store, wait for it."""
    store = EmbeddedStore(database, StoppedClock(), CommitterOptions(100, 60))
    await store.commit([a_store()])
    events.clear()

    async def read() -> int:
        return len(await store.list_page(SCOPE, Filter(), NOW_US, None, 10))

    gone = asyncio.create_task(read())
    await asyncio.sleep(SLOW_S / 4)
    gone.cancel()
    assert await read() == 1
    last = asyncio.create_task(read())
    await asyncio.sleep(SLOW_S / 4)
    last.cancel()
    await store.close()

    assert events == [*["begun", "read"] * 2, "begun", "closed", "read", "closed"]
