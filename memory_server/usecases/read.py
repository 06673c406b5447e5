"""Read memories by their addresses, in lists, and as they were."""

import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from memory_server.domain import limits, validation
from memory_server.domain.filters import Filter
from memory_server.domain.limits import MAX_RESPONSE_BYTES
from memory_server.domain.memory import MemoryId, MemoryRecord, MemoryRef, MemoryVersion, Scope
from memory_server.domain.pages import page_token, read_page_token
from memory_server.domain.refusals import memory_not_found
from memory_server.domain.sizes import BESIDE_BYTES, VALUE_BYTES, message_bytes
from memory_server.domain.validation import Violations
from memory_server.ports import ListOrder, ListPosition
from memory_server.usecases.engine import Engine
from soma_common.errors import SomaError

_POSITION = {ListOrder.EVENT_TIME: struct.Struct(">qq"), ListOrder.IMPORTANCE: struct.Struct(">dq")}
"""Event times need all bits of an integer, importances those of a float."""

_VERSION = struct.Struct(">q")
NEWEST = 2**62
"""Above every version."""

SWEEP_PAGE = 100
LISTED_AT_ONCE = 50
"""Memories that are read before it is known how large they are: of a page that callers ask for, and of a sweep."""


@dataclass(frozen=True, slots=True)
class MemoryPage:
    """A page of memories; an empty token means that there are no more."""

    records: Sequence[MemoryRecord]
    next_token: str


@dataclass(frozen=True, slots=True)
class VersionPage:
    """A page of versions; an empty token means that there are no more."""

    versions: Sequence[MemoryVersion]
    next_token: str


async def get(
    engine: Engine, scope: Scope, ref: MemoryRef, *, version: int = 0, as_of_us: int | None = None
) -> MemoryRecord:
    """Return one memory: as it is, one of its versions, or as it was at a moment.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace, memory or version.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "ref", ref)
    found.require(version >= 0, "version", "must be 0 or more")
    validation.check_time(found, "as_of", as_of_us)
    is_one = not version or as_of_us is None
    found.require(is_one, "as_of", "must not be given together with version")
    found.raise_if_any()
    now_us = engine.clock.now_us()
    if as_of_us is not None:
        return await _at_moment(engine, scope, ref, as_of_us)
    if version:
        return await engine.store.get_version(scope, ref, version, now_us)
    record = await engine.store.get(scope, ref, now_us)
    engine.note_access(scope, [record.id])
    return record


async def batch_get(
    engine: Engine, scope: Scope, refs: Sequence[MemoryRef]
) -> list[MemoryRecord | SomaError]:
    """Return several memories, each found or refused on its own, as many as one answer can carry.

    Raises:
        InvalidInput: The batch as a whole is not acceptable.
        NotFound: There is no such namespace.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_batch(found, "refs", refs)
    found.raise_if_any()
    await engine.store.require_namespace(scope)
    results: list[MemoryRecord | SomaError] = []
    size = 0
    for ref in refs:
        try:
            record = await get(engine, scope, ref)
        except SomaError as error:
            results.append(error)
            continue
        size += message_bytes(record)
        if size > MAX_RESPONSE_BYTES and results:
            break
        results.append(record)
    return results


async def list_memories(
    engine: Engine,
    scope: Scope,
    given: Filter,
    *,
    page_size: int,
    token: str,
    order: ListOrder | None = ListOrder.EVENT_TIME,
) -> MemoryPage:
    """Return a page of memories in an order; None: one that is not known.

    Raises:
        InvalidInput: With every violation; also for a token of another question.
        NotFound: There is no such namespace.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_filter(found, given)
    limit = check_page_size(found, page_size)
    is_known = order is not None
    found.require(is_known, "order", "must be event time or importance")
    found.raise_if_any()
    assert order is not None

    question = repr(("list", scope.tenant, scope.namespace, sorted(given.kinds), given.metadata,
                     given.event_time_from_us, given.event_time_until_us, given.min_importance,
                     given.importance_below, order.value))  # fmt: skip
    key, pack = engine.store.page_key, _POSITION[order]
    after = None
    if token:
        after = ListPosition(*pack.unpack(read_page_token(token, question=question, key=key)))
    now_us = engine.clock.now_us()
    records: list[MemoryRecord] = []
    size = 0
    while len(records) <= limit and size <= MAX_RESPONSE_BYTES:
        count = min(limit + 1 - len(records), LISTED_AT_ONCE)
        some = await engine.store.list_page(scope, given, now_us, after, count, order)
        records += some
        size += sum(map(message_bytes, some))
        if len(some) < count:
            break
        after = _position(some[-1], order)
    page = fitting(records[:limit])
    next_token = ""
    if len(page) < len(records):
        position = _position(page[-1], order)
        packed = pack.pack(position.key, position.commit_seq)
        next_token = page_token(packed, question=question, key=key)
    return MemoryPage(page, next_token)


async def every_page(
    engine: Engine, scope: Scope, given: Filter
) -> AsyncGenerator[Sequence[MemoryRecord], None]:
    """Yield all memories that pass, in pages by event time; what is written meanwhile may or may not be among them.

    Raises:
        NotFound: There is no such namespace.
    """
    after = None
    while True:
        now_us = engine.clock.now_us()
        page = await engine.store.list_page(scope, given, now_us, after, SWEEP_PAGE)
        if not page:
            return
        after = _position(page[-1], ListOrder.EVENT_TIME)
        yield page


async def list_versions(
    engine: Engine, scope: Scope, ref: MemoryRef, *, page_size: int, token: str
) -> VersionPage:
    """Return a page of the kept versions of a memory, the current one first.

    Raises:
        InvalidInput: With every violation; also for a token of another question.
        NotFound: There is no such namespace or memory.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "ref", ref)
    limit = check_page_size(found, page_size)
    found.raise_if_any()
    question, key = repr(("versions", scope, ref)), engine.store.page_key
    before = NEWEST
    if token:
        (before,) = _VERSION.unpack(read_page_token(token, question=question, key=key))
    now_us = engine.clock.now_us()
    versions: list[MemoryVersion] = []
    size = 0
    while len(versions) <= limit and size <= MAX_RESPONSE_BYTES:
        count = min(limit + 1 - len(versions), LISTED_AT_ONCE)
        some = await engine.store.versions(scope, ref, now_us, before=before, limit=count)
        versions += some
        size += sum(message_bytes(version.record) for version in some)
        if len(some) < count:
            break
        before = some[-1].record.version
    page = versions[: len(fitting([version.record for version in versions[:limit]]))]
    next_token = ""
    if len(page) < len(versions):
        position = _VERSION.pack(page[-1].record.version)
        next_token = page_token(position, question=question, key=key)
    return VersionPage(page, next_token)


