"""Writing memories: store, delete, expire, evict, count accesses, sweep dropped namespaces."""

import itertools
from collections.abc import Sequence

from memory_server.adapters.embedded import rows
from memory_server.adapters.embedded.queries import filled_up, marks
from memory_server.adapters.embedded.writes.done import Done, TakesLong, counted, unseen
from memory_server.adapters.embedded.writes.heads import HEAD_COLUMNS, Head, head_of
from memory_server.adapters.embedded.writes.history import History
from memory_server.adapters.embedded.writes.inheritance import Inheritance
from memory_server.adapters.embedded.writes.namespaces import Namespaces, Space
from memory_server.adapters.embedded.writes.room import Room
from memory_server.adapters.embedded.writes.statements import Insert, Statements
from memory_server.domain.memory import (
    MemoryId,
    MemoryRecord,
    MemoryRef,
    Receipt,
    Scope,
    Tenant,
    committed_in_a_row,
)
from memory_server.domain.quota import TenantQuotas
from memory_server.domain.refusals import (
    check_unchanged,
    check_version,
    coordinate_taken,
    memory_not_found,
    source_gone,
)
from memory_server.ports import (
    AccessWrite,
    Change,
    DeleteWrite,
    EvictWrite,
    ExpireWrite,
    StoreWrite,
    SweepWrite,
)

LINKS_ON_LOOP = 1000
"""Links of a memory that go with it on the event loop, each way: some 10 ms."""

_IS_LIVE = "(memory.expire_time_us IS NULL OR memory.expire_time_us > ?)"

# Tables with their keys. The plus keeps SQLite on a key that has no namespace in it. Of memories and versions the
# memories last: what is left of one is found by it until then.
_SWEPT = (
    ("memory_version", "+namespace_key", "commit_seq"),
    ("memory", "+namespace_key", "commit_seq"),
    ("link", "namespace_key", "from_id, type, to_id"),
    ("inherited", "namespace_key", "subject, id"),
    ("removal", "+namespace_key", "commit_seq, position"),
)


