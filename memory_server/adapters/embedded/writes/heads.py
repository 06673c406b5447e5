"""The part of a live row that decisions need, read on the writer's connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memory_server.adapters.embedded.writes.statements import Executes
from memory_server.domain.memory import MemoryId
from memory_server.domain.quota import Usage


@dataclass(frozen=True, slots=True)
class Head:
    """A live row without its content."""

    commit_seq: int
    id: MemoryId
    version: int
    create_time_us: int
    payload_bytes: int
    access_count: int
    last_access_us: int | None
    is_expired: bool


HEAD_COLUMNS = (
    "commit_seq, id, version, create_time_us, length(payload_json), access_count, last_access_us,"
    " ifnull(expire_time_us <= ?, 0)"
)
"""To be given the time."""


def head_of(row: Sequence[Any]) -> Head:
    """Return the head of a row of `HEAD_COLUMNS`."""
    seq, memory_id, version, create_us, size, accesses, last_us, is_expired = row
    return Head(
        seq, MemoryId(memory_id), version, create_us, size, accesses, last_us, bool(is_expired)
    )


def heads(
    connection: Executes, where: str, parameters: Sequence[object], now_us: int
) -> list[Head]:
    """Return the heads of the rows that a condition on `memory` names."""
    found = connection.execute(
        f"SELECT {HEAD_COLUMNS} FROM memory WHERE {where}", (now_us, *parameters)
    )
    return [head_of(row) for row in found.fetchall()]


def usage_of(some: Sequence[Head]) -> Usage:
    """Return what rows take of a quota."""
    return Usage(len(some), sum(head.payload_bytes for head in some))
