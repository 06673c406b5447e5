"""Whom summaries are about by sources that are gone, or say something else by now.

A summary has sentences of its sources, and an erasure finds it by its links to them. With a source its links go: so
whom it was about is passed on before, as digests of its metadata.
"""

from collections.abc import Collection, Iterable, Sequence

from memory_server.adapters.embedded import rows
from memory_server.adapters.embedded.queries import IDS_PER_STATEMENT, marks
from memory_server.adapters.embedded.writes.statements import Executes, Statements
from memory_server.domain.memory import MemoryId
from memory_server.domain.summary import CONSOLIDATED_FROM, CONSOLIDATION, subject_digest

# A summary that was overwritten is one for as long as its version is kept.
_IS_SUMMARY = (
    f"(json_extract(memory.metadata_json, '$.{CONSOLIDATION}') IS NOT NULL"
    " OR EXISTS (SELECT 1 FROM memory_version AS kept"
    " WHERE kept.namespace_key = memory.namespace_key AND kept.id = memory.id"
    f" AND json_extract(kept.metadata_json, '$.{CONSOLIDATION}') IS NOT NULL))"
)


def summaries_of(connection: Executes, namespace_key: int, ids: Collection[str]) -> set[str]:
    """Return what was consolidated from some memories, and from that again."""
    found: set[str] = set()
    pending = list(ids)
    while pending:
        some, pending = pending[:IDS_PER_STATEMENT], pending[IDS_PER_STATEMENT:]
        new = _made_of(connection, namespace_key, some) - found
        found |= new
        pending += new
    return found


def heirs_of(connection: Executes, namespace_key: int, subject: bytes) -> set[str]:
    """Return the summaries that are about a subject by sources that are gone."""
    found = connection.execute(
        "SELECT memory.id FROM inherited JOIN memory USING (namespace_key, id)"
        f" WHERE namespace_key = ? AND subject = ? AND {_IS_SUMMARY}",
        (namespace_key, subject),
    )
    return {row[0] for row in found}


def _made_of(connection: Executes, namespace_key: int, ids: Sequence[str]) -> set[str]:
    found = connection.execute(
        "SELECT from_id FROM link INDEXED BY link_to JOIN memory ON memory.namespace_key = link.namespace_key"
        f" AND memory.id = from_id WHERE link.namespace_key = ? AND to_id IN ({marks(len(ids))})"
        f" AND type = ? AND {_IS_SUMMARY}",
        (namespace_key, *ids, CONSOLIDATED_FROM),
    )
    return {row[0] for row in found}


class Inheritance:
    """Writes down what summaries inherit, on the writer's connection."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def pass_on(self, namespace_key: int, memory_id: MemoryId) -> None:
        """Let the summaries of a memory inherit what it is about; to be called while its rows and links are there."""
        heirs = _made_of(self._statements, namespace_key, [memory_id])
        if heirs:
            self.leave(namespace_key, memory_id, heirs)

    def leave(self, namespace_key: int, memory_id: MemoryId, heirs: Collection[str]) -> None:
        """Let some summaries inherit what a memory is about."""
        ids = [memory_id, *self._sources_of(namespace_key, memory_id)]
        for start in range(0, len(ids), IDS_PER_STATEMENT):
            subjects = self._subjects_of(namespace_key, ids[start : start + IDS_PER_STATEMENT])
            for subject in subjects:
                for heir in heirs:
                    self._statements.execute(
                        "INSERT OR IGNORE INTO inherited VALUES (?, ?, ?)",
                        (namespace_key, subject, heir),
                    )

    def drop(self, namespace_key: int, memory_id: MemoryId) -> None:
        """Forget what a memory has inherited."""
        self._statements.execute(
            "DELETE FROM inherited WHERE namespace_key = ? AND id = ?", (namespace_key, memory_id)
        )

    def forget(self, namespace_key: int, subject: bytes) -> None:
        """Forget who has inherited a subject."""
        self._statements.execute(
            "DELETE FROM inherited WHERE namespace_key = ? AND subject = ?",
            (namespace_key, subject),
        )

    def _sources_of(self, namespace_key: int, memory_id: MemoryId) -> Iterable[str]:
        """Return what a memory was consolidated from, and what that was again."""
        found = self._statements.execute(
            "WITH RECURSIVE source (id) AS (VALUES (?) UNION SELECT to_id FROM source"
            " JOIN memory ON memory.namespace_key = ? AND memory.id = source.id"
            " JOIN link ON link.namespace_key = memory.namespace_key AND from_id = source.id"
            f" WHERE type = ? AND {_IS_SUMMARY})"
            " SELECT id FROM source WHERE id <> ?",
            (memory_id, namespace_key, CONSOLIDATED_FROM, memory_id),
        )
        return [row[0] for row in found]

    def _subjects_of(self, namespace_key: int, ids: Sequence[str]) -> set[bytes]:
        where = f"WHERE namespace_key = ? AND id IN ({marks(len(ids))})"
        parameters = (namespace_key, *ids)
        inherited = self._statements.execute(f"SELECT subject FROM inherited {where}", parameters)
        subjects = {row[0] for row in inherited}
        said = self._statements.execute(
            f"SELECT metadata_json FROM memory {where}"
            f" UNION SELECT metadata_json FROM memory_version {where}",
            (*parameters, *parameters),
        )
        for row in said:
            metadata = rows.metadata_of_json(row[0])
            subjects.update(subject_digest(key, value) for key, value in metadata.items())
        return subjects
