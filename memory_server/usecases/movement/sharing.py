"""Copy memories from one namespace of a tenant to another."""

from contextlib import aclosing

from memory_server.domain import limits, validation
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryLink, Scope
from memory_server.domain.validation import Violations
from memory_server.ports import ExportedMemory
from memory_server.usecases.engine import Engine
from memory_server.usecases.movement.exporting import ExportQuery, ExportSummary, export
from memory_server.usecases.movement.importing import (
    Importer,
    ImportOptions,
    MovedMemory,
    Progress,
    moved,
)

AT_ONCE = 200
BYTES_AT_ONCE = 4 * 1024 * 1024
"""Memories and links that are copied by one step, and how large they are together."""


async def share(
    engine: Engine, scope: Scope, to_scope: Scope, given: Filter, options: ImportOptions
) -> Progress:
    """Copy the memories that pass, with the links among them, to another namespace of the same tenant.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace to copy from.
        Overloaded, StorageFull, Unavailable: As the store says; what was copied stays.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_name(
        found, "to_namespace", to_scope.namespace, limits.MAX_NAMESPACE_BYTES
    )  # fmt: skip
    is_other = scope.namespace != to_scope.namespace
    found.require(is_other, "to_namespace", "must be another namespace")
    validation.check_filter(found, given)
    found.raise_if_any()
    importer = Importer(engine, to_scope, options)
    progress = Progress()
    memories: list[MovedMemory] = []
    links: list[MemoryLink] = []
    size = 0
    # As of one commit: a memory and a link to it are both there, or neither is.
    async with aclosing(export(engine, scope, ExportQuery(given))) as parts:
        async for part in parts:
            if isinstance(part, ExportedMemory):
                memories.append(moved(part.record))
                size += len(part.record.payload_json) + len(part.record.text)
            elif isinstance(part, MemoryLink):
                links.append(part)
            is_last = isinstance(part, ExportSummary)
            is_full = len(memories) + len(links) == AT_ONCE or size >= BYTES_AT_ONCE
            if is_last or is_full:
                progress = await importer.take(memories, links)
                memories, links, size = [], [], 0
    return progress
