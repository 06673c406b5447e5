"""Erasing everything about a subject, in one transaction."""

import hashlib
from collections.abc import Sequence

from memory_server.adapters.embedded import rows
from memory_server.adapters.embedded.queries import IDS_PER_STATEMENT, marks
from memory_server.adapters.embedded.writes.done import NO_MEMORY, Done
from memory_server.adapters.embedded.writes.heads import Head, heads
from memory_server.adapters.embedded.writes.history import History
from memory_server.adapters.embedded.writes.inheritance import (
    Inheritance,
    heirs_of,
    summaries_of,
)
from memory_server.adapters.embedded.writes.memories import MemoryWrites
from memory_server.adapters.embedded.writes.namespaces import Namespaces, Space, spaces_of
from memory_server.adapters.embedded.writes.statements import Executes, Statements
from memory_server.domain.filters import same_value
from memory_server.domain.memory import ErasedCounts, Receipt, Scope, Tenant
from memory_server.domain.policy import DEFAULT_POLICY
from memory_server.domain.summary import subject_digest
from memory_server.ports import Change, EraseWrite

Subject = EraseWrite


def subject_ids(connection: Executes, subject: Subject) -> list[tuple[int, str, str]]:
    """Return (namespace key, namespace, id) of every memory about a subject, in the order of namespaces and ids.

    What a dropped namespace held is there until it is swept away, and copies of the store have it as long.
    A summary says what its sources said: what was consolidated from one of them is about the subject, too, and stays so
    when that one is gone.
    """
    kind, value = rows.typed(subject.value)
    found: list[tuple[int, str, str]] = []
    for key, name in spaces_of(connection, subject.tenant, subject.namespace):
        live = connection.execute(
            "SELECT id FROM metadata JOIN memory USING (commit_seq) WHERE metadata.namespace_key = ?"
            " AND name = ? AND type = ? AND value = ?",
            (key, subject.key, kind, value),
        )
        ids = {row[0] for row in live}
        # Versions have no index by metadata: the name of the value narrows them down, its value is compared here.
        kept = connection.execute(
            "SELECT id, metadata_json FROM memory_version WHERE namespace_key = ? AND metadata_json <> '{}'",
            (key,),
        )
        ids.update(
            row[0]
            for row in kept
            if same_value(rows.metadata_of_json(row[1]).get(subject.key), subject.value)
        )
        ids |= heirs_of(connection, key, subject_digest(subject.key, subject.value))
        ids |= summaries_of(connection, key, ids)
        found += [(key, name, memory_id) for memory_id in sorted(ids)]
    return found


class Erasure:
    """Carries out erasures on the writer's connection."""

    def __init__(
        self,
        statements: Statements,
        namespaces: Namespaces,
        memories: MemoryWrites,
        history: History,
        inheritance: Inheritance,
    ) -> None:
        self._statements = statements
        self._namespaces = namespaces
        self._memories = memories
        self._history = history
        self._inheritance = inheritance

    def erase(self, write: EraseWrite, commit_seq: int) -> Done:
        """Carry out an EraseWrite."""
        changes: list[Change] = []
        versions = links = 0
        digest = hashlib.sha256()
        found = subject_ids(self._statements, write)
        # The counts of the cache are the transaction's; the rows are looked up again in it.
        for key, name, memory_id in found:
            digest.update(repr((name, memory_id)).encode("utf-8", "surrogatepass"))
            scope = Scope(write.tenant, name)
            live = self._namespaces.find(scope)
            is_live = live is not None and live.key == key
            # Nobody asks any more for the policy or the counts of what was dropped.
            space = live if live and is_live else Space(key, DEFAULT_POLICY, 1, 0, 0)
            where = "namespace_key = ? AND id = ?"
            head = heads(self._statements, where, (space.key, memory_id), write.now_us)[0]
            versions += self._version_count(space, head)
            links += self._memories.remove(space, head, commit_seq, write.now_us)
            if is_live:
                self._namespaces.touch(space, commit_seq)
                changes.append(Change(scope, commit_seq, removed_seqs=(head.commit_seq,)))
        subject = subject_digest(write.key, write.value)
        for key, _name in spaces_of(self._statements, write.tenant, write.namespace):
            self._inheritance.forget(key, subject)
        if found:
            self._forget_names(write.tenant, [memory_id for _, _, memory_id in found])
            self._history.begin_anew(commit_seq)
        erased = ErasedCounts(len(found), versions, links, digest.digest())
        last_seq = commit_seq if found else commit_seq - 1
        receipt = Receipt("", NO_MEMORY, last_seq, len(found), is_removed=True, erased=erased)
        return Done(receipt, tuple(changes))

    def _version_count(self, space: Space, head: Head) -> int:
        row = self._statements.execute(
            "SELECT count(*) FROM memory_version WHERE namespace_key = ? AND id = ?",
            (space.key, head.id),
        ).fetchone()
        return int(row[0])

    def _forget_names(self, tenant: Tenant, ids: Sequence[str]) -> None:
        """Take the erased ids out of the answers to request ids: a late retry is still told that it was done."""
        for start in range(0, len(ids), IDS_PER_STATEMENT):
            some = ids[start : start + IDS_PER_STATEMENT]
            self._statements.execute(
                "UPDATE request SET receipt_json = json_set(receipt_json, '$.memory_id', '') WHERE tenant = ?"
                f" AND receipt_json ->> '$.memory_id' IN ({marks(len(some))})",
                (tenant, *some),
            )
