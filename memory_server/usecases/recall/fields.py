"""Recall by a string in the payload: every memory is looked at, newest event first, as the store has it."""

import asyncio
import struct
from collections.abc import Callable, Iterator, Sequence

from memory_server.domain.fields import FieldMatch
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryRecord, Scope
from memory_server.ports import ListPosition
from memory_server.usecases.engine import Engine

READ_AT_ONCE = 64
MATCHED_AT_ONCE = 256 * 1024
"""Bytes of payloads that are looked at until it is seen whether the caller still waits."""

_POSITION = struct.Struct(">qq")


async def matching(
    engine: Engine, scope: Scope, match: FieldMatch, given: Filter, position: bytes, limit: int
) -> list[MemoryRecord]:
    """Return up to `limit` memories after a position, newest event first.

    Raises:
        NotFound: There is no such namespace.
    """
    now_us = engine.clock.now_us()
    after = ListPosition(*_POSITION.unpack(position)) if position else None
    found: list[MemoryRecord] = []
    while True:
        records = await engine.store.list_page(scope, given, now_us, after, READ_AT_ONCE)
        found += await _those(records, lambda record: match.holds(record.payload_json))
        if len(found) >= limit or len(records) < READ_AT_ONCE:
            return found[:limit]
        after = ListPosition(records[-1].event_time_us, records[-1].commit_seq)


async def matching_of(
    records: Sequence[MemoryRecord],
    match: FieldMatch,
    given: Filter,
    now_us: int,
    position: bytes,
) -> list[MemoryRecord]:
    """Return all of these records that pass and match after a position, newest event first."""
    first = _POSITION.unpack(position) if position else None

    def is_wanted(record: MemoryRecord) -> bool:
        is_after = first is None or (record.event_time_us, record.commit_seq) < first
        return is_after and given.passes(record, now_us) and match.holds(record.payload_json)

    found = await _those(records, is_wanted)
    return sorted(found, key=lambda each: (each.event_time_us, each.commit_seq), reverse=True)


async def _those(
    records: Sequence[MemoryRecord], is_wanted: Callable[[MemoryRecord], bool]
) -> list[MemoryRecord]:
    """Return those that are wanted; in a thread, because a megabyte of letters with accents takes a tenth of a second.

    What a thread has begun goes on when the caller has gone, so it is given little at once.
    """
    found: list[MemoryRecord] = []
    for some in _portions(records):
        found += await asyncio.to_thread(list, filter(is_wanted, some))
    return found


def _portions(records: Sequence[MemoryRecord]) -> Iterator[Sequence[MemoryRecord]]:
    start = size = 0
    for place, record in enumerate(records):
        size += len(record.payload_json)
        if size >= MATCHED_AT_ONCE or place - start >= READ_AT_ONCE:
            yield records[start : place + 1]
            start, size = place + 1, 0
    if start < len(records):
        yield records[start:]


def position_of(record: MemoryRecord) -> bytes:
    """Return where a page that ends with a record ended."""
    return _POSITION.pack(record.event_time_us, record.commit_seq)
