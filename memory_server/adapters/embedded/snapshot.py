"""Reading a namespace as it was at one commit, and copying the whole store, while it is written to.

Each has a connection and a thread of its own, because its read transaction stays open for as long as its reader takes.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from memory_server.adapters.embedded import queries, rows
from memory_server.adapters.embedded.database import Database, guarded
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryLink, MemoryVersion, Scope
from memory_server.domain.refusals import namespace_not_found
from memory_server.ports import ExportedMemory, StoreCopy

BATCH_ROWS = 200

Result = TypeVar("Result")


class EmbeddedSnapshot:
    """An open read transaction; see `ports.Snapshot`."""

    def __init__(
        self, connection: sqlite3.Connection, thread: ThreadPoolExecutor, namespace_key: int
    ) -> None:
        self._connection = connection
        self._thread = thread
        self._namespace_key = namespace_key
        self.commit_seq = _commit_seq(connection)
        """The last commit that the transaction sees."""

    async def memories(
        self, given: Filter, now_us: int, *, with_versions: bool
    ) -> AsyncIterator[Sequence[ExportedMemory]]:
        """See the port."""
        where = queries.conditions(self._namespace_key, given, now_us)
        statement = (
            f"SELECT {rows.MEMORY_COLUMNS} FROM memory WHERE {where.text} AND memory.commit_seq > ?"
            " ORDER BY memory.commit_seq LIMIT ?"
        )
        last = 0
        while True:
            parameters = [*where.parameters, last, BATCH_ROWS]
            found = await self._run(partial(self._exported, statement, parameters, with_versions))
            if not found:
                return
            last = found[-1].record.commit_seq
            yield found

    async def links(self) -> AsyncIterator[Sequence[MemoryLink]]:
        """See the port."""
        statement = (
            f"SELECT {rows.LINK_COLUMNS} FROM link WHERE namespace_key = ?"
            " ORDER BY from_id, type, to_id"
        )
        cursor = self._connection.execute(statement, (self._namespace_key,))
        while found := await self._run(lambda: cursor.fetchmany(BATCH_ROWS)):
            yield [rows.memory_link(row) for row in found]

    def _exported(
        self, statement: str, parameters: Sequence[object], with_versions: bool
    ) -> list[ExportedMemory]:
        records = [
            rows.memory_record(row) for row in self._connection.execute(statement, parameters)
        ]
        if not with_versions:
            return [ExportedMemory(record) for record in records]
        return [ExportedMemory(record, tuple(self._versions(record.id))) for record in records]

    def _versions(self, memory_id: str) -> Iterator[MemoryVersion]:
        statement = (
            f"SELECT {rows.VERSION_COLUMNS}, supersede_time_us FROM memory_version"
            " WHERE namespace_key = ? AND id = ? ORDER BY version"
        )
        for row in self._connection.execute(statement, (self._namespace_key, memory_id)):
            yield rows.memory_version(row)

    async def _run(self, read: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded, read)


@asynccontextmanager
async def hold(database: Database, scope: Scope) -> AsyncIterator[EmbeddedSnapshot]:
    """Hold a namespace as it is now.

    Raises:
        NotFound: There is no such namespace.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
    connection = database.connect()
    try:
        connection.execute("BEGIN")
        row = connection.execute(
            "SELECT key FROM namespace WHERE tenant = ? AND name = ?",
            (scope.tenant, scope.namespace),
        ).fetchone()
        if row is None:
            raise namespace_not_found(scope)
        yield EmbeddedSnapshot(connection, thread, row[0])
    finally:
        # A reader who goes may leave a read under way: it is broken off, and only then the connection closed.
        connection.interrupt()
        thread.submit(connection.close)
        thread.shutdown(wait=False)


def copy_store(database: Database, target: Path) -> StoreCopy:
    """Write a compact copy of the whole store, as it is at one commit, to a file that does not exist yet."""
    connection = database.connect(is_writer=True)
    try:
        connection.execute("VACUUM INTO ?", (str(target),))
    finally:
        connection.close()
    copy = sqlite3.connect(f"file:{target}?mode=ro", uri=True)
    try:
        # What a tenant no longer has belongs to nobody, until it is swept away.
        count = copy.execute("SELECT total(memory_count) FROM namespace WHERE tenant <> ''")
        return StoreCopy(_commit_seq(copy), int(count.fetchone()[0]))
    finally:
        copy.close()


def _commit_seq(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE name = 'commit_seq'").fetchone()
    return int(row[0])