async def every_version(
    engine: Engine, scope: Scope, ref: MemoryRef
) -> AsyncGenerator[MemoryVersion, None]:
    """Yield the kept versions of a memory, the current one first.

    Raises:
        NotFound: There is no such namespace or memory.
    """
    before = NEWEST
    while True:
        some = await engine.store.versions(
            scope, ref, engine.clock.now_us(), before=before, limit=LISTED_AT_ONCE
        )
        for version in some:
            yield version
        if len(some) < LISTED_AT_ONCE:
            return
        before = some[-1].record.version


async def read_fitting(
    engine: Engine, scope: Scope, ids: Sequence[MemoryId]
) -> tuple[list[MemoryRecord], bool]:
    """Return as many of the live memories as one answer can carry, in this order, and whether some do not fit."""
    records: list[MemoryRecord] = []
    for first in range(0, len(ids), LISTED_AT_ONCE):
        some = ids[first : first + LISTED_AT_ONCE]
        found = await engine.store.get_by_id(scope, some)
        now_us = engine.clock.now_us()
        records += [
            found[one] for one in some if one in found and not found[one].is_expired(now_us)
        ]
        kept = fitting(records)
        if len(kept) < len(records):
            return kept, True
    return records, False


_MOST_METADATA_BYTES = limits.MAX_METADATA_KEY_BYTES + limits.MAX_METADATA_TEXT_BYTES + VALUE_BYTES


def fitting(records: Sequence[MemoryRecord]) -> list[MemoryRecord]:
    """Return the first records, at least one, that one answer can carry."""
    if sum(map(_most_size, records)) <= MAX_RESPONSE_BYTES:
        return list(records)
    page: list[MemoryRecord] = []
    size = 0
    for record in records:
        size += message_bytes(record)
        if page and size > MAX_RESPONSE_BYTES:
            break
        page.append(record)
    return page


def check_page_size(found: Violations, page_size: int) -> int:
    """Check the size of a page, and return it."""
    return validation.check_count(
        found,
        "page_size",
        page_size,
        default=limits.DEFAULT_PAGE_SIZE,
        maximum=limits.MAX_PAGE_SIZE,
    )


async def _at_moment(engine: Engine, scope: Scope, ref: MemoryRef, as_of_us: int) -> MemoryRecord:
    if ref.id is None:
        # Which memory was at a coordinate then, only the whole past tells.
        everything = await engine.store.as_of(scope, as_of_us, engine.clock.now_us())
        at = next((record for record in everything if record.coordinate == ref.coordinate), None)
    else:
        at = await _version_at(engine, scope, ref, as_of_us)
    if at is None:
        raise memory_not_found(ref)
    return at


async def _version_at(
    engine: Engine, scope: Scope, ref: MemoryRef, as_of_us: int
) -> MemoryRecord | None:
    async with aclosing(every_version(engine, scope, ref)) as versions:
        async for version in versions:
            record, superseded_us = version.record, version.supersede_time_us
            is_begun = record.update_time_us <= as_of_us and not record.is_expired(as_of_us)
            if is_begun and (superseded_us is None or superseded_us > as_of_us):
                return record
    return None


def _position(record: MemoryRecord, order: ListOrder) -> ListPosition:
    is_by_time = order is ListOrder.EVENT_TIME
    return ListPosition(
        record.event_time_us if is_by_time else record.importance, record.commit_seq
    )


def _most_size(record: MemoryRecord) -> int:
    """Return what a memory takes in an answer at most, without looking at every character."""
    size = len(record.payload_json) + 4 * len(record.text) + BESIDE_BYTES
    return size + len(record.metadata) * _MOST_METADATA_BYTES
