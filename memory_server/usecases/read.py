"""Read memories and namespaces by their names."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from memory_server.domain import limits, validation
from memory_server.domain.filters import Filter
from memory_server.domain.limits import MAX_RESPONSE_BYTES
from memory_server.domain.memory import MemoryRecord, MemoryRef, NamespaceStats, Scope, Tenant
from memory_server.domain.pages import page_token, read_page_token
from memory_server.domain.validation import Violations
from memory_server.ports import ListPosition
from memory_server.usecases.engine import Engine

_POSITION = struct.Struct(">qq")


@dataclass(frozen=True, slots=True)
class MemoryPage:
    """A page of memories; an empty token means that there are no more."""

    records: Sequence[MemoryRecord]
    next_token: str


async def get(engine: Engine, scope: Scope, ref: MemoryRef) -> MemoryRecord:
    """Return one memory.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace or memory.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "ref", ref)
    found.raise_if_any()
    return await engine.store.get(scope, ref, engine.clock.now_us())


async def list_memories(
    engine: Engine, scope: Scope, given: Filter, *, page_size: int, token: str
) -> MemoryPage:
    """Return a page of memories, newest event first.

    Raises:
        InvalidInput: With every violation; also for a token of another question.
        NotFound: There is no such namespace.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_filter(found, given)
    limit = _page_size(found, page_size)
    found.raise_if_any()

    question = repr(("list", scope.tenant, scope.namespace, sorted(given.kinds), given.metadata,
                     given.event_time_from_us, given.event_time_until_us, given.min_importance))  # fmt: skip
    key = engine.store.page_key
    after = None
    if token:
        raw = read_page_token(token, question=question, key=key)
        after = ListPosition(*_POSITION.unpack(raw))
    now_us = engine.clock.now_us()
    records = await engine.store.list_page(scope, given, now_us, after, limit + 1)
    page = fitting(records[:limit])
    next_token = ""
    if len(page) < len(records):
        last = page[-1]
        position = _POSITION.pack(last.event_time_us, last.commit_seq)
        next_token = page_token(position, question=question, key=key)
    return MemoryPage(page, next_token)


async def namespaces(
    engine: Engine, tenant: Tenant, *, page_size: int, token: str
) -> tuple[list[str], str]:
    """Return a page of the tenant's namespaces and the token of the next.

    Raises:
        InvalidInput: With every violation.
    """
    found = Violations()
    limit = _page_size(found, page_size)
    found.raise_if_any()

    question, key = repr(("namespaces", tenant)), engine.store.page_key
    after = read_page_token(token, question=question, key=key).decode() if token else ""
    names = await engine.store.namespaces(tenant, after, limit + 1)
    page = names[:limit]
    has_more = len(names) > limit
    next_token = page_token(page[-1].encode(), question=question, key=key) if has_more else ""
    return page, next_token


async def stats(engine: Engine, scope: Scope) -> NamespaceStats:
    """Count what a namespace holds.

    Raises:
        InvalidInput: The namespace's name is not acceptable.
        NotFound: There is no such namespace.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    found.raise_if_any()
    return await engine.store.stats(scope, engine.clock.now_us())


def fitting(records: Sequence[MemoryRecord]) -> list[MemoryRecord]:
    """Return the first records, at least one, that one answer can carry."""
    page: list[MemoryRecord] = []
    size = 0
    for record in records:
        size += len(record.payload_json) + len(record.text.encode())
        if page and size > MAX_RESPONSE_BYTES:
            break
        page.append(record)
    return page


def _page_size(found: Violations, page_size: int) -> int:
    return validation.check_count(
        found,
        "page_size",
        page_size,
        default=limits.DEFAULT_PAGE_SIZE,
        maximum=limits.MAX_PAGE_SIZE,
    )