class MemoryWrites:
    """Carries out writes of memories on the writer's connection."""

    def __init__(
        self,
        statements: Statements,
        namespaces: Namespaces,
        history: History,
        inheritance: Inheritance,
        quotas: TenantQuotas,
    ) -> None:
        self._statements = statements
        self._namespaces = namespaces
        self._history = history
        self._inheritance = inheritance
        self._room = Room(statements, namespaces, quotas)
        self.may_take_long = True
        self._absent: set[tuple[int, str]] = set()
        """Ids of namespaces under which nothing is, until something is stored there."""

    def look_up(self, writes: Sequence[StoreWrite]) -> None:
        """Look up at once under which of the ids that are stored nothing is yet; what is found is known till `forget`.

        Nothing but a store puts anything under an id.
        """
        asked: dict[int, set[str]] = {}
        for write in writes:
            if write.id and (space := self._namespaces.find(write.scope)):
                asked.setdefault(space.key, set()).add(write.id)
        for key, ids in asked.items():
            named = filled_up(ids)
            found = self._statements.execute(
                f"SELECT id FROM memory WHERE namespace_key = ? AND id IN ({marks(len(named))})",
                (key, *named),
            )
            self._absent |= {(key, each) for each in ids.difference(row[0] for row in found)}

    def forget(self) -> None:
        """Forget what was looked up."""
        self._absent.clear()

    def store(self, write: StoreWrite, commit_seq: int) -> Done:
        """Carry out a StoreWrite.

        Raises:
            AlreadyExists, Conflict, QuotaExceeded: Nothing was changed.
        """
        space = self._namespaces.find(write.scope)
        found = self._heads_at(space, write)
        current = _the_one([head for head in found if not head.is_expired], write.id)
        check_version(write.expected_version, current.version if current else 0)
        check_unchanged(write.read_seq, current.commit_seq if current else None)
        self._check_sources(write)
        removed = self._room.to_go(space, write, found)

        if space is None:
            space = self._namespaces.make(write.scope, write.now_us, commit_seq)
        removed += [head for head in found if head.is_expired]
        for head in removed:
            if head.commit_seq in write.made_of:
                # It makes room for what was made of it, before there is a link to find it by.
                self._inheritance.leave(space.key, head.id, [write.id])
            seq = commit_seq + len(write.older)
            # A watcher who is told of the store, and then that the id is gone, would take the new memory away.
            self.remove(space, head, seq, write.now_us, is_told=head.id != write.id)
        *older, record = _records_of(write, current, space, commit_seq)
        if current:
            self._supersede(space, current, write, (older[0] if older else record).update_time_us)
            removed.append(current)
        if older or current:
            self._keep(space, write, older, record)
        self._insert(space, record)
        self._namespaces.touch(space, record.commit_seq)
        receipt = Receipt(
            write.request.id if write.request else "",
            record.id,
            record.commit_seq,
            record.version,
            bool(record.embedding) or not record.text,
        )
        seqs = tuple([head.commit_seq for head in removed]) if removed else ()
        return Done(receipt, (Change(write.scope, record.commit_seq, record, seqs),))

    def delete(self, write: DeleteWrite, commit_seq: int) -> Done:
        """Carry out a DeleteWrite.

        Raises:
            NotFound, Conflict: Nothing was changed.
        """
        space = self._namespaces.require(write.scope)
        head = self.require_live(space, write.ref, write.now_us)
        check_version(write.expected_version, head.version)
        check_unchanged(write.read_seq, head.commit_seq)

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
        expired = self._statements.execute(
            f"SELECT {HEAD_COLUMNS}, (SELECT tenant FROM namespace WHERE key = namespace_key) AS tenant,"
            " (SELECT name FROM namespace WHERE key = namespace_key) FROM memory"
            " WHERE expire_time_us <= ? AND tenant <> '' LIMIT ?",
            (write.now_us, write.now_us, write.limit),
        ).fetchall()
        changes = []
        for *columns, tenant, name in expired:
            scope = Scope(Tenant(tenant), name)
            space, head = self._namespaces.require(scope), head_of(columns)
            self.remove(space, head, commit_seq, write.now_us)
            self._namespaces.touch(space, commit_seq)
            changes.append(Change(scope, commit_seq, removed_seqs=(head.commit_seq,)))
        return counted(commit_seq, len(expired), tuple(changes))

    def evict(self, write: EvictWrite, commit_seq: int) -> Done:
        """Carry out an EvictWrite."""
        over = self._room.over_limit(write.now_us, write.limit)
        if over is None:
            return counted(commit_seq, 0)
        scope, evicted = over
        space = self._namespaces.require(scope)
        for head in evicted:
            self.remove(space, head, commit_seq, write.now_us)
        self._namespaces.touch(space, commit_seq)
        removed_seqs = tuple(head.commit_seq for head in evicted)
        change = Change(scope, commit_seq, removed_seqs=removed_seqs)
        return counted(commit_seq, len(evicted), (change,))

    def count_accesses(self, write: AccessWrite, commit_seq: int) -> Done:
        """Carry out an AccessWrite."""
        for (scope, memory_id), (count, last_us) in write.accesses.items():
            space = self._namespaces.find(scope)
            if space is not None:
                self._statements.execute(
                    "UPDATE memory SET access_count = access_count + ?,"
                    " last_access_us = max(ifnull(last_access_us, ?), ?) WHERE namespace_key = ? AND id = ?",
                    (count, last_us, last_us, space.key, memory_id),
                )
        return unseen(commit_seq, len(write.accesses))

    def sweep(self, write: SweepWrite, commit_seq: int) -> Done:
        """Carry out a SweepWrite."""
        row = self._statements.execute(
            "SELECT key FROM namespace WHERE tenant = '' LIMIT 1"
        ).fetchone()
        if row is None:
            return unseen(commit_seq, 0)
        for table, within, key in _SWEPT:
            swept = self._statements.execute(
                f"DELETE FROM {table} WHERE {within} = ? AND ({key}) IN"
                f" (SELECT {key} FROM {table} WHERE namespace_key = ? LIMIT ?)",
                (row[0], row[0], write.limit),
            ).rowcount
            if swept:
                return unseen(commit_seq, swept)
        self._statements.execute("DELETE FROM namespace WHERE key = ?", row)
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

    def remove(
        self, space: Space, head: Head, commit_seq: int, now_us: int, *, is_told: bool = True
    ) -> int:
        """Remove a memory with its versions and links; return how many links went.

        Watchers are not told where another memory takes the id by the same commit.

        Raises:
            TakesLong: It has many links, and the transaction may not take long.
        """
        if not self.may_take_long and self._has_many_links(space, head):
            raise TakesLong
        self._inheritance.pass_on(space.key, head.id)
        self._inheritance.drop(space.key, head.id)
        self._remove_row(space, head)
        self._history.drop(space.key, head.id)
        links = self._statements.execute(
            "DELETE FROM link WHERE namespace_key = ? AND from_id = ?", (space.key, head.id)
        ).rowcount
        links += self._statements.execute(
            "DELETE FROM link WHERE namespace_key = ? AND to_id = ?", (space.key, head.id)
        ).rowcount
        if is_told:
            self._history.note_removal(commit_seq, space.key, head.id, head.version, now_us)
        return links

    def _has_many_links(self, space: Space, head: Head) -> bool:
        row = self._statements.execute(
            "SELECT EXISTS (SELECT 1 FROM link WHERE namespace_key = ?1 AND from_id = ?2 LIMIT 1 OFFSET ?3)"
            " OR EXISTS (SELECT 1 FROM link WHERE namespace_key = ?1 AND to_id = ?2 LIMIT 1 OFFSET ?3)",
            (space.key, head.id, LINKS_ON_LOOP),
        ).fetchone()
        return bool(row[0])

    def _check_sources(self, write: StoreWrite) -> None:
        """Check that what a memory was made of is there: live, or a kept version of what is.

        Raises:
            NotFound: Something is not.
        """
        if not write.made_of:
            return
        among = f"commit_seq IN ({marks(len(write.made_of))})"
        row = self._statements.execute(
            f"SELECT (SELECT count(*) FROM memory WHERE {among} AND {_IS_LIVE}) + (SELECT count(*)"
            " FROM memory_version AS version JOIN memory USING (namespace_key, id)"
            f" WHERE version.{among} AND {_IS_LIVE})",
            (*write.made_of, write.now_us, *write.made_of, write.now_us),
        ).fetchone()
        if row[0] < len(write.made_of):
            raise source_gone()

    def _supersede(
        self, space: Space, current: Head, write: StoreWrite, supersede_time_us: int
    ) -> None:
        self._inheritance.pass_on(space.key, current.id)
        if write.keeps_history and space.policy.max_versions:
            self._history.keep(current.commit_seq, supersede_time_us)
        self._remove_row(space, current)

    def _keep(
        self, space: Space, write: StoreWrite, older: list[MemoryRecord], record: MemoryRecord
    ) -> None:
        """Keep versions that come with a newer one, and no more of all of them than the policy says."""
        kept = space.policy.max_versions if write.keeps_history else 0
        first = record.version - kept
        for version, newer in itertools.pairwise([*older, record]):
            if version.version >= first:
                self._history.add(space.key, version, newer.update_time_us)
        if first > 1:
            self._history.trim(space.key, record.id, first)

    def _heads_at(self, space: Space | None, write: StoreWrite) -> list[Head]:
        """Return the rows, expired ones too, that stand at the id or the coordinate of a store."""
        if space is None:
            return []
        coordinate = rows.coordinate_blob(write.record.coordinate)
        is_new = not write.id or (space.key, write.id) in self._absent
        if is_new and coordinate is None:
            return []
        by_id = None if is_new else self._head(space, "id", write.id, write.now_us)
        by_coordinate = (
            self._head(space, "coordinate", coordinate, write.now_us)
            if coordinate is not None
            else None
        )
        return list({head.commit_seq: head for head in (by_id, by_coordinate) if head}.values())

    def _head(self, space: Space, column: str, address: str | bytes, now_us: int) -> Head | None:
        row = self._statements.execute(
            f"SELECT {HEAD_COLUMNS} FROM memory WHERE namespace_key = ? AND {column} = ?",
            (now_us, space.key, address),
        ).fetchone()
        return head_of(row) if row else None

    def _remove_row(self, space: Space, head: Head) -> None:
        self._statements.execute("DELETE FROM memory WHERE commit_seq = ?", (head.commit_seq,))
        space.memory_count -= 1
        space.payload_bytes -= head.payload_bytes

    def _insert(self, space: Space, record: MemoryRecord) -> None:
        self._statements.insert(Insert.MEMORY, rows.new_memory_row(space.key, record))
        if record.metadata:
            for name, kind, value in rows.typed_values(record.metadata):
                values = (space.key, name, kind, value, record.commit_seq)
                self._statements.insert(Insert.METADATA, values)
        if self._absent:
            self._absent.discard((space.key, record.id))
        space.memory_count += 1
        space.payload_bytes += len(record.payload_json)


def _records_of(
    write: StoreWrite, current: Head | None, space: Space, commit_seq: int
) -> list[MemoryRecord]:
    """Return the versions that a store writes, the one that will be current last."""
    memory_id = current.id if current else MemoryId(write.id) or write.fallback_id
    record, expire_time_us = write.record, write.record.expire_time_us
    if write.has_default_ttl:
        expire_time_us = space.policy.expire_time_us(expire_time_us, write.now_us)
    if not write.older:
        return [record.committed(memory_id, commit_seq, write.begin_us, expire_time_us, current)]
    everything = [*write.older, record._replace(expire_time_us=expire_time_us)]
    return committed_in_a_row(everything, memory_id, commit_seq, write.begin_us, current)


def _the_one(live: list[Head], wanted_id: str) -> Head | None:
    """Return the memory that a store overwrites; with an id, the coordinate must not be another memory's."""
    if not live:
        return None
    other = next((head for head in live if wanted_id and head.id != wanted_id), None)
    if other is not None:
        raise coordinate_taken(other.id)
    return live[0] if live else None
