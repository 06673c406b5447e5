"""Carries out writes on dictionaries, one after the other."""

import dataclasses
import hashlib
import itertools
from collections.abc import Iterable
from typing import assert_never

from memory_server.adapters.in_memory.space import Space
from memory_server.domain.filters import same_value
from memory_server.domain.memory import (
    ErasedCounts,
    MemoryId,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    MetadataValue,
    Receipt,
    Scope,
    Tenant,
    committed_in_a_row,
)
from memory_server.domain.policy import MAX_EVICTED
from memory_server.domain.quota import UNLIMITED, Allowance, TenantQuotas, Usage
from memory_server.domain.refusals import (
    check_unchanged,
    check_version,
    coordinate_taken,
    link_not_found,
    namespace_exists,
    namespace_not_found,
    request_id_reused,
    source_gone,
)
from memory_server.domain.summary import subject_digest
from memory_server.ports import (
    AccessWrite,
    Change,
    CommitListener,
    CreateNamespaceWrite,
    DeleteWrite,
    DropNamespaceWrite,
    EraseWrite,
    EvictWrite,
    ExpireWrite,
    LinkWrite,
    NewEmbedding,
    PolicyWrite,
    PromoteWrite,
    ReembedWrite,
    RequestKey,
    StoreWrite,
    SweepWrite,
    UnlinkWrite,
    Write,
)
from soma_common.errors import SomaError

Outcome = Receipt | Exception
NO_MEMORY = MemoryId("")

UpkeepWrite = ExpireWrite | EvictWrite | AccessWrite | SweepWrite | ReembedWrite | PromoteWrite
"""Writes that no caller asks for."""


