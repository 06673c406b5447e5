"""Recall by a string in the payload: every memory is looked at, newest event first, as the store has it."""

import asyncio
import struct
from collections.abc import Iterable

from memory_server.domain.fields import FieldMatch
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryRecord, Scope
from memory_server.ports import ListPosition
from memory_server.usecases.engine import Engine

READ_AT_ONCE = 256

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
        found += [record for record in records if match.holds(record.payload_json)]
        if len(found) >= limit or len(records) < READ_AT_ONCE:
            return found[:limit]
        after = ListPosition(records[-1].event_time_us, records[-1].commit_seq)
        # Others have their turn between two pages.
        await asyncio.sleep(0)


def matching_of(
    records: Iterable[MemoryRecord],
    match: FieldMatch,
    given: Filter,
    now_us: int,
    position: bytes,
) -> list[MemoryRecord]:
    """Return all of these records that pass and match after a position, newest event first."""
    first = _POSITION.unpack(position) if position else None
    found = [
        record
        for record in records
        if (first is None or (record.event_time_us, record.commit_seq) < first)
        and given.passes(record, now_us)
        and match.holds(record.payload_json)
    ]
    return sorted(found, key=lambda each: (each.event_time_us, each.commit_seq), reverse=True)


def position_of(record: MemoryRecord) -> bytes:
    """Return where a page that ends with a record ended."""
    return _POSITION.pack(record.event_time_us, record.commit_seq)
