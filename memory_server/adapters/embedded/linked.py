"""Reading links: one, those of a memory page by page, and the heaviest of some memories."""

from collections.abc import Sequence

from memory_server.adapters.embedded import rows
from memory_server.adapters.embedded.past import Read
from memory_server.adapters.embedded.queries import marks
from memory_server.domain.memory import MemoryId, MemoryLink

FEW = 1000
"""Links of some memories that are read at once and sorted; beyond, each memory's heaviest are looked up in an index."""

_COLUMNS = ", ".join(f"link.{name}" for name in rows.LINK_COLUMNS.split(", "))


def link(
    read: Read, namespace_key: int, ends: tuple[str, str], link_type: str
) -> MemoryLink | None:
    """Return the link of a type from one memory to another; None: there is none."""
    found = read(
        f"SELECT {rows.LINK_COLUMNS} FROM link"
        " WHERE namespace_key = ? AND from_id = ? AND to_id = ? AND type = ?",
        [namespace_key, *ends, link_type],
    )
    return rows.memory_link(found[0]) if found else None


def links_of(
    read: Read,
    namespace_key: int,
    memory_id: MemoryId,
    *,
    outgoing: bool,
    types: Sequence[str],
    now_us: int,
    after: MemoryLink | None,
    limit: int,
) -> list[MemoryLink]:
    """Return up to `limit` links of a memory to live ones; see the port."""
    here, there = ("from_id", "to_id") if outgoing else ("to_id", "from_id")
    where = f"link.namespace_key = ? AND {here} = ?"
    parameters: list[object] = [namespace_key, memory_id]
    if types:
        where += f" AND type IN ({marks(len(types))})"
        parameters += types
    if after is not None:
        where += f" AND (lightness, {there}, type) > (?, ?, ?)"
        parameters += [-after.weight, after.to_id if outgoing else after.from_id, after.type]
    # A cross join is carried out in the order in which it is written: by the links, in theirs.
    statement = (
        f"SELECT {_COLUMNS} FROM link"
        f" CROSS JOIN memory ON memory.namespace_key = link.namespace_key AND id = {there}"
        f" WHERE {where} AND (expire_time_us IS NULL OR expire_time_us > ?)"
        f" ORDER BY lightness, {there}, type LIMIT ?"
    )
    return [rows.memory_link(row) for row in read(statement, [*parameters, now_us, limit])]


def heaviest_links(
    read: Read, namespace_key: int, ids: Sequence[MemoryId], *, outgoing: bool, limit: int
) -> list[MemoryLink]:
    """Return at least the `limit` heaviest links of some memories, in any order; see the port."""
    end = "from_id" if outgoing else "to_id"
    statement = (
        f"SELECT {rows.LINK_COLUMNS} FROM link WHERE namespace_key = ? AND {end} IN ({marks(len(ids))})"
        " LIMIT ?"
    )
    found = read(statement, [namespace_key, *ids, FEW + 1])
    if len(found) > FEW:
        of_one = (
            f"SELECT {rows.LINK_COLUMNS} FROM link WHERE namespace_key = ? AND {end} = ?"
            " ORDER BY lightness LIMIT ?"
        )
        found = [row for one in ids for row in read(of_one, [namespace_key, one, limit])]
    return [rows.memory_link(row) for row in found]
