"""MemoryStore in dictionaries: the promises of the port in their plainest form, without durability."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from memory_server.adapters.in_memory.snapshot import InMemorySnapshot
from memory_server.adapters.in_memory.space import Space
from memory_server.adapters.in_memory.writer import Outcome, Writer
from memory_server.domain.filters import Filter
from memory_server.domain.memory import (
    LoggedChange,
    MemoryId,
    MemoryKind,
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
from memory_server.domain.quota import TenantQuotas, no_quotas
from memory_server.domain.refusals import history_lost, namespace_not_found, version_not_found
from memory_server.ports import (
    CommitListener,
    Lacking,
    ListOrder,
    ListPosition,
    NewEmbedding,
    RequestKey,
    StoreCopy,
    Write,
)
from soma_common.errors import InvalidInput

_EMPTY = Space()


class InMemoryStore:
    """The memories of one process; see `ports.MemoryStore` for what it promises."""

    name = "in_memory"

    def __init__(self, quotas: TenantQuotas = no_quotas) -> None:
        self._writer = Writer(quotas)
        self._spaces = self._writer.spaces
        self._key = secrets.token_bytes(32)
        self._seed = secrets.token_bytes(32)

    @property
    def page_key(self) -> bytes:
        """See the port."""
        return self._key

    @property
    def history_id(self) -> int:
        """See the port."""
        return 0

    @property
    def signing_seed(self) -> bytes:
        """See the port."""
        return self._seed

    @property
    def last_commit_seq(self) -> int:
        """See the port."""
        return self._writer.commit_seq

    @property
    def folder(self) -> None:
        """See the port."""
        return None

    async def copy(self, _target: Path) -> StoreCopy:
        """See the port."""
        raise InvalidInput("the in-memory store has no file to copy")

    def listen(self, listener: CommitListener) -> None:
        """See the port."""
        self._writer.listener = listener

    async def commit(self, writes: Sequence[Write]) -> list[Outcome]:
        """See the port."""
        outcomes = [self._writer.carry_out(write) for write in writes]
        await asyncio.sleep(0)
        return outcomes

    async def replayed(self, tenant: Tenant, request: RequestKey) -> Receipt | None:
        """See the port."""
        return self._writer.replayed(tenant, request)

    async def get(self, scope: Scope, ref: MemoryRef, now_us: int) -> MemoryRecord:
        """See the port."""
        return self._require(scope).require_live(ref, now_us).shown()

    async def get_whole(self, scope: Scope, ref: MemoryRef, now_us: int) -> MemoryRecord:
        """See the port."""
        return self._require(scope).require_live(ref, now_us)

    async def get_version(
        self, scope: Scope, ref: MemoryRef, version: int, now_us: int
    ) -> MemoryRecord:
        """See the port."""
        found = await self.versions(scope, ref, now_us, before=version + 1, limit=1)
        if not found or found[0].record.version != version:
            raise version_not_found(ref, version)
        return found[0].record

    async def versions(
        self, scope: Scope, ref: MemoryRef, now_us: int, *, before: int, limit: int
    ) -> list[MemoryVersion]:
        """See the port."""
        space = self._require(scope)
        current = space.require_live(ref, now_us)
        versions = [*space.versions.get(current.id, []), MemoryVersion(current)]
        return [one for one in reversed(versions) if one.record.version < before][:limit]

    async def as_of(self, scope: Scope, moment_us: int, now_us: int) -> list[MemoryRecord]:
        """See the port."""
        return self._require(scope).at_moment(moment_us, now_us)

    async def as_of_seqs(self, scope: Scope, moment_us: int, now_us: int) -> list[int]:
        """See the port."""
        return [record.commit_seq for record in self._require(scope).at_moment(moment_us, now_us)]

    async def next_expiry(self, now_us: int) -> int | None:
        """See the port."""
        everything = [one for space in self._spaces.values() for one in space.memories.values()]
        times = [one.expire_time_us for one in everything if one.expire_time_us is not None]
        return min((time_us for time_us in times if time_us > now_us), default=None)

    async def versions_by_seq(self, scope: Scope, seqs: Sequence[int]) -> dict[int, MemoryRecord]:
        """See the port."""
        space, wanted = self._spaces.get(scope, _EMPTY), set(seqs)
        kept = [version.record for versions in space.versions.values() for version in versions]
        everything = [*kept, *space.memories.values()]
        return {record.commit_seq: record for record in everything if record.commit_seq in wanted}

    async def changes(self, scope: Scope, after: tuple[int, int], limit: int) -> list[LoggedChange]:
        """See the port."""
        space = self._require(scope)
        if after[0] < self._writer.history_floor:
            raise history_lost()
        return space.changes(after)[:limit]

    async def namespace(self, scope: Scope) -> NamespaceInfo:
        """See the port."""
        space = self._require(scope)
        return NamespaceInfo(
            scope.namespace,
            space.policy,
            space.policy_version,
            space.create_time_us,
            space.commit_seq,
        )

    async def policy(self, scope: Scope) -> NamespacePolicy:
        """See the port."""
        return self._require(scope).policy

    async def policies(self) -> list[tuple[Scope, NamespacePolicy]]:
        """See the port."""
        return [(scope, space.policy) for scope, space in self._spaces.items()]

    @asynccontextmanager
    async def snapshot(self, scope: Scope) -> AsyncIterator[InMemorySnapshot]:
        """See the port."""
        yield InMemorySnapshot(self._require(scope), self._writer.commit_seq)

    async def count_subject(
        self, tenant: Tenant, namespace: str, key: str, value: MetadataValue
    ) -> int:
        """See the port."""
        return len(self._writer.about_subject(tenant, namespace, key, value))

    @property
    def scrubbed_seq(self) -> int:
        """See the port."""
        return self._writer.commit_seq

    async def scrub(self, _patience_s: float) -> bool:
        """See the port."""
        return True

    async def get_by_seq(self, scope: Scope, seqs: Sequence[int]) -> dict[int, MemoryRecord]:
        """See the port."""
        wanted = set(seqs)
        live = self._spaces.get(scope, _EMPTY).memories.values()
        return {one.commit_seq: one.shown() for one in live if one.commit_seq in wanted}

    async def get_by_id(
        self, scope: Scope, ids: Sequence[MemoryId]
    ) -> dict[MemoryId, MemoryRecord]:
        """See the port."""
        memories = self._spaces.get(scope, _EMPTY).memories
        return {one: memories[one].shown() for one in ids if one in memories}

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

        def place(record: MemoryRecord) -> tuple[float, int]:
            is_by_time = order is ListOrder.EVENT_TIME
            return (
                -(record.event_time_us if is_by_time else record.importance),
                -record.commit_seq,
            )

        passing = (r for r in self._require(scope).memories.values() if given.passes(r, now_us))
        ordered = sorted(passing, key=place)
        if after is not None:
            last = (-after.key, -after.commit_seq)
            ordered = [record for record in ordered if place(record) > last]
        return ordered[:limit]

    async def require_namespace(self, scope: Scope) -> None:
        """See the port."""
        self._require(scope)

    async def namespaces(self, tenant: Tenant, after: str, limit: int) -> list[str]:
        """See the port."""
        names = sorted(scope.namespace for scope in self._spaces if scope.tenant == tenant)
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

    async def link(
        self, scope: Scope, from_id: MemoryId, to_id: MemoryId, link_type: str
    ) -> MemoryLink | None:
        """See the port."""
        return self._spaces.get(scope, _EMPTY).links.get((from_id, to_id, link_type))

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
        space = self._spaces.get(scope, _EMPTY)

        def place(link: MemoryLink) -> tuple[float, str, str]:
            return (-link.weight, link.to_id if outgoing else link.from_id, link.type)

        found = [
            link
            for link in space.links.values()
            if (link.from_id if outgoing else link.to_id) == memory_id
            and (not types or link.type in types)
            and (after is None or place(link) > place(after))
            and not space.memories[MemoryId(place(link)[1])].is_expired(now_us)
        ]
        return sorted(found, key=place)[:limit]

    async def heaviest_links(
        self, scope: Scope, ids: Sequence[MemoryId], *, outgoing: bool, limit: int
    ) -> list[MemoryLink]:
        """See the port."""
        links = self._spaces.get(scope, _EMPTY).links.values()
        found = [link for link in links if (link.from_id if outgoing else link.to_id) in ids]
        return sorted(found, key=lambda link: -link.weight)[:limit]

    async def has_links(self, scope: Scope) -> bool:
        """See the port."""
        return bool(self._spaces.get(scope, _EMPTY).links)

    async def live_seqs(self) -> dict[Scope, npt.NDArray[np.int64]]:
        """See the port."""
        return {
            scope: np.array(sorted(r.commit_seq for r in space.memories.values()), np.int64)
            for scope, space in self._spaces.items()
        }

    async def scan(self, after: int = 0) -> AsyncIterator[Sequence[tuple[Scope, MemoryRecord]]]:
        """See the port."""
        everything = [
            (scope, record)
            for scope, space in self._spaces.items()
            for record in space.memories.values()
            if record.commit_seq > after
        ]
        if everything:
            yield sorted(everything, key=lambda entry: entry[1].commit_seq)

    async def scan_beside(self) -> AsyncIterator[Sequence[tuple[Scope, NewEmbedding]]]:
        """See the port."""
        everything = [
            (scope, kept) for scope, space in self._spaces.items() for kept in space.live_beside()
        ]
        if everything:
            yield everything

    async def lacking(self, model: str, after: int, limit: int) -> list[Lacking]:
        """See the port."""
        found = [
            Lacking(scope, record.commit_seq, record.text)
            for scope, space in self._spaces.items()
            for record in space.lacking(model)
            if record.commit_seq > after
        ]
        return sorted(found, key=lambda one: one.commit_seq)[:limit]

    async def check(self) -> None:
        """See the port."""

    async def close(self) -> None:
        """See the port."""

    def _require(self, scope: Scope) -> Space:
        space = self._spaces.get(scope)
        if space is None:
            raise namespace_not_found(scope)
        return space
