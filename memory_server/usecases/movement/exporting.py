"""Move memories out of a namespace: with their versions, and the links among them, as they were at one commit."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from memory_server.domain import validation
from memory_server.domain.filters import Filter
from memory_server.domain.limits import MAX_RESPONSE_BYTES
from memory_server.domain.memory import MemoryId, MemoryLink, Scope
from memory_server.domain.validation import Violations
from memory_server.ports import ExportedMemory
from memory_server.usecases.engine import Engine

RESERVE_BYTES = 4096
"""What a message of an import has beside a memory."""


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
    left_out_version_count: int = 0


async def export(
    engine: Engine, scope: Scope, query: ExportQuery
) -> AsyncGenerator[ExportedMemory | MemoryLink | ExportSummary, None]:
    """Yield memories, then the links among them, then the summary: all as they were at one commit.

    A memory has as many versions as a client receives, and an import takes, in one message.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_filter(found, query.given)
    found.raise_if_any()
    most_bytes = min(MAX_RESPONSE_BYTES, engine.limits.max_message_bytes - RESERVE_BYTES)
    async with engine.store.snapshot(scope) as held:
        ids: set[MemoryId] = set()
        links = left_out = 0
        pages = held.memories(
            query.given,
            engine.clock.now_us(),
            with_versions=query.with_versions,
            most_bytes=most_bytes,
        )
        async for page in pages:
            for memory in page:
                ids.add(memory.record.id)
                left_out += memory.left_out_count
                yield memory
        async for edges in held.links():
            for edge in edges:
                if edge.from_id in ids and edge.to_id in ids:
                    links += 1
                    yield edge
        yield ExportSummary(held.commit_seq, len(ids), links, left_out)