class Writer:
    """The only one who changes the dictionaries."""

    def __init__(self, quotas: TenantQuotas) -> None:
        self._quotas = quotas
        self.spaces: dict[Scope, Space] = {}
        self.dropped: list[tuple[Scope, Space]] = []
        """What is not swept away yet, in the order in which it was dropped."""
        self.commit_seq = 0
        self.history_floor = 0
        self.listener: CommitListener = lambda _changes: None
        self._requests: dict[tuple[Tenant, str], tuple[bytes, Receipt]] = {}

    def carry_out(self, write: Write) -> Outcome:
        """Carry out one write, or say why not."""
        try:
            if isinstance(write, UpkeepWrite):
                return self._execute_upkeep(write)
            if not isinstance(write, StoreWrite | DeleteWrite | LinkWrite | UnlinkWrite):
                return self._execute_other(write)
            known = self.replayed(write.scope.tenant, write.request) if write.request else None
            if known is not None:
                return known
            receipt = self._execute_requested(write)
        except SomaError as error:
            return error
        if write.request is not None:
            receipt = receipt._replace(request_id=write.request.id)
            key = (write.scope.tenant, write.request.id)
            self._requests[key] = (write.request.body_digest, receipt)
        return receipt

    def replayed(self, tenant: Tenant, request: RequestKey) -> Receipt | None:
        """Return the receipt of a request that was carried out before; None: it was not."""
        known = self._requests.get((tenant, request.id))
        if known is None:
            return None
        if not request.is_of(known[0]):
            raise request_id_reused(request.id)
        return known[1]._replace(is_replayed=True)

    def _execute_requested(
        self, write: StoreWrite | DeleteWrite | LinkWrite | UnlinkWrite
    ) -> Receipt:
        match write:
            case StoreWrite():
                return self._store(write)
            case DeleteWrite():
                return self._delete(write)
            case LinkWrite():
                return self._link(write)
            case UnlinkWrite():
                return self._unlink(write)
            case _ as never:
                assert_never(never)

    def _execute_upkeep(self, write: UpkeepWrite) -> Receipt:
        match write:
            case ExpireWrite():
                return self._expire(write)
            case EvictWrite():
                return self._evict(write)
            case AccessWrite():
                for (scope, memory_id), access in write.accesses.items():
                    if scope in self.spaces:
                        self.spaces[scope].count_access(memory_id, *access)
                return self._counted(0)
            case SweepWrite():
                swept, self.dropped = self.dropped[: write.limit], self.dropped[write.limit :]
                return self._counted(len(swept))
            case ReembedWrite():
                return self._reembed(write)
            case PromoteWrite():
                return self._promote(write)
            case _ as never:
                assert_never(never)

    def _execute_other(
        self, write: EraseWrite | CreateNamespaceWrite | PolicyWrite | DropNamespaceWrite
    ) -> Receipt:
        match write:
            case EraseWrite():
                return self._erase(write)
            case CreateNamespaceWrite():
                return self._create(write)
            case PolicyWrite():
                return self._set_policy(write)
            case DropNamespaceWrite():
                return self._drop(write)
            case _ as never:
                assert_never(never)

    def _reembed(self, write: ReembedWrite) -> Receipt:
        for (scope, seq), vector in write.embeddings.items():
            space = self.spaces.get(scope)
            embedding = NewEmbedding(seq, write.model, vector, write.is_beside)
            if space is not None and space.embed(embedding):
                self.listener([Change(scope, seq, embedded=(embedding,))])
        return Receipt("", NO_MEMORY, self.commit_seq, version=len(write.embeddings))

    def _promote(self, write: PromoteWrite) -> Receipt:
        count = 0
        for scope, space in self.spaces.items():
            for seq, kept in list(space.beside.items())[: write.limit - count]:
                count += 1
                promoted = dataclasses.replace(kept, is_beside=False)
                if kept.model == write.model and space.embed(promoted):
                    self.listener([Change(scope, seq, embedded=(promoted,))])
                space.beside.pop(seq, None)
        return Receipt("", NO_MEMORY, self.commit_seq, version=count)

    def _store(self, write: StoreWrite) -> Receipt:
        space = self.spaces.get(write.scope, Space(create_time_us=write.now_us))
        at = space.at(MemoryRef(id=MemoryId(write.id) if write.id else None))
        at_coordinate = space.at(MemoryRef(coordinate=write.record.coordinate))
        found = list({record.id: record for record in (at, at_coordinate) if record}.values())
        live = [record for record in found if not record.is_expired(write.now_us)]
        for record in live:
            if write.id and record.id != write.id:
                raise coordinate_taken(record.id)
        current = live[0] if live else None
        check_version(write.expected_version, current.version if current else 0)
        check_unchanged(write.read_seq, current.commit_seq if current else None)
        self._check_sources(write)
        making_room = self._to_go(space, write, found)

        self.spaces[write.scope] = space
        records = _records_of(write, current, space, self.commit_seq + 1)
        seq = self.commit_seq = space.commit_seq = records[-1].commit_seq
        removed = [*making_room, *(record for record in found if record is not current)]
        for record in removed:
            if record.commit_seq in write.made_of:
                space.leave(record, [MemoryId(write.id)])
            space.remove(record, seq, write.now_us, is_told=record.id != write.id)
        kept = space.policy.max_versions if write.keeps_history else 0
        if current:
            space.supersede(current, records[0].update_time_us, kept)
            removed.append(current)
        for version, newer in itertools.pairwise(records):
            space.keep(version, newer.update_time_us, kept)
        record = space.memories[records[-1].id] = records[-1]
        seqs = tuple(one.commit_seq for one in removed)
        self.listener([Change(write.scope, seq, record, seqs)])
        return Receipt(
            "", record.id, seq, record.version, bool(record.embedding) or not record.text
        )

    def _check_sources(self, write: StoreWrite) -> None:
        live = [
            (space, record)
            for space in [*self.spaces.values(), *(dropped for _, dropped in self.dropped)]
            for record in (space.memories.values() if write.made_of else ())
            if not record.is_expired(write.now_us)
        ]
        seqs = {record.commit_seq for _, record in live}
        for space, record in live:
            seqs |= {kept.record.commit_seq for kept in space.versions.get(record.id, [])}
        if not seqs.issuperset(write.made_of):
            raise source_gone()

    def _to_go(
        self, space: Space, write: StoreWrite, found: list[MemoryRecord]
    ) -> list[MemoryRecord]:
        """Return what expired, if a quota stands in the way, and what is beyond the limit; what they free counts."""
        added = Usage(1, len(write.record.payload_json)) - _usage(found)
        tenants = [one for scope, one in self.spaces.items() if scope.tenant == write.scope.tenant]
        of_tenant = sum((_usage(one.memories.values()) for one in tenants), Usage(0, 0))
        is_new = write.scope not in self.spaces
        own = UNLIMITED if is_new else space.policy.quota
        subject = f"namespace:{write.scope.namespace}"
        allowances = [
            Allowance(subject, own, _usage(space.memories.values()) + added),
            Allowance("tenant", self._quotas(write.scope.tenant), of_tenant + added),
        ]
        gone: list[MemoryRecord] = []
        if not all(allowance.is_kept for allowance in allowances):
            expired = [one for one in space.memories.values() if one.is_expired(write.now_us)]
            gone = [record for record in expired if record not in found]
        gone += _beyond(space, [*found, *gone], stored=1)
        for allowance in allowances:
            allowance.require(_usage(gone))
        return gone

    def _evict(self, write: EvictWrite) -> Receipt:
        for scope, space in self.spaces.items():
            gone = _beyond(space, [], stored=0)[: write.limit]
            if gone:
                seq = self._next_seq(space)
                for record in gone:
                    space.remove(record, seq, write.now_us)
                removed_seqs = tuple(record.commit_seq for record in gone)
                self.listener([Change(scope, seq, removed_seqs=removed_seqs)])
                return self._counted(len(gone))
        return self._counted(0)

    def _delete(self, write: DeleteWrite) -> Receipt:
        space = self._require(write.scope)
        record = space.require_live(write.ref, write.now_us)
        check_version(write.expected_version, record.version)
        check_unchanged(write.read_seq, record.commit_seq)
        seq = self._next_seq(space)
        space.remove(record, seq, write.now_us)
        self.listener([Change(write.scope, seq, removed_seqs=(record.commit_seq,))])
        return Receipt("", record.id, seq, record.version, is_removed=True)

    def _link(self, write: LinkWrite) -> Receipt:
        space = self._require(write.scope)
        start = space.require_live(write.from_ref, write.now_us)
        check_version(write.from_version, start.version)
        end = space.require_live(write.to_ref, write.now_us)
        key = (start.id, end.id, write.type)
        version = space.links[key].version if key in space.links else 0
        check_version(write.expected_version, version)
        seq = self._next_seq(space)
        space.links[key] = MemoryLink(*key, write.weight, dict(write.metadata), version + 1)
        space.linked[key] = (seq, write.now_us)
        self.listener([Change(write.scope, seq)])
        return Receipt("", start.id, seq, version + 1)

    def _unlink(self, write: UnlinkWrite) -> Receipt:
        space = self._require(write.scope)
        start = space.require_live(write.from_ref, write.now_us)
        end = space.require_live(write.to_ref, write.now_us)
        gone = sorted(
            key
            for key in space.links
            if key[:2] == (start.id, end.id) and write.type in ("", key[2])
        )
        if not gone:
            raise link_not_found(start.id, end.id, write.type)
        seq = self._next_seq(space)
        for key in gone:
            link = space.links.pop(key)
            del space.linked[key]
            space.note_removal(seq, start.id, link.version, write.now_us, (end.id, link.type))
        self.listener([Change(write.scope, seq)])
        return Receipt("", start.id, seq, len(gone), is_removed=True)

    def _expire(self, write: ExpireWrite) -> Receipt:
        expired = [
            (scope, space, record)
            for scope, space in self.spaces.items()
            for record in space.memories.values()
            if record.is_expired(write.now_us)
        ][: write.limit]
        self.commit_seq += bool(expired)
        for scope, space, record in expired:
            space.commit_seq = self.commit_seq
            space.remove(record, self.commit_seq, write.now_us)
            self.listener([Change(scope, self.commit_seq, removed_seqs=(record.commit_seq,))])
        return self._counted(len(expired))

    def _erase(self, write: EraseWrite) -> Receipt:
        found = self.about_subject(write.tenant, write.namespace, write.key, write.value)
        digest = hashlib.sha256()
        versions = links = 0
        self.commit_seq += bool(found)
        for scope, space, memory_id in found:
            digest.update(repr((scope.namespace, memory_id)).encode("utf-8", "surrogatepass"))
            record = space.memories[memory_id]
            versions += len(space.versions.get(memory_id, []))
            links += space.remove(record, self.commit_seq, write.now_us)
            if space is self.spaces.get(scope):
                space.commit_seq = self.commit_seq
                self.listener([Change(scope, self.commit_seq, removed_seqs=(record.commit_seq,))])
        subject = subject_digest(write.key, write.value)
        for scope, space in [*self.dropped, *self.spaces.items()]:
            if scope.tenant == write.tenant and write.namespace in ("", scope.namespace):
                for subjects in space.inherited.values():
                    subjects.discard(subject)
        if found:
            self._forget_names(write.tenant, {memory_id for _, _, memory_id in found})
        erased = ErasedCounts(len(found), versions, links, digest.digest())
        return self._counted(len(found))._replace(erased=erased)

    def about_subject(
        self, tenant: Tenant, namespace: str, key: str, value: MetadataValue
    ) -> list[tuple[Scope, Space, MemoryId]]:
        """Return every memory of which a version has a metadata value, in the order of namespaces and ids.

        What was consolidated from one of them is among them, and what was dropped and is not swept away yet.
        """
        everything = [*self.dropped, *self.spaces.items()]
        return [
            (scope, space, memory_id)
            for scope, space in sorted(everything, key=lambda entry: entry[0].namespace)
            if scope.tenant == tenant and namespace in ("", scope.namespace)
            for memory_id in sorted(_about(space, key, value))
        ]

    def _forget_names(self, tenant: Tenant, ids: set[MemoryId]) -> None:
        self.history_floor = self.commit_seq
        for space in self.spaces.values():
            space.removals.clear()
        for key, (digest, receipt) in self._requests.items():
            if key[0] == tenant and receipt.memory_id in ids:
                nameless = receipt._replace(memory_id=NO_MEMORY)
                self._requests[key] = (digest, nameless)

    def _create(self, write: CreateNamespaceWrite) -> Receipt:
        if write.scope in self.spaces:
            raise namespace_exists(write.scope)
        space = self.spaces[write.scope] = Space(write.now_us, write.policy)
        return Receipt("", NO_MEMORY, self._next_seq(space), version=1)

    def _set_policy(self, write: PolicyWrite) -> Receipt:
        space = self._require(write.scope)
        check_version(write.expected_version, space.policy_version)
        space.policy = write.policy
        space.policy_version += 1
        return Receipt("", NO_MEMORY, self._next_seq(space), space.policy_version)

    def _drop(self, write: DropNamespaceWrite) -> Receipt:
        space = self._require(write.scope)
        self.dropped.append((write.scope, self.spaces.pop(write.scope)))
        seq = self._next_seq(space)
        self.listener([Change(write.scope, seq, drops_namespace=True)])
        return Receipt("", NO_MEMORY, seq, len(space.memories), is_removed=True)

    def _counted(self, count: int) -> Receipt:
        return Receipt("", NO_MEMORY, self.commit_seq, count, is_removed=True)

    def _next_seq(self, space: Space) -> int:
        self.commit_seq += 1
        space.commit_seq = self.commit_seq
        return self.commit_seq

    def _require(self, scope: Scope) -> Space:
        space = self.spaces.get(scope)
        if space is None:
            raise namespace_not_found(scope)
        return space


