"""MemoryStore in dictionaries: the promises of the port in their plainest form, without durability."""

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from memory_server.domain.filters import Filter
from memory_server.domain.memory import (
    MemoryId,
    MemoryKind,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    NamespaceStats,
    Receipt,
    Scope,
    Tenant,
)
from memory_server.domain.refusals import (
    check_version,
    coordinate_taken,
    memory_not_found,
    namespace_not_found,
    request_id_reused,
)
from memory_server.ports import (
    Change,
    CommitListener,
    DeleteWrite,
    ExpireWrite,
    LinkWrite,
    ListPosition,
    StoreWrite,
    Write,
)
from soma_common.errors import SomaError


@dataclass(slots=True)
class _Namespace:
    """One scope's content."""

    memories: dict[MemoryId, MemoryRecord] = field(default_factory=dict)
    links: dict[tuple[MemoryId, MemoryId, str], MemoryLink] = field(default_factory=dict)
    commit_seq: int = 0


class InMemoryStore:
    """The memories of one process; see `ports.MemoryStore` for what it promises."""

    name = "in_memory"

    def __init__(self) -> None:
        self._namespaces: dict[Scope, _Namespace] = {}
        self._requests: dict[tuple[Tenant, str], tuple[bytes, Receipt]] = {}
        self._listener: CommitListener = lambda _changes: None
        self._key = secrets.token_bytes(32)
        self._commit_seq = 0

    @property
    def page_key(self) -> bytes:
        """See the port."""
        return self._key

    @property
    def last_commit_seq(self) -> int:
        """See the port."""
        return self._commit_seq

    def listen(self, listener: CommitListener) -> None:
        """See the port."""
        self._listener = listener

    async def commit(self, writes: Sequence[Write]) -> list[Receipt | Exception]:
        """See the port."""
        outcomes = [self._commit_one(write) for write in writes]
        await asyncio.sleep(0)
        return outcomes

    def _commit_one(self, write: Write) -> Receipt | Exception:
        try:
            return self._carry_out(write)
        except SomaError as error:
            return error

    def _carry_out(self, write: Write) -> Receipt:
        if isinstance(write, ExpireWrite):
            return self._expire(write)
        request = write.request
        if request is not None:
            known = self._requests.get((write.scope.tenant, request.id))
            if known is not None and known[0] != request.body_digest:
                raise request_id_reused(request.id)
            if known is not None:
                return dataclasses.replace(known[1], is_replayed=True)
        if isinstance(write, StoreWrite):
            receipt = self._store(write)
        else:
            receipt = self._delete(write) if isinstance(write, DeleteWrite) else self._link(write)
        if request is not None:
            self._requests[write.scope.tenant, request.id] = (request.body_digest, receipt)
        return receipt

    def _store(self, write: StoreWrite) -> Receipt:
        space = self._namespaces.get(write.scope, _Namespace())
        at = self._at(space, MemoryRef(id=MemoryId(write.id) if write.id else None))
        at_coordinate = self._at(space, MemoryRef(coordinate=write.record.coordinate))
        found = list({record.id: record for record in (at, at_coordinate) if record}.values())
        live = [record for record in found if not record.is_expired(write.now_us)]
        for record in live:
            if write.id and record.id != write.id:
                raise coordinate_taken(record.id)
        current = live[0] if live else None
        check_version(write.expected_version, current.version if current else 0)

        self._namespaces[write.scope] = space
        seq = self._next_seq(space)
        for record in found:
            if record is current:
                del space.memories[record.id]
            else:
                self._remove(space, record.id)
        record = dataclasses.replace(
            write.record,
            id=current.id if current else MemoryId(write.id) or write.fallback_id,
            version=current.version + 1 if current else 1,
            commit_seq=seq,
            create_time_us=current.create_time_us if current else write.now_us,
        )
        space.memories[record.id] = record
        gone = tuple(record.commit_seq for record in found)
        self._listener([Change(write.scope, seq, record, gone)])
        is_embedded = bool(record.embedding) or not record.text
        return Receipt(_request_id(write), record.id, seq, record.version, is_embedded)

    def _delete(self, write: DeleteWrite) -> Receipt:
        space = self._require(write.scope)
        record = self._require_live(space, write.ref, write.now_us)
        check_version(write.expected_version, record.version)
        seq = self._next_seq(space)
        self._remove(space, record.id)
        self._listener([Change(write.scope, seq, removed_seqs=(record.commit_seq,))])
        return Receipt(_request_id(write), record.id, seq, record.version, is_removed=True)

    def _link(self, write: LinkWrite) -> Receipt:
        space = self._require(write.scope)
        start = self._require_live(space, write.from_ref, write.now_us)
        end = self._require_live(space, write.to_ref, write.now_us)
        key = (start.id, end.id, write.type)
        version = space.links[key].version if key in space.links else 0
        check_version(write.expected_version, version)
        seq = self._next_seq(space)
        space.links[key] = MemoryLink(*key, write.weight, dict(write.metadata), version + 1)
        return Receipt(_request_id(write), start.id, seq, version + 1)

    def _expire(self, write: ExpireWrite) -> Receipt:
        expired = [
            (scope, space, record)
            for scope, space in self._namespaces.items()
            for record in space.memories.values()
            if record.is_expired(write.now_us)
        ][: write.limit]
        self._commit_seq += bool(expired)
        for scope, space, record in expired:
            space.commit_seq = self._commit_seq
            self._remove(space, record.id)
            self._listener([Change(scope, self._commit_seq, removed_seqs=(record.commit_seq,))])
        return Receipt("", MemoryId(""), self._commit_seq, len(expired), is_removed=True)

    async def get(self, scope: Scope, ref: MemoryRef, now_us: int) -> MemoryRecord:
        """See the port."""
        return self._require_live(self._require(scope), ref, now_us)

    async def get_by_seq(self, scope: Scope, seqs: Sequence[int]) -> dict[int, MemoryRecord]:
        """See the port."""
        wanted = set(seqs)
        space = self._namespaces.get(scope, _Namespace())
        live = space.memories.values()
        return {record.commit_seq: record for record in live if record.commit_seq in wanted}

    async def get_by_id(
        self, scope: Scope, ids: Sequence[MemoryId]
    ) -> dict[MemoryId, MemoryRecord]:
        """See the port."""
        memories = self._namespaces.get(scope, _Namespace()).memories
        return {memory_id: memories[memory_id] for memory_id in ids if memory_id in memories}

    async def list_page(
        self, scope: Scope, given: Filter, now_us: int, after: ListPosition | None, limit: int
    ) -> list[MemoryRecord]:
        """See the port."""
        passing = (r for r in self._require(scope).memories.values() if given.passes(r, now_us))
        ordered = sorted(passing, key=_newest_first)
        if after is not None:
            last = (-after.event_time_us, -after.commit_seq)
            ordered = [record for record in ordered if _newest_first(record) > last]
        return ordered[:limit]

    async def require_namespace(self, scope: Scope) -> None:
        """See the port."""
        self._require(scope)

    async def namespaces(self, tenant: Tenant, after: str, limit: int) -> list[str]:
        """See the port."""
        names = sorted(scope.namespace for scope in self._namespaces if scope.tenant == tenant)
        return [name for name in names if name > after][:limit]

    async def stats(self, scope: Scope, now_us: int) -> NamespaceStats:
        """See the port."""
        space = self._require(scope)
        live = [record for record in space.memories.values() if not record.is_expired(now_us)]
        return NamespaceStats(
            memory_count=len(live),
            episodic_count=sum(record.kind is MemoryKind.EPISODIC for record in live),
            semantic_count=sum(record.kind is MemoryKind.SEMANTIC for record in live),
            link_count=len(space.links),
            payload_bytes=sum(len(record.payload_json) for record in live),
            embedded_count=sum(bool(record.embedding) for record in live),
            commit_seq=space.commit_seq,
        )

    async def links_of(
        self, scope: Scope, ids: Sequence[MemoryId], *, outgoing: bool, types: Sequence[str]
    ) -> list[MemoryLink]:
        """See the port."""
        links = self._namespaces.get(scope, _Namespace()).links.values()
        return [
            link
            for link in links
            if (link.from_id if outgoing else link.to_id) in ids
            and (not types or link.type in types)
        ]

    async def scan(self) -> AsyncIterator[Sequence[tuple[Scope, MemoryRecord]]]:
        """See the port."""
        everything = [
            (scope, record)
            for scope, space in self._namespaces.items()
            for record in space.memories.values()
        ]
        if everything:
            yield sorted(everything, key=lambda entry: entry[1].commit_seq)

    async def check(self) -> None:
        """See the port."""

    async def close(self) -> None:
        """See the port."""

    def _next_seq(self, space: _Namespace) -> int:
        self._commit_seq += 1
        space.commit_seq = self._commit_seq
        return self._commit_seq

    def _require(self, scope: Scope) -> _Namespace:
        space = self._namespaces.get(scope)
        if space is None:
            raise namespace_not_found(scope)
        return space

    @staticmethod
    def _at(space: _Namespace, ref: MemoryRef) -> MemoryRecord | None:
        if ref.id is not None:
            return space.memories.get(ref.id)
        if ref.coordinate is None:
            return None
        records = space.memories.values()
        return next((record for record in records if record.coordinate == ref.coordinate), None)

    def _require_live(self, space: _Namespace, ref: MemoryRef, now_us: int) -> MemoryRecord:
        record = self._at(space, ref)
        if record is None or record.is_expired(now_us):
            raise memory_not_found(ref)
        return record

    @staticmethod
    def _remove(space: _Namespace, memory_id: MemoryId) -> None:
        del space.memories[memory_id]
        for key in [key for key in space.links if memory_id in key[:2]]:
            del space.links[key]


def _request_id(write: StoreWrite | DeleteWrite | LinkWrite) -> str:
    return write.request.id if write.request else ""


def _newest_first(record: MemoryRecord) -> tuple[int, int]:
    return (-record.event_time_us, -record.commit_seq)
