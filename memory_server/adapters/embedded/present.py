"""Reading memories as they are now: to be shown, or whole, to be written again."""

from collections.abc import Sequence

from memory_server.adapters.embedded import rows
from memory_server.adapters.embedded.past import Read
from memory_server.adapters.embedded.queries import marks
from memory_server.domain.memory import MemoryId, MemoryRecord, MemoryRef


def at(
    read: Read, namespace_key: int, ref: MemoryRef, *, is_whole: bool = False
) -> MemoryRecord | None:
    """Return the memory at an address, an expired one too; None: there is none."""
    column, address = (
        ("id", ref.id)
        if ref.id is not None
        else ("coordinate", rows.coordinate_blob(ref.coordinate))
    )
    columns = rows.MEMORY_COLUMNS if is_whole else rows.SHOWN_COLUMNS
    where = f"namespace_key = ? AND {column} = ?"
    return next(iter(_records(read, columns, where, [namespace_key, address])), None)


def by_seq(read: Read, namespace_key: int, seqs: Sequence[int]) -> list[MemoryRecord]:
    """Return the memories that these commits wrote, to be shown; those that are gone are left out."""
    # The scope is asked for again: an index that named another tenant's commit must not leak it.
    # The plus keeps SQLite from walking the whole namespace instead of looking the few commits up.
    where = f"commit_seq IN ({marks(len(seqs))}) AND +namespace_key = ?"
    return _records(read, rows.SHOWN_COLUMNS, where, [*seqs, namespace_key])


def by_id(read: Read, namespace_key: int, ids: Sequence[MemoryId]) -> list[MemoryRecord]:
    """Return the memories of these ids, to be shown; those that are gone are left out."""
    where = f"namespace_key = ? AND id IN ({marks(len(ids))})"
    return _records(read, rows.SHOWN_COLUMNS, where, [namespace_key, *ids])


def _records(
    read: Read, columns: str, where: str, parameters: Sequence[object]
) -> list[MemoryRecord]:
    statement = f"SELECT {columns} FROM memory WHERE {where}"
    return [rows.memory_record(row) for row in read(statement, parameters)]