def _usage(records: Iterable[MemoryRecord]) -> Usage:
    sizes = [len(record.payload_json) for record in records]
    return Usage(len(sizes), sum(sizes))


def _about(space: Space, key: str, value: MetadataValue) -> set[MemoryId]:
    found = {
        record.id
        for record in space.memories.values()
        if any(
            same_value(one.metadata.get(key), value)
            for one in (record, *(kept.record for kept in space.versions.get(record.id, [])))
        )
    }
    subject = subject_digest(key, value)
    heirs = [one for one, subjects in space.inherited.items() if subject in subjects]
    found.update(filter(space.is_summary, heirs))
    while more := space.summaries_of(found) - found:
        found |= more
    return found


def _records_of(
    write: StoreWrite, current: MemoryRecord | None, space: Space, first_seq: int
) -> list[MemoryRecord]:
    """Return the versions that a store writes, the one that will be current last."""
    record = write.record
    if write.has_default_ttl:
        expire_us = space.policy.expire_time_us(record.expire_time_us, write.now_us)
        record = record._replace(expire_time_us=expire_us)
    memory_id = current.id if current else MemoryId(write.id) or write.fallback_id
    everything = [*write.older, record]
    return committed_in_a_row(everything, memory_id, first_seq, write.begin_us, current)


def _beyond(space: Space, others: list[MemoryRecord], *, stored: int) -> list[MemoryRecord]:
    """Return the least important memories beyond the limit, of equals the oldest; `others` go or stay anyway."""
    most = space.policy.max_memories
    excess = min(len(space.memories) - len(others) + stored - most, MAX_EVICTED)
    if not most or excess <= 0:
        return []
    ids = {record.id for record in others}
    return space.least_important(ids, excess)
