"""Reading the past: versions, moments, and changes for watchers."""

from collections.abc import Callable, Iterable, Sequence

from memory_server.adapters.embedded import rows
from memory_server.adapters.embedded.queries import marks
from memory_server.domain.memory import (
    ChangeType,
    LoggedChange,
    MemoryId,
    MemoryRecord,
    MemoryVersion,
)
from memory_server.domain.refusals import history_lost

SEQS_AT_ONCE = 500

Read = Callable[[str, Sequence[object]], list[rows.Row]]
"""Runs a statement with its parameters."""


def kept_versions(
    read: Read, namespace_key: int, memory_id: MemoryId, *, before: int, limit: int
) -> list[MemoryVersion]:
    """Return up to `limit` kept versions of a memory below `before`, the newest first."""
    statement = (
        f"SELECT {rows.VERSION_COLUMNS}, supersede_time_us FROM memory_version"
        " WHERE namespace_key = ? AND id = ? AND version < ? ORDER BY version DESC LIMIT ?"
    )
    found = read(statement, [namespace_key, memory_id, before, limit])
    return [rows.memory_version(row) for row in found]


_AT_MOMENT = "update_time_us <= ? AND (expire_time_us IS NULL OR expire_time_us > ?)"

# What has expired by now is gone with its past, whether it is swept away yet or not.
_VERSIONS_AT = f"""
    SELECT %s FROM memory WHERE namespace_key = ? AND {_AT_MOMENT}
    UNION ALL
    SELECT %s FROM memory_version WHERE namespace_key = ? AND {_AT_MOMENT} AND supersede_time_us > ?
        AND id NOT IN (SELECT id FROM memory WHERE namespace_key = ? AND expire_time_us <= ?)
"""


def records_at(read: Read, namespace_key: int, moment_us: int, now_us: int) -> list[MemoryRecord]:
    """Return the versions that were current and not expired at a moment, of memories that have not expired by now."""
    statement = _VERSIONS_AT % (rows.MEMORY_COLUMNS, rows.VERSION_COLUMNS)
    found = read(statement, _of_moment(namespace_key, moment_us, now_us))
    return [rows.memory_record(row) for row in _last_of_each(found)]


def seqs_at(read: Read, namespace_key: int, moment_us: int, now_us: int) -> list[int]:
    """Return the commits of what `records_at` returns."""
    columns = "commit_seq, id, version"
    found = read(_VERSIONS_AT % (columns, columns), _of_moment(namespace_key, moment_us, now_us))
    return [row[0] for row in _last_of_each(found)]


def by_seq(read: Read, namespace_key: int, seqs: Sequence[int]) -> list[MemoryRecord]:
    """Return the versions that these commits wrote, current or kept; those that are gone are left out."""
    found: list[MemoryRecord] = []
    for first in range(0, len(seqs), SEQS_AT_ONCE):
        some = seqs[first : first + SEQS_AT_ONCE]
        where = f"commit_seq IN ({marks(len(some))}) AND +namespace_key = ?"
        statement = (
            f"SELECT {rows.MEMORY_COLUMNS} FROM memory WHERE {where}"
            f" UNION ALL SELECT {rows.VERSION_COLUMNS} FROM memory_version WHERE {where}"
        )
        parameters = [*some, namespace_key]
        found += [rows.memory_record(row) for row in read(statement, parameters + parameters)]
    return found


def _of_moment(namespace_key: int, moment_us: int, now_us: int) -> list[object]:
    current = [namespace_key, moment_us, max(moment_us, now_us)]
    kept = [namespace_key, moment_us, moment_us, moment_us, namespace_key, now_us]
    return [*current, *kept]


def _last_of_each(found: Sequence[rows.Row]) -> Iterable[rows.Row]:
    """Return the last version of each memory: an import may date what it writes before what it overwrites."""
    last: dict[str, rows.Row] = {}
    for row in found:
        other = last.get(row[1])
        if other is None or other[2] < row[2]:
            last[row[1]] = row
    return last.values()


# What was written is found in the tables themselves, by the commits of their rows: an overwritten version, or a link
# that was written again, is told of once, as it is now. The plus keeps SQLite on the index by commit.
_CHANGES = f"""
    SELECT commit_seq, 0, {int(ChangeType.STORED)}, id, version, update_time_us, '', '' FROM memory
        WHERE commit_seq > :seq AND +namespace_key = :key
    UNION ALL
    SELECT commit_seq, 0, {int(ChangeType.LINKED)}, from_id, version, update_time_us, to_id, type FROM link
        WHERE commit_seq > :seq AND +namespace_key = :key
    UNION ALL
    SELECT commit_seq, position + 1, iif(link_type = '', {int(ChangeType.DELETED)}, {int(ChangeType.UNLINKED)}), id,
        version, time_us, to_id, link_type FROM removal
        WHERE (commit_seq, position + 1) > (:seq, :position) AND +namespace_key = :key
    ORDER BY 1, 2 LIMIT :limit
"""


def changes(
    read: Callable[[str, dict[str, object]], list[rows.Row]],
    namespace_key: int,
    after: tuple[int, int],
    limit: int,
) -> list[LoggedChange]:
    """Return up to `limit` changes after (commit, position); what a commit wrote comes before what it removed.

    Raises:
        HistoryLost: Removals since then are no longer kept.
    """
    floor = read("SELECT value FROM meta WHERE name = 'history_floor'", {})[0][0]
    if after[0] < int(floor):
        raise history_lost()
    parameters: dict[str, object] = {
        "key": namespace_key,
        "seq": after[0],
        "position": after[1],
        "limit": limit,
    }
    return [_logged(row) for row in read(_CHANGES, parameters)]


def _logged(row: rows.Row) -> LoggedChange:
    commit_seq, position, kind, memory_id, version, time_us, to_id, link_type = row
    return LoggedChange(
        commit_seq,
        position,
        ChangeType(kind),
        MemoryId(memory_id),
        version,
        time_us,
        MemoryId(to_id),
        link_type,
    )
