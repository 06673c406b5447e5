"""Filters as SQL. Values are always parameters; only our own words become part of a statement."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache

from memory_server.adapters.embedded.rows import NUMBER, typed
from memory_server.domain.filters import Filter, MetadataTest

LACKING = (
    "SELECT tenant, name, memory.commit_seq, text FROM memory"
    " JOIN namespace ON namespace.key = namespace_key"
    " LEFT JOIN beside_embedding AS beside ON beside.commit_seq = memory.commit_seq AND beside.model = ?"
    " WHERE memory.commit_seq > ? AND embedding_model NOT IN (?, ?) AND text <> '' AND tenant <> ''"
    " AND beside.commit_seq IS NULL ORDER BY memory.commit_seq LIMIT ?"
)
"""What a model has not embedded after a commit: (tenant, namespace, commit, text)."""

IDS_PER_STATEMENT = 500
"""So many are named by one statement; more are asked for by several."""


@dataclass(slots=True)
class Sql:
    """A part of a statement with its parameters."""

    text: str
    parameters: list[object] = field(default_factory=list)


def seqs_by_metadata(namespace_key: int, given: Filter) -> Sql:
    """Return the SELECT of the commits whose memories pass every metadata test; at least one test is given."""
    parts = [_test(namespace_key, test) for test in given.metadata]
    parameters = [parameter for part in parts for parameter in part.parameters]
    return Sql(" INTERSECT ".join(part.text for part in parts), parameters)


def conditions(namespace_key: int, given: Filter, now_us: int) -> Sql:
    """Return the WHERE of the memories that pass a filter and have not expired."""
    sql = Sql(
        "namespace_key = ? AND (expire_time_us IS NULL OR expire_time_us > ?)",
        [namespace_key, now_us],
    )
    if given.kinds:
        kinds = sorted(int(kind) for kind in given.kinds)
        _and(sql, f"kind IN ({marks(len(kinds))})", *kinds)
    if given.event_time_from_us is not None:
        _and(sql, "event_time_us >= ?", given.event_time_from_us)
    if given.event_time_until_us is not None:
        _and(sql, "event_time_us < ?", given.event_time_until_us)
    if given.min_importance is not None:
        _and(sql, "importance >= ?", given.min_importance)
    if given.importance_below is not None:
        _and(sql, "importance < ?", given.importance_below)
    if given.metadata:
        matches = seqs_by_metadata(namespace_key, given)
        _and(sql, f"memory.commit_seq IN ({matches.text})", *matches.parameters)
    return sql


def _test(namespace_key: int, test: MetadataTest) -> Sql:
    select = "SELECT commit_seq FROM metadata WHERE namespace_key = ? AND name = ?"
    sql = Sql(select, [namespace_key, test.key])
    if test.any_of is not None:
        pairs = [typed(value) for value in test.any_of if value is not None]
        _and(sql, f"(type, value) IN (VALUES {', '.join(['(?, ?)'] * len(pairs))})")
        sql.parameters += [part for pair in pairs for part in pair]
    elif test.is_range:
        _and(sql, "type = ?", NUMBER)
        if test.minimum is not None:
            _and(sql, "value >= ?", test.minimum)
        if test.maximum is not None:
            _and(sql, "value <= ?", test.maximum)
    elif not test.exists:
        everything = "SELECT commit_seq FROM memory WHERE namespace_key = ?"
        # Wrapped, because INTERSECT and EXCEPT would bind from left to right.
        sql.text = f"SELECT commit_seq FROM ({everything} EXCEPT {sql.text})"
        sql.parameters.insert(0, namespace_key)
    return sql


def _and(sql: Sql, condition: str, *parameters: object) -> None:
    sql.text += f" AND {condition}"
    sql.parameters += parameters


def filled_up(names: Collection[str]) -> list[str]:
    """Return the names, the last of them several times, so that there are a power of two: few statements are made."""
    named = list(names)
    return named + named[-1:] * ((1 << (len(named) - 1).bit_length()) - len(named))


@lru_cache
def marks(count: int) -> str:
    """Return the placeholders of so many parameters."""
    return ", ".join("?" * count)
