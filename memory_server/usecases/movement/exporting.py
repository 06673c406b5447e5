"""Move memories out of a namespace: with their versions, and the links among them, as they were at one commit."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from memory_server.domain import validation
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryId, MemoryLink, Scope
from memory_server.domain.validation import Violations
from memory_server.ports import ExportedMemory
from memory_server.usecases.engine import Engine


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """What is exported."""

    given: Filter
    with_versions: bool = False


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """The end of an export."""

    commit_seq: int
    memory_count: int
    link_count: int


async def export(
    engine: Engine, scope: Scope, query: ExportQuery
) -> AsyncGenerator[ExportedMemory | MemoryLink | ExportSummary, None]:
    """Yield memories, then the links among them, then the summary: all as they were at one commit.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_filter(found, query.given)
    found.raise_if_any()
    async with engine.store.snapshot(scope) as held:
        ids: set[MemoryId] = set()
        links = 0
        now_us = engine.clock.now_us()
        async for page in held.memories(query.given, now_us, with_versions=query.with_versions):
            for memory in page:
                ids.add(memory.record.id)
                yield memory
        async for edges in held.links():
            for edge in edges:
                if edge.from_id in ids and edge.to_id in ids:
                    links += 1
                    yield edge
        yield ExportSummary(held.commit_seq, len(ids), links)
