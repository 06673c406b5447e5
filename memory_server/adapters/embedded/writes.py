"""Carrying out one write inside the committer's transaction.

Rules:
    1. A write decides before it writes: what raises a `SomaError` has changed nothing, so that its neighbours in the
       group go on.
    2. Each write takes one `commit_seq`; the row it makes is named by it.
    3. The answer to a request id is written in the same transaction as its effect.
"""

import dataclasses
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from memory_server.adapters.embedded import rows
from memory_server.domain.memory import MemoryId, MemoryRef, Receipt, Scope, Tenant
from memory_server.domain.refusals import (
    check_version,
    coordinate_taken,
    memory_not_found,
    namespace_not_found,
    request_id_reused,
)
from memory_server.ports import (
    Change,
    DeleteWrite,
    ExpireWrite,
    LinkWrite,
    RequestKey,
    StoreWrite,
    Write,
)


@dataclass(frozen=True, slots=True)
class Done:
    """A write that was carried out: its receipt, and what it changed for the index."""

    receipt: Receipt
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class _Head:
    """The part of a live row that decisions need."""

    commit_seq: int
    id: MemoryId
    version: int
    create_time_us: int
    is_expired: bool


class WriteExecutor:
    """Carries out writes on the writer's connection, which its caller has to itself meanwhile."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._namespace_keys: dict[Scope, int] = {}
        self._touched: dict[int, int] = {}

    def execute(self, write: Write, commit_seq: int) -> Done:
        """Carry out one write inside the open transaction.

        Raises:
            NotFound, AlreadyExists, Conflict, RequestIdReused: Nothing was changed.
            sqlite3.Error: The transaction is to be rolled back.
        """
        if isinstance(write, ExpireWrite):
            return self._expire(write, commit_seq)
        replayed = self._replay(write.scope.tenant, write.request)
        if replayed is not None:
            return Done(replayed)
        if isinstance(write, StoreWrite):
            done = self._store(write, commit_seq)
        elif isinstance(write, DeleteWrite):
            done = self._delete(write, commit_seq)
        else:
            done = self._link(write, commit_seq)
        if write.request is not None:
            self._remember(write.scope.tenant, write.request, done.receipt, write.now_us)
        return done

    def touch_namespaces(self) -> None:
        """Note in each namespace the last commit that changed it; to be called at the end of a transaction."""
        for namespace_key, commit_seq in self._touched.items():
            self._connection.execute(
                "UPDATE namespace SET commit_seq = ? WHERE key = ?", (commit_seq, namespace_key)
            )
        self._touched.clear()

    def forget_caches(self) -> None:
        """Forget what a transaction that was rolled back had made; to be called after each."""
        self._namespace_keys.clear()
        self._touched.clear()

    def forget_requests(self, before_us: int, limit: int) -> None:
        """Forget up to `limit` request ids that are older."""
        self._connection.execute(
            "DELETE FROM request WHERE (tenant, id) IN"
            " (SELECT tenant, id FROM request WHERE create_time_us < ? LIMIT ?)",
            (before_us, limit),
        )

    def _replay(self, tenant: Tenant, request: RequestKey | None) -> Receipt | None:
        if request is None:
            return None
        row = self._connection.execute(
            "SELECT body_digest, receipt_json FROM request WHERE tenant = ? AND id = ?",
            (tenant, request.id),
        ).fetchone()
        if row is None:
            return None
        if row[0] != request.body_digest:
            raise request_id_reused(request.id)
        return rows.replayed_receipt(request.id, row[1])

    def _remember(self, tenant: Tenant, request: RequestKey, receipt: Receipt, now_us: int) -> None:
        self._connection.execute(
            "INSERT INTO request VALUES (?, ?, ?, ?, ?)",
            (tenant, request.id, request.body_digest, rows.receipt_json(receipt), now_us),
        )

    def _store(self, write: StoreWrite, commit_seq: int) -> Done:
        namespace_key = self._namespace_key(write.scope)
        found = self._heads_at(namespace_key, write)
        expired = [head for head in found if head.is_expired]
        live = [head for head in found if not head.is_expired]
        current = _the_one(live, write.id)
        check_version(write.expected_version, current.version if current else 0)

        if namespace_key is None:
            namespace_key = self._create_namespace(write, commit_seq)
        record = dataclasses.replace(
            write.record,
            id=current.id if current else MemoryId(write.id) or write.fallback_id,
            version=current.version + 1 if current else 1,
            commit_seq=commit_seq,
            create_time_us=current.create_time_us if current else write.now_us,
        )
        for head in expired:
            self._remove(namespace_key, head)
        if current:
            self._remove_row(current.commit_seq)
        self._insert(namespace_key, record.commit_seq, rows.memory_row(record))
        self._insert_metadata(namespace_key, commit_seq, rows.typed_values(record.metadata))
        self._touch(namespace_key, commit_seq)
        gone = tuple(head.commit_seq for head in found)
        receipt = Receipt(
            request_id=write.request.id if write.request else "",
            memory_id=record.id,
            commit_seq=commit_seq,
            version=record.version,
            is_embedded=bool(record.embedding) or not record.text,
        )
        return Done(receipt, (Change(write.scope, commit_seq, record, gone),))

    def _delete(self, write: DeleteWrite, commit_seq: int) -> Done:
        namespace_key = self._require_namespace(write.scope)
        head = self._require_live(namespace_key, write.ref, write.now_us)
        check_version(write.expected_version, head.version)

        self._remove(namespace_key, head)
        self._touch(namespace_key, commit_seq)
        receipt = Receipt(
            request_id=write.request.id if write.request else "",
            memory_id=head.id,
            commit_seq=commit_seq,
            version=head.version,
            is_removed=True,
        )
        change = Change(write.scope, commit_seq, removed_seqs=(head.commit_seq,))
        return Done(receipt, (change,))

    def _link(self, write: LinkWrite, commit_seq: int) -> Done:
        namespace_key = self._require_namespace(write.scope)
        start = self._require_live(namespace_key, write.from_ref, write.now_us)
        end = self._require_live(namespace_key, write.to_ref, write.now_us)
        key = (namespace_key, start.id, end.id, write.type)
        row = self._connection.execute(
            "SELECT version FROM link WHERE namespace_key = ? AND from_id = ? AND to_id = ? AND type = ?",
            key,
        ).fetchone()
        version = row[0] if row else 0
        check_version(write.expected_version, version)

        self._connection.execute(
            "INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*key, write.weight, rows.metadata_json(write.metadata), version + 1, commit_seq),
        )
        self._touch(namespace_key, commit_seq)
        receipt = Receipt(
            request_id=write.request.id if write.request else "",
            memory_id=start.id,
            commit_seq=commit_seq,
            version=version + 1,
        )
        return Done(receipt)

    def _expire(self, write: ExpireWrite, commit_seq: int) -> Done:
        expired = self._connection.execute(
            "SELECT memory.commit_seq, id, namespace_key, tenant, name FROM memory"
            " JOIN namespace ON namespace.key = namespace_key WHERE expire_time_us <= ? LIMIT ?",
            (write.now_us, write.limit),
        ).fetchall()
        changes = []
        for seq, memory_id, namespace_key, tenant, name in expired:
            self._remove(namespace_key, _Head(seq, MemoryId(memory_id), 0, 0, is_expired=True))
            self._touch(namespace_key, commit_seq)
            changes.append(Change(Scope(Tenant(tenant), name), commit_seq, removed_seqs=(seq,)))
        # Nothing expired takes no commit: an idle server does not write.
        last_seq = commit_seq if expired else commit_seq - 1
        receipt = Receipt("", MemoryId(""), last_seq, version=len(expired), is_removed=True)
        return Done(receipt, tuple(changes))

    def _namespace_key(self, scope: Scope) -> int | None:
        key = self._namespace_keys.get(scope)
        if key is None:
            row = self._connection.execute(
                "SELECT key FROM namespace WHERE tenant = ? AND name = ?",
                (scope.tenant, scope.namespace),
            ).fetchone()
            if row is None:
                return None
            key = self._namespace_keys[scope] = row[0]
        return key

    def _require_namespace(self, scope: Scope) -> int:
        key = self._namespace_key(scope)
        if key is None:
            raise namespace_not_found(scope)
        return key

    def _create_namespace(self, write: StoreWrite, commit_seq: int) -> int:
        cursor = self._connection.execute(
            "INSERT INTO namespace (tenant, name, create_time_us, commit_seq) VALUES (?, ?, ?, ?)",
            (write.scope.tenant, write.scope.namespace, write.now_us, commit_seq),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _heads_at(self, namespace_key: int | None, write: StoreWrite) -> list[_Head]:
        """Return the rows, expired ones too, that stand at the id or the coordinate of a store."""
        if namespace_key is None:
            return []
        coordinate = rows.coordinate_blob(write.record.coordinate)
        by_id = self._head(namespace_key, "id", write.id, write.now_us) if write.id else None
        by_coordinate = (
            self._head(namespace_key, "coordinate", coordinate, write.now_us)
            if coordinate is not None
            else None
        )
        return list({head.commit_seq: head for head in (by_id, by_coordinate) if head}.values())

    def _head(
        self, namespace_key: int, column: str, address: str | bytes, now_us: int
    ) -> _Head | None:
        row = self._connection.execute(
            "SELECT commit_seq, id, version, create_time_us, ifnull(expire_time_us <= ?, 0) FROM memory"
            f" WHERE namespace_key = ? AND {column} = ?",
            (now_us, namespace_key, address),
        ).fetchone()
        return _Head(row[0], MemoryId(row[1]), row[2], row[3], bool(row[4])) if row else None

    def _require_live(self, namespace_key: int, ref: MemoryRef, now_us: int) -> _Head:
        if ref.id is not None:
            head = self._head(namespace_key, "id", ref.id, now_us)
        else:
            blob = rows.coordinate_blob(ref.coordinate)
            head = self._head(namespace_key, "coordinate", blob or b"", now_us)
        if head is None or head.is_expired:
            raise memory_not_found(ref)
        return head

    def _remove(self, namespace_key: int, head: _Head) -> None:
        self._remove_row(head.commit_seq)
        self._connection.execute(
            "DELETE FROM link WHERE namespace_key = ? AND from_id = ?", (namespace_key, head.id)
        )
        self._connection.execute(
            "DELETE FROM link WHERE namespace_key = ? AND to_id = ?", (namespace_key, head.id)
        )

    def _remove_row(self, commit_seq: int) -> None:
        self._connection.execute("DELETE FROM memory WHERE commit_seq = ?", (commit_seq,))

    def _insert(self, namespace_key: int, commit_seq: int, row: rows.Row) -> None:
        self._connection.execute(
            "INSERT INTO memory (commit_seq, namespace_key, id, version, kind, payload_json, text, importance,"
            " metadata_json, event_time_us, expire_time_us, create_time_us, update_time_us, coordinate, embedding,"
            " embedding_model) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (commit_seq, namespace_key, *row[1:]),
        )

    def _insert_metadata(
        self, namespace_key: int, commit_seq: int, values: Iterator[tuple[str, int, str | float]]
    ) -> None:
        for name, kind, value in values:
            self._connection.execute(
                "INSERT INTO metadata VALUES (?, ?, ?, ?, ?)",
                (namespace_key, name, kind, value, commit_seq),
            )

    def _touch(self, namespace_key: int, commit_seq: int) -> None:
        self._touched[namespace_key] = commit_seq


def _the_one(live: list[_Head], wanted_id: str) -> _Head | None:
    """Return the memory that a store overwrites; with an id, the coordinate must not be another memory's."""
    other = next((head for head in live if wanted_id and head.id != wanted_id), None)
    if other is not None:
        raise coordinate_taken(other.id)
    return live[0] if live else None
