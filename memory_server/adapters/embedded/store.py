"""MemoryStore on SQLite: writes go to the committer, reads are answered where they are asked.

A read of one memory takes some 20 µs, less than handing it to a thread would; it runs on the event loop. What may take
long (counting, scanning, filters over metadata) runs in a thread on a connection of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded import (
    everything,
    linked,
    past,
    present,
    queries,
    rows,
    snapshot,
)
from memory_server.adapters.embedded.committer import CommitObserver, Committer, CommitterOptions
from memory_server.adapters.embedded.database import Database, guarded
from memory_server.adapters.embedded.facts import UntilCommit
from memory_server.adapters.embedded.recent import RecentRecords
from memory_server.adapters.embedded.writes.erasure import subject_ids
from memory_server.adapters.embedded.writes.executor import replayed
from memory_server.domain.filters import Filter
from memory_server.domain.memory import (
    LoggedChange,
    MemoryId,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    MemoryVersion,
    MetadataValue,
    NamespaceStats,
    Receipt,
    Scope,
    Tenant,
)
from memory_server.domain.policy import NamespaceInfo, NamespacePolicy
from memory_server.domain.refusals import (
    memory_not_found,
    namespace_not_found,
    version_not_found,
)
from memory_server.ports import (
    AccessWrite,
    Change,
    Clock,
    CommitListener,
    EraseWrite,
    Lacking,
    ListOrder,
    ListPosition,
    NewEmbedding,
    RequestKey,
    StoreCopy,
    Write,
)
from soma_common.errors import CorruptData, StorageFull

_ORDER_COLUMNS = {ListOrder.EVENT_TIME: "event_time_us", ListOrder.IMPORTANCE: "importance"}

HEADROOM_BYTES = 4 * 1024 * 1024
"""A disk that was full counts as full until so much is free: an empty commit fits where no payload does."""

Result = TypeVar("Result")


class EmbeddedStore:
    """The memories of one server in one SQLite file; see `ports.MemoryStore` for what it promises."""

    name = "embedded"

    def __init__(
        self,
        database: Database,
        clock: Clock,
        options: CommitterOptions,
        observe: CommitObserver = lambda _count, _seconds: None,
    ) -> None:
        self._database = database
        self._reader = database.connect()
        self._slow_reader = database.connect()
        # A thread that the connection belongs to: a caller who goes leaves a read under way, which nobody else, and no
        # end of the store, may come across.
        self._slow_thread = ThreadPoolExecutor(1, thread_name_prefix="slow-reads")
        self._damage: CorruptData | None = None
        """What a read found; a person must look, whatever else works."""
        self._namespace_keys: dict[Scope, int] = {}
        self._recent = RecentRecords()
        self._listener: CommitListener = lambda _changes: None
        self._committer = Committer(
            database,
            clock,
            options,
            deliver=self._tell,
            observe=observe,
        )
        self._policies = UntilCommit[NamespacePolicy](lambda: self.last_commit_seq)
        self._linked = UntilCommit[bool](lambda: self.last_commit_seq)

    @property
    def page_key(self) -> bytes:
        """See the port."""
        return self._database.page_key

    @property
    def history_id(self) -> int:
        """See the port."""
        return self._database.history_id

    @property
    def signing_seed(self) -> bytes:
        """See the port."""
        return self._database.signing_seed

    @property
    def last_commit_seq(self) -> int:
        """See the port."""
        return self._committer.last_commit_seq

    @property
    def folder(self) -> Path:
        """See the port."""
        return self._database.path.parent

    def listen(self, listener: CommitListener) -> None:
        """See the port."""
        self._listener = listener

    async def commit(self, writes: Sequence[Write]) -> list[Receipt | Exception]:
        """See the port."""
        outcomes = await self._committer.commit(writes)
        for write in writes:
            if isinstance(write, AccessWrite):
                self._forget_counted(write)
        return outcomes

    async def get(self, scope: Scope, ref: MemoryRef, now_us: int) -> MemoryRecord:
        """See the port."""
        namespace_key = self._require_namespace(scope)
        found = None if ref.id is None else self._recent.by_id(namespace_key, ref.id)
        if found is None:
            found = present.at(self._read, namespace_key, ref)
            if found is not None:
                self._recent.keep(namespace_key, found)
        if found is None or found.is_expired(now_us):
            raise memory_not_found(ref)
        return found

    async def get_whole(self, scope: Scope, ref: MemoryRef, now_us: int) -> MemoryRecord:
        """See the port."""
        found = present.at(self._read, self._require_namespace(scope), ref, is_whole=True)
        if found is None or found.is_expired(now_us):
            raise memory_not_found(ref)
        return found

    async def get_by_seq(self, scope: Scope, seqs: Sequence[int]) -> dict[int, MemoryRecord]:
        """See the port."""
        namespace_key = self._namespace_key(scope)
        if namespace_key is None or not seqs:
            return {}
        found: dict[int, MemoryRecord] = {}
        others = []
        for seq in seqs:
            record = self._recent.by_seq(namespace_key, seq)
            if record is None:
                others.append(seq)
            else:
                found[seq] = record
        if others:
            for record in present.by_seq(self._read, namespace_key, others):
                self._recent.keep(namespace_key, record)
                found[record.commit_seq] = record
        return found

    async def get_by_id(
        self, scope: Scope, ids: Sequence[MemoryId]
    ) -> dict[MemoryId, MemoryRecord]:
        """See the port."""
        namespace_key = self._namespace_key(scope)
        if namespace_key is None or not ids:
            return {}
        return {one.id: one for one in present.by_id(self._read, namespace_key, ids)}

    async def list_page(
        self,
        scope: Scope,
        given: Filter,
        now_us: int,
        after: ListPosition | None,
        limit: int,
        order: ListOrder = ListOrder.EVENT_TIME,
    ) -> list[MemoryRecord]:
        """See the port."""
        where = queries.conditions(self._require_namespace(scope), given, now_us)
        column = _ORDER_COLUMNS[order]
        if after is not None:
            where.text += f" AND ({column}, memory.commit_seq) < (?, ?)"
            where.parameters += [after.key, after.commit_seq]
        statement = (
            f"SELECT {rows.MEMORY_COLUMNS} FROM memory WHERE {where.text}"
            f" ORDER BY {column} DESC, memory.commit_seq DESC LIMIT ?"
        )
        found = await self._slowly(statement, [*where.parameters, limit])
        return [rows.memory_record(row) for row in found]

    async def replayed(self, tenant: Tenant, request: RequestKey) -> Receipt | None:
        """See the port."""
        return self._guarded(lambda: replayed(self._reader, tenant, request))

    async def get_version(
        self, scope: Scope, ref: MemoryRef, version: int, now_us: int
    ) -> MemoryRecord:
        """See the port."""
        current = await self.get_whole(scope, ref, now_us)
        if version == current.version:
            return current
        if version > current.version:
            raise version_not_found(ref, version)
        key = self._require_namespace(scope)
        kept = past.kept_versions(self._read, key, current.id, before=version + 1, limit=1)
        if not kept or kept[0].record.version != version:
            raise version_not_found(ref, version)
        return kept[0].record

    async def versions(
        self, scope: Scope, ref: MemoryRef, now_us: int, *, before: int, limit: int
    ) -> list[MemoryVersion]:
        """See the port."""
        current = await self.get_whole(scope, ref, now_us)
        found = [MemoryVersion(current)] if current.version < before else []
        key = self._require_namespace(scope)
        more = limit - len(found)
        return found + past.kept_versions(self._read, key, current.id, before=before, limit=more)

    async def as_of(self, scope: Scope, moment_us: int, now_us: int) -> list[MemoryRecord]:
        """See the port."""
        key = self._require_namespace(scope)

        def read() -> list[MemoryRecord]:
            return past.records_at(self._read_slowly, key, moment_us, now_us)

        return await self._in_thread(read)

    async def as_of_seqs(self, scope: Scope, moment_us: int, now_us: int) -> list[int]:
        """See the port."""
        key = self._require_namespace(scope)

        def read() -> list[int]:
            return past.seqs_at(self._read_slowly, key, moment_us, now_us)

        return await self._in_thread(read)

    async def next_expiry(self, now_us: int) -> int | None:
        """See the port."""
        statement = "SELECT min(expire_time_us) FROM memory WHERE expire_time_us > ?"
        found: int | None = self._read(statement, [now_us])[0][0]
        return found

    async def versions_by_seq(self, scope: Scope, seqs: Sequence[int]) -> dict[int, MemoryRecord]:
        """See the port."""
        key = self._namespace_key(scope)
        if key is None or not seqs:
            return {}
        found = await self._in_thread(lambda: past.by_seq(self._read_slowly, key, seqs))
        return {record.commit_seq: record for record in found}

    async def changes(self, scope: Scope, after: tuple[int, int], limit: int) -> list[LoggedChange]:
        """See the port."""
        key = self._require_namespace(scope)

        def read() -> list[LoggedChange]:
            return past.changes(self._read_slowly, key, after, limit)

        return await self._in_thread(read)

    async def namespace(self, scope: Scope) -> NamespaceInfo:
        """See the port."""
        row = self._read(
            "SELECT name, policy_json, policy_version, create_time_us, commit_seq FROM namespace WHERE key = ?",
            [self._require_namespace(scope)],
        )[0]
        return NamespaceInfo(row[0], rows.policy_of(row[1]), *row[2:])

    async def policy(self, scope: Scope) -> NamespacePolicy:
        """See the port."""
        return self._policies.get(self._require_namespace(scope), self._read_policy)

    async def policies(self) -> list[tuple[Scope, NamespacePolicy]]:
        """See the port."""
        found = self._read("SELECT tenant, name, policy_json FROM namespace WHERE tenant <> ''", [])
        return [
            (Scope(Tenant(tenant), name), rows.policy_of(policy)) for tenant, name, policy in found
        ]

    def snapshot(self, scope: Scope) -> AbstractAsyncContextManager[snapshot.EmbeddedSnapshot]:
        """See the port."""
        return snapshot.hold(self._database, scope)

    async def copy(self, target: Path) -> StoreCopy:
        """See the port."""
        return await asyncio.to_thread(guarded, lambda: snapshot.copy_store(self._database, target))

    async def count_subject(
        self, tenant: Tenant, namespace: str, key: str, value: MetadataValue
    ) -> int:
        """See the port."""
        subject = EraseWrite(tenant, namespace, key, value, now_us=0)
        return await self._in_thread(lambda: len(subject_ids(self._slow_reader, subject)))

    @property
    def scrubbed_seq(self) -> int:
        """See the port."""
        return self._committer.scrubbed_seq

    async def scrub(self, patience_s: float) -> bool:
        """See the port."""
        return await self._committer.scrub(patience_s)

    async def require_namespace(self, scope: Scope) -> None:
        """See the port."""
        self._require_namespace(scope)

    async def namespaces(self, tenant: Tenant, after: str, limit: int) -> list[str]:
        """See the port."""
        statement = "SELECT name FROM namespace WHERE tenant = ? AND name > ? ORDER BY name LIMIT ?"
        return [row[0] for row in self._read(statement, [tenant, after, limit])]

    async def stats(self, scope: Scope, now_us: int) -> NamespaceStats:
        """See the port."""
        namespace_key = self._require_namespace(scope)
        where = queries.conditions(namespace_key, Filter(), now_us)
        counts = await self._slowly(
            "SELECT count(*), ifnull(sum(kind = 1), 0), ifnull(sum(kind = 2), 0),"
            " ifnull(sum(length(payload_json)), 0), ifnull(sum(length(embedding) > 0), 0)"
            f" FROM memory WHERE {where.text}",
            where.parameters,
        )
        links = await self._slowly(
            "SELECT count(*) FROM link WHERE namespace_key = ?", [namespace_key]
        )
        seqs = self._read("SELECT commit_seq FROM namespace WHERE key = ?", [namespace_key])
        memories, episodic, semantic, payload_bytes, embedded = counts[0]
        return NamespaceStats(
            memory_count=memories,
            episodic_count=episodic,
            semantic_count=semantic,
            link_count=links[0][0],
            payload_bytes=payload_bytes,
            embedded_count=embedded,
            commit_seq=seqs[0][0],
        )

    async def link(
        self, scope: Scope, from_id: MemoryId, to_id: MemoryId, link_type: str
    ) -> MemoryLink | None:
        """See the port."""
        key = self._namespace_key(scope)
        return None if key is None else linked.link(self._read, key, (from_id, to_id), link_type)

    async def links_of(
        self,
        scope: Scope,
        memory_id: MemoryId,
        *,
        outgoing: bool,
        types: Sequence[str],
        now_us: int,
        after: MemoryLink | None = None,
        limit: int,
    ) -> list[MemoryLink]:
        """See the port."""
        key = self._namespace_key(scope)
        if key is None:
            return []
        return linked.links_of(
            self._read, key, memory_id,
            outgoing=outgoing, types=types, now_us=now_us, after=after, limit=limit,
        )  # fmt: skip

    async def heaviest_links(
        self, scope: Scope, ids: Sequence[MemoryId], *, outgoing: bool, limit: int
    ) -> list[MemoryLink]:
        """See the port."""
        key = self._namespace_key(scope)
        if key is None or not ids:
            return []
        return linked.heaviest_links(self._read, key, ids, outgoing=outgoing, limit=limit)

    async def has_links(self, scope: Scope) -> bool:
        """See the port."""
        key = self._namespace_key(scope)
        return key is not None and self._linked.get(key, self._read_has_links)

    async def live_seqs(self) -> dict[Scope, npt.NDArray[np.int64]]:
        """See the port."""
        return await everything.live_seqs(self._slowly, self._scopes())

    def scan(self, after: int = 0) -> AsyncIterator[Sequence[tuple[Scope, MemoryRecord]]]:
        """See the port."""
        return everything.scan(self._slowly, self._scopes(), after)

    def scan_beside(self) -> AsyncIterator[Sequence[tuple[Scope, NewEmbedding]]]:
        """See the port."""
        return everything.scan_beside(self._slowly)

    async def lacking(self, model: str, after: int, limit: int) -> list[Lacking]:
        """See the port."""
        return await everything.lacking(self._slowly, model, after, limit)

    async def check(self) -> None:
        """See the port."""
        failure = self._damage or self._committer.failure
        if failure is None:
            return
        if isinstance(failure, CorruptData):
            raise failure  # a write that works elsewhere in the file mends nothing
        if isinstance(failure, StorageFull) and self._database.free_bytes() < HEADROOM_BYTES:
            raise failure
        # Try again with an empty commit: nothing else would find out that writing works again.
        await self._committer.commit([])
        if self._committer.failure is not None:
            raise self._committer.failure

    async def close(self) -> None:
        """See the port."""
        await self._committer.close()
        self._reader.close()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._slow_thread, self._slow_reader.close)
        self._slow_thread.shutdown()
        self._database.release()

    def _tell(self, changes: Sequence[Change]) -> None:
        for change in changes:
            for seq in change.removed_seqs:
                self._recent.forget(seq)
            for embedding in change.embedded:
                self._recent.forget(embedding.seq)
            if change.drops_namespace:
                self._namespace_keys.pop(change.scope, None)
                self._recent.clear()
        self._listener(changes)

    def _forget_counted(self, write: AccessWrite) -> None:
        for scope, memory_id in write.accesses:
            key = self._namespace_keys.get(scope)
            if key is not None:
                self._recent.forget_id(key, memory_id)

    def _read_policy(self, namespace_key: int) -> NamespacePolicy:
        statement = "SELECT policy_json FROM namespace WHERE key = ?"
        return rows.policy_of(self._read(statement, [namespace_key])[0][0])

    def _read_has_links(self, namespace_key: int) -> bool:
        return bool(
            self._read("SELECT 1 FROM link WHERE namespace_key = ? LIMIT 1", [namespace_key])
        )

    def _scopes(self) -> dict[int, Scope]:
        statement = "SELECT key, tenant, name FROM namespace WHERE tenant <> ''"
        return {key: Scope(Tenant(tenant), name) for key, tenant, name in self._read(statement, [])}

    def _namespace_key(self, scope: Scope) -> int | None:
        key = self._namespace_keys.get(scope)
        if key is None:
            statement = "SELECT key FROM namespace WHERE tenant = ? AND name = ?"
            found = self._read(statement, [scope.tenant, scope.namespace])
            if not found:
                return None
            key = self._namespace_keys[scope] = found[0][0]
        return key

    def _require_namespace(self, scope: Scope) -> int:
        key = self._namespace_key(scope)
        if key is None:
            raise namespace_not_found(scope)
        return key

    def _read(self, statement: str, parameters: Sequence[object]) -> list[rows.Row]:
        return self._guarded(lambda: self._reader.execute(statement, parameters).fetchall())

    def _guarded(self, read: Callable[[], Result]) -> Result:
        try:
            return guarded(read)
        except CorruptData as error:
            self._damage = error
            raise

    async def _slowly(self, statement: str, parameters: Sequence[object]) -> list[rows.Row]:
        return await self._in_thread(lambda: self._read_slowly(statement, parameters))

    def _read_slowly(
        self, statement: str, parameters: Sequence[object] | dict[str, object]
    ) -> list[rows.Row]:
        return self._slow_reader.execute(statement, parameters).fetchall()

    async def _in_thread(self, read: Callable[[], Result]) -> Result:
        # One at a time, so that slow reads do not pile up in the threads that others need.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._slow_thread, self._guarded, read)
