"""Writing links."""

from memory_server.adapters.embedded import rows
from memory_server.adapters.embedded.writes.done import Done
from memory_server.adapters.embedded.writes.history import History
from memory_server.adapters.embedded.writes.memories import MemoryWrites
from memory_server.adapters.embedded.writes.namespaces import Namespaces
from memory_server.adapters.embedded.writes.statements import Statements
from memory_server.domain.memory import Receipt
from memory_server.domain.refusals import check_version, link_not_found
from memory_server.ports import Change, LinkWrite, UnlinkWrite


class LinkWrites:
    """Carries out writes of links on the writer's connection."""

    def __init__(
        self,
        statements: Statements,
        namespaces: Namespaces,
        memories: MemoryWrites,
        history: History,
    ) -> None:
        self._statements = statements
        self._namespaces = namespaces
        self._memories = memories
        self._history = history

    def link(self, write: LinkWrite, commit_seq: int) -> Done:
        """Carry out a LinkWrite.

        Raises:
            NotFound, Conflict: Nothing was changed.
        """
        space = self._namespaces.require(write.scope)
        start = self._memories.require_live(space, write.from_ref, write.now_us)
        check_version(write.from_version, start.version)
        end = self._memories.require_live(space, write.to_ref, write.now_us)
        key = (space.key, start.id, end.id, write.type)
        row = self._statements.execute(
            "SELECT version FROM link WHERE namespace_key = ? AND from_id = ? AND to_id = ? AND type = ?",
            key,
        ).fetchone()
        version = row[0] if row else 0
        check_version(write.expected_version, version)

        self._statements.execute(
            "INSERT OR REPLACE INTO link (namespace_key, from_id, to_id, type, weight, metadata_json, version,"
            " commit_seq, update_time_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *key,
                write.weight,
                rows.metadata_json(write.metadata),
                version + 1,
                commit_seq,
                write.now_us,
            ),
        )
        self._namespaces.touch(space, commit_seq)
        receipt = Receipt(
            request_id=write.request.id if write.request else "",
            memory_id=start.id,
            commit_seq=commit_seq,
            version=version + 1,
        )
        return Done(receipt, (Change(write.scope, commit_seq),))

    def unlink(self, write: UnlinkWrite, commit_seq: int) -> Done:
        """Carry out an UnlinkWrite.

        Raises:
            NotFound: Nothing was changed.
        """
        space = self._namespaces.require(write.scope)
        start = self._memories.require_live(space, write.from_ref, write.now_us)
        end = self._memories.require_live(space, write.to_ref, write.now_us)
        removed = self._statements.execute(
            "DELETE FROM link WHERE namespace_key = ? AND from_id = ? AND to_id = ? AND (type = ? OR ? = '')"
            " RETURNING type, version",
            (space.key, start.id, end.id, write.type, write.type),
        ).fetchall()
        if not removed:
            raise link_not_found(start.id, end.id, write.type)
        for link_type, version in sorted(removed):
            self._history.note_removal(
                commit_seq, space.key, start.id, version, write.now_us, (end.id, link_type)
            )
        self._namespaces.touch(space, commit_seq)
        receipt = Receipt(
            request_id=write.request.id if write.request else "",
            memory_id=start.id,
            commit_seq=commit_seq,
            version=len(removed),
            is_removed=True,
        )
        return Done(receipt, (Change(write.scope, commit_seq),))
