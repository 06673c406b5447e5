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
from memory_server.adapters.embedded.database import Database, guarded, read_only_uri
from memory_server.domain.filters import Filter
from memory_server.domain.limits import MAX_RESPONSE_BYTES
from memory_server.domain.memory import MemoryLink, MemoryRecord, MemoryVersion, Scope
from memory_server.domain.refusals import namespace_not_found
from memory_server.domain.sizes import latest_fitting, message_bytes
from memory_server.ports import ExportedMemory, StoreCopy

BATCH_ROWS = 200

PAGE_BYTES = MAX_RESPONSE_BYTES
"""A page of memories that is as large ends before it has all rows: nobody needs more at once."""

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
        self,
        given: Filter,
        now_us: int,
        *,
        with_versions: bool,
        most_bytes: int = MAX_RESPONSE_BYTES,
    ) -> AsyncIterator[Sequence[ExportedMemory]]:
        """See the port."""
        where = queries.conditions(self._namespace_key, given, now_us)
        seqs = await self._run(partial(self._seqs, where))
        start = 0
        while start < len(seqs):
            rest = seqs[start : start + BATCH_ROWS]
            page = await self._run(partial(self._page, rest, most_bytes if with_versions else None))
            start += len(page)
            yield page

    async def links(self) -> AsyncIterator[Sequence[MemoryLink]]:
        """See the port."""
        statement = (
            f"SELECT {rows.LINK_COLUMNS} FROM link WHERE namespace_key = ?"
            " ORDER BY from_id, type, to_id"
        )
        cursor = self._connection.execute(statement, (self._namespace_key,))
        while found := await self._run(lambda: cursor.fetchmany(BATCH_ROWS)):
            yield [rows.memory_link(row) for row in found]

    def _seqs(self, where: queries.Sql) -> list[int]:
        # Without the rows themselves: to put them in order, SQLite would read every payload for each page.
        statement = (
            f"SELECT memory.commit_seq FROM memory WHERE {where.text} ORDER BY memory.commit_seq"
        )
        return [seq for (seq,) in self._connection.execute(statement, where.parameters)]

    def _page(self, seqs: Sequence[int], most_bytes: int | None) -> list[ExportedMemory]:
        """Read the first memories, until they are enough; `most_bytes` None: without versions."""
        statement = f"SELECT {rows.MEMORY_COLUMNS} FROM memory WHERE commit_seq = ?"
        page: list[ExportedMemory] = []
        size = 0
        for seq in seqs:
            record = rows.memory_record(self._connection.execute(statement, (seq,)).fetchone())
            memory = self._exported(record, most_bytes)
            page.append(memory)
            size += message_bytes(record)
            size += sum(message_bytes(version.record) for version in memory.versions)
            if size >= PAGE_BYTES:
                break
        return page

    def _exported(self, record: MemoryRecord, most_bytes: int | None) -> ExportedMemory:
        if most_bytes is None:
            return ExportedMemory(record)
        fitting = latest_fitting(record, self._versions(record.id), most_bytes)
        (count,) = self._connection.execute(
            "SELECT count(*) FROM memory_version WHERE namespace_key = ? AND id = ?",
            (self._namespace_key, record.id),
        ).fetchone()
        return ExportedMemory(record, fitting, count - len(fitting))

    def _versions(self, memory_id: str) -> Iterator[MemoryVersion]:
        """Yield the older versions of a memory, the latest one first."""
        statement = (
            f"SELECT {rows.VERSION_COLUMNS}, supersede_time_us FROM memory_version"
            " WHERE namespace_key = ? AND id = ? ORDER BY version DESC"
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
    copy = sqlite3.connect(read_only_uri(target), uri=True)
    try:
        # What a tenant no longer has belongs to nobody, until it is swept away.
        count = copy.execute("SELECT total(memory_count) FROM namespace WHERE tenant <> ''")
        return StoreCopy(_commit_seq(copy), int(count.fetchone()[0]))
    finally:
        copy.close()


def _commit_seq(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE name = 'commit_seq'").fetchone()
    return int(row[0])
