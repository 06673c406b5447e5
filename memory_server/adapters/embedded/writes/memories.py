"""Writing memories: store, delete, expire, count accesses, sweep dropped namespaces."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from memory_server.adapters.embedded import rows
from memory_server.adapters.embedded.writes.done import Done, counted, unseen
from memory_server.adapters.embedded.writes.history import History
from memory_server.adapters.embedded.writes.namespaces import Namespaces, Space
from memory_server.domain.memory import MemoryId, MemoryRecord, MemoryRef, Receipt, Scope, Tenant
from memory_server.domain.policy import MAX_EVICTED
from memory_server.domain.quota import UNLIMITED, Allowance, TenantQuotas, Usage
from memory_server.domain.refusals import (
    check_version,
    coordinate_taken,
    memory_not_found,
)
from memory_server.ports import (
    AccessWrite,
    Change,
    DeleteWrite,
    ExpireWrite,
    StoreWrite,
    SweepWrite,
)

EXPIRE_FOR_ROOM = 500
"""Most expired memories that a store removes when it would go beyond a quota."""


@dataclass(frozen=True, slots=True)
class Head:
    """The part of a live row that decisions need."""

    commit_seq: int
    id: MemoryId
    version: int
    create_time_us: int
    payload_bytes: int
    access_count: int
    last_access_us: int | None
    is_expired: bool


_HEAD = (
    "commit_seq, id, version, create_time_us, length(payload_json), access_count, last_access_us,"
    " ifnull(expire_time_us <= ?, 0)"
)


class MemoryWrites:
    """Carries out writes of memories on the writer's connection."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        namespaces: Namespaces,
        history: History,
        quotas: TenantQuotas,
    ) -> None:
        self._connection = connection
        self._quotas = quotas
        self._namespaces = namespaces
        self._history = history

    def store(self, write: StoreWrite, commit_seq: int) -> Done:
        """Carry out a StoreWrite.

        Raises:
            AlreadyExists, Conflict, QuotaExceeded: Nothing was changed.
        """
        space = self._namespaces.find(write.scope)
        found = self._heads_at(space, write)
        expired = [head for head in found if head.is_expired]
        live = [head for head in found if not head.is_expired]
        current = _the_one(live, write.id)
        check_version(write.expected_version, current.version if current else 0)
        gone = self._make_room(space, write, found, commit_seq)

        if space is None:
            space = self._namespaces.make(write.scope, write.now_us, commit_seq)
        for head in expired:
            if head not in gone:
                self.remove(space, head, commit_seq, write.now_us)
        record = _record_of(write, current, space, commit_seq)
        if current:
            self._supersede(space, current, write)
        self._insert(space, record)
        removed = [*gone, *expired, *([current] if current else [])]
        removed += self._evict(space, record, write.now_us)
        self._namespaces.touch(space, commit_seq)
        receipt = Receipt(
            request_id=write.request.id if write.request else "",
            memory_id=record.id,
            commit_seq=commit_seq,
            version=record.version,
            is_embedded=bool(record.embedding) or not record.text,
        )
        seqs = tuple(dict.fromkeys(head.commit_seq for head in removed))
        return Done(receipt, (Change(write.scope, commit_seq, record, seqs),))

    def delete(self, write: DeleteWrite, commit_seq: int) -> Done:
        """Carry out a DeleteWrite.

        Raises:
            NotFound, Conflict: Nothing was changed.
        """
        space = self._namespaces.require(write.scope)
        head = self.require_live(space, write.ref, write.now_us)
        check_version(write.expected_version, head.version)

        self.remove(space, head, commit_seq, write.now_us)
        self._namespaces.touch(space, commit_seq)
        receipt = Receipt(
            request_id=write.request.id if write.request else "",
            memory_id=head.id,
            commit_seq=commit_seq,
            version=head.version,
            is_removed=True,
        )
        change = Change(write.scope, commit_seq, removed_seqs=(head.commit_seq,))
        return Done(receipt, (change,))

    def expire(self, write: ExpireWrite, commit_seq: int) -> Done:
        """Carry out an ExpireWrite."""
        expired = self._connection.execute(
            f"SELECT {_HEAD}, (SELECT tenant FROM namespace WHERE key = namespace_key) AS tenant,"
            " (SELECT name FROM namespace WHERE key = namespace_key) FROM memory"
            " WHERE expire_time_us <= ? AND tenant <> '' LIMIT ?",
            (write.now_us, write.now_us, write.limit),
        ).fetchall()
        changes = []
        for *columns, tenant, name in expired:
            scope = Scope(Tenant(tenant), name)
            space, head = self._namespaces.require(scope), _head(columns)
            self.remove(space, head, commit_seq, write.now_us)
            self._namespaces.touch(space, commit_seq)
            changes.append(Change(scope, commit_seq, removed_seqs=(head.commit_seq,)))
        return counted(commit_seq, len(expired), tuple(changes))

    def count_accesses(self, write: AccessWrite, commit_seq: int) -> Done:
        """Carry out an AccessWrite."""
        for (scope, memory_id), (count, last_us) in write.accesses.items():
            space = self._namespaces.find(scope)
            if space is not None:
                self._connection.execute(
                    "UPDATE memory SET access_count = access_count + ?,"
                    " last_access_us = max(ifnull(last_access_us, ?), ?) WHERE namespace_key = ? AND id = ?",
                    (count, last_us, last_us, space.key, memory_id),
                )
        return unseen(commit_seq, len(write.accesses))

    def sweep(self, write: SweepWrite, commit_seq: int) -> Done:
        """Carry out a SweepWrite."""
        row = self._connection.execute(
            "SELECT key FROM namespace WHERE tenant = '' LIMIT 1"
        ).fetchone()
        if row is None:
            return unseen(commit_seq, 0)
        for table in ("memory", "memory_version"):
            swept = self._connection.execute(
                f"DELETE FROM {table} WHERE commit_seq IN"
                f" (SELECT commit_seq FROM {table} WHERE namespace_key = ? LIMIT ?)",
                (row[0], write.limit),
            ).rowcount
            if swept:
                return unseen(commit_seq, swept)
        for statement in (
            "DELETE FROM link WHERE namespace_key = ?",
            "DELETE FROM removal WHERE namespace_key = ?",
            "DELETE FROM namespace WHERE key = ?",
        ):
            self._connection.execute(statement, row)
        return unseen(commit_seq, 1)

    def require_live(self, space: Space, ref: MemoryRef, now_us: int) -> Head:
        """Return the live memory at a reference.

        Raises:
            NotFound: There is none.
        """
        if ref.id is not None:
            head = self._head(space, "id", ref.id, now_us)
        else:
            blob = rows.coordinate_blob(ref.coordinate)
            head = self._head(space, "coordinate", blob or b"", now_us)
        if head is None or head.is_expired:
            raise memory_not_found(ref)
        return head

    def remove(self, space: Space, head: Head, commit_seq: int, now_us: int) -> int:
        """Remove a memory with its versions and links; return how many links went."""
        self._remove_row(space, head)
        self._history.drop(space.key, head.id)
        links = self._connection.execute(
            "DELETE FROM link WHERE namespace_key = ? AND from_id = ?", (space.key, head.id)
        ).rowcount
        links += self._connection.execute(
            "DELETE FROM link WHERE namespace_key = ? AND to_id = ?", (space.key, head.id)
        ).rowcount
        self._history.note_removal(commit_seq, space.key, head.id, head.version, now_us)
        return links

    def heads(self, where: str, parameters: Sequence[object], now_us: int) -> list[Head]:
        """Return the heads of the rows that a condition on `memory` names."""
        found = self._connection.execute(
            f"SELECT {_HEAD} FROM memory WHERE {where}", (now_us, *parameters)
        )
        return [_head(row) for row in found.fetchall()]

    def _make_room(
        self, space: Space | None, write: StoreWrite, found: Sequence[Head], commit_seq: int
    ) -> list[Head]:
        """Check the quotas, and remove what has expired if that is what stands in the way; return what went."""
        allowances = self._allowances(space, write, found)
        if all(allowance.is_kept for allowance in allowances):
            return []
        expired: list[Head] = []
        if space is not None:
            where = "namespace_key = ? AND expire_time_us <= ? LIMIT ?"
            expired = self.heads(where, (space.key, write.now_us, EXPIRE_FOR_ROOM), write.now_us)
        freed = _usage_of([head for head in expired if head not in found])
        for allowance in allowances:
            allowance.require(freed)
        for head in expired:
            assert space is not None
            self.remove(space, head, commit_seq, write.now_us)
        return expired

    def _allowances(
        self, space: Space | None, write: StoreWrite, found: Sequence[Head]
    ) -> list[Allowance]:
        own = space.policy.quota if space else UNLIMITED
        tenants = self._quotas(write.scope.tenant)
        if own == tenants == UNLIMITED:
            return []
        added = Usage(1, len(write.record.payload_json)) - _usage_of(found)
        allowances = []
        if space is not None:
            usage = Usage(space.memory_count, space.payload_bytes)
            subject = f"namespace:{write.scope.namespace}"
            allowances.append(Allowance(subject, own, usage + added))
        if tenants != UNLIMITED:
            usage = self._namespaces.usage(write.scope.tenant)
            allowances.append(Allowance("tenant", tenants, usage + added))
        return allowances

    def _evict(self, space: Space, stored: MemoryRecord, now_us: int) -> list[Head]:
        """Remove the least important memories beyond the limit, of equals the oldest; never the one just stored."""
        most = space.policy.max_memories
        excess = min(space.memory_count - most, MAX_EVICTED)
        if not most or excess <= 0:
            return []
        where = (
            "namespace_key = ? AND memory.commit_seq <> ? ORDER BY importance, commit_seq LIMIT ?"
        )
        evicted = self.heads(where, (space.key, stored.commit_seq, excess), now_us)
        for head in evicted:
            self.remove(space, head, stored.commit_seq, now_us)
        return evicted

    def _supersede(self, space: Space, current: Head, write: StoreWrite) -> None:
        kept = space.policy.max_versions if write.keeps_history else 0
        if kept:
            self._history.keep(current.commit_seq, write.now_us)
        if current.version > kept:
            self._history.trim(space.key, current.id, current.version - kept + 1)
        self._remove_row(space, current)

    def _heads_at(self, space: Space | None, write: StoreWrite) -> list[Head]:
        """Return the rows, expired ones too, that stand at the id or the coordinate of a store."""
        if space is None:
            return []
        coordinate = rows.coordinate_blob(write.record.coordinate)
        by_id = self._head(space, "id", write.id, write.now_us) if write.id else None
        by_coordinate = (
            self._head(space, "coordinate", coordinate, write.now_us)
            if coordinate is not None
            else None
        )
        return list({head.commit_seq: head for head in (by_id, by_coordinate) if head}.values())

    def _head(self, space: Space, column: str, address: str | bytes, now_us: int) -> Head | None:
        row = self._connection.execute(
            f"SELECT {_HEAD} FROM memory WHERE namespace_key = ? AND {column} = ?",
            (now_us, space.key, address),
        ).fetchone()
        return _head(row) if row else None

    def _remove_row(self, space: Space, head: Head) -> None:
        self._connection.execute("DELETE FROM memory WHERE commit_seq = ?", (head.commit_seq,))
        space.memory_count -= 1
        space.payload_bytes -= head.payload_bytes

    def _insert(self, space: Space, record: MemoryRecord) -> None:
        row = rows.memory_row(record)
        self._connection.execute(
            "INSERT INTO memory (commit_seq, namespace_key, id, version, kind, payload_json, text, importance,"
            " metadata_json, event_time_us, expire_time_us, create_time_us, update_time_us, coordinate, embedding,"
            " embedding_model, access_count, last_access_us)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (row[0], space.key, *row[1:]),
        )
        self._insert_metadata(space.key, record.commit_seq, rows.typed_values(record.metadata))
        space.memory_count += 1
        space.payload_bytes += len(record.payload_json)

    def _insert_metadata(
        self, namespace_key: int, commit_seq: int, values: Iterator[tuple[str, int, str | float]]
    ) -> None:
        for name, kind, value in values:
            self._connection.execute(
                "INSERT INTO metadata VALUES (?, ?, ?, ?, ?)",
                (namespace_key, name, kind, value, commit_seq),
            )


def _record_of(
    write: StoreWrite, current: Head | None, space: Space, commit_seq: int
) -> MemoryRecord:
    expire_time_us = write.record.expire_time_us
    if write.has_default_ttl:
        expire_time_us = space.policy.expire_time_us(expire_time_us, write.now_us)
    memory_id = current.id if current else MemoryId(write.id) or write.fallback_id
    return write.record.committed(memory_id, commit_seq, write.now_us, expire_time_us, current)


def _head(row: Sequence[Any]) -> Head:
    seq, memory_id, version, create_us, size, accesses, last_us, is_expired = row
    return Head(
        seq, MemoryId(memory_id), version, create_us, size, accesses, last_us, bool(is_expired)
    )


def _usage_of(heads: Sequence[Head]) -> Usage:
    return Usage(len(heads), sum(head.payload_bytes for head in heads))


def _the_one(live: list[Head], wanted_id: str) -> Head | None:
    """Return the memory that a store overwrites; with an id, the coordinate must not be another memory's."""
    other = next((head for head in live if wanted_id and head.id != wanted_id), None)
    if other is not None:
        raise coordinate_taken(other.id)
    return live[0] if live else None
