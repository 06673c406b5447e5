"""What is kept of the past: versions that were overwritten, and the names of what was removed."""

from memory_server.adapters.embedded import rows
from memory_server.adapters.embedded.writes.statements import Statements
from memory_server.domain.memory import MemoryId, MemoryRecord

_COLUMNS = (
    "commit_seq, namespace_key, id, version, kind, payload_json, text, importance, metadata_json, event_time_us,"
    " expire_time_us, create_time_us, update_time_us, coordinate, embedding, embedding_model, access_count,"
    " last_access_us"
)


class History:
    """Writes the past down, on the writer's connection."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._position = (0, 0)

    def keep(self, commit_seq: int, now_us: int) -> None:
        """Keep the row of a version that is about to be overwritten."""
        self._statements.execute(
            f"INSERT INTO memory_version ({_COLUMNS}, supersede_time_us)"
            f" SELECT {_COLUMNS}, max(?, update_time_us) FROM memory WHERE commit_seq = ?",
            (now_us, commit_seq),
        )

    def add(self, namespace_key: int, record: MemoryRecord, superseded_us: int) -> None:
        """Keep a version that comes with the one that overwrote it at a time."""
        values = rows.new_memory_row(namespace_key, record)
        marks = ", ".join("?" * (len(values) + 1))
        self._statements.execute(
            f"INSERT INTO memory_version ({_COLUMNS}, supersede_time_us) VALUES ({marks})",
            (*values, max(superseded_us, record.update_time_us)),
        )

    def trim(self, namespace_key: int, memory_id: MemoryId, below: int) -> None:
        """Drop the kept versions below a number."""
        self._statements.execute(
            "DELETE FROM memory_version WHERE namespace_key = ? AND id = ? AND version < ?",
            (namespace_key, memory_id, below),
        )

    def drop(self, namespace_key: int, memory_id: MemoryId) -> None:
        """Drop all kept versions of a memory."""
        self._statements.execute(
            "DELETE FROM memory_version WHERE namespace_key = ? AND id = ?",
            (namespace_key, memory_id),
        )

    def note_removal(
        self,
        commit_seq: int,
        namespace_key: int,
        memory_id: MemoryId,
        version: int,
        now_us: int,
        link: tuple[MemoryId, str] = (MemoryId(""), ""),
    ) -> None:
        """Tell watchers that a memory, or a link to another one of a type, is gone."""
        last_seq, last = self._position
        position = last + 1 if last_seq == commit_seq else 0
        self._position = (commit_seq, position)
        self._statements.execute(
            "INSERT INTO removal VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (commit_seq, position, namespace_key, memory_id, version, *link, now_us),
        )

    def begin_anew(self, commit_seq: int) -> None:
        """Forget all removals: watchers that have not seen this commit must read everything anew."""
        self._statements.execute("DELETE FROM removal")
        self.raise_floor(commit_seq)

    def forget(self, keep: int, limit: int) -> None:
        """Forget up to `limit` of the oldest removals beyond the `keep` newest."""
        excess = self._statements.execute("SELECT count(*) FROM removal").fetchone()[0] - keep
        if excess <= 0:
            return
        last = self._statements.execute(
            "SELECT commit_seq FROM removal ORDER BY commit_seq, position LIMIT 1 OFFSET ?",
            (min(excess, limit) - 1,),
        ).fetchone()[0]
        self._statements.execute("DELETE FROM removal WHERE commit_seq <= ?", (last,))
        self.raise_floor(last)

    def raise_floor(self, commit_seq: int) -> None:
        """Note that removals up to a commit are no longer kept."""
        self._statements.execute(
            "UPDATE meta SET value = ? WHERE name = 'history_floor'", (str(commit_seq),)
        )
