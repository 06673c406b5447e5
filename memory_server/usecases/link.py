"""Link memories, and walk the links."""

import dataclasses
import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from memory_server.domain import limits, validation
from memory_server.domain.links import Walk
from memory_server.domain.memory import (
    MemoryId,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    Metadata,
    Receipt,
    Scope,
)
from memory_server.domain.requests import body_digest
from memory_server.domain.validation import Violations
from memory_server.ports import LinkWrite, RequestKey
from memory_server.usecases.engine import Engine
from memory_server.usecases.read import fitting

DEFAULT_TYPE = "related"


class Direction(enum.Enum):
    """Which ends of links are followed."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class LinkCommand:
    """One link that a caller wants to be written; `type` empty means `related`."""

    from_ref: MemoryRef
    to_ref: MemoryRef
    type: str
    weight: float
    metadata: Metadata
    request_id: str = ""
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class NeighborQuery:
    """From where, along which links, how far."""

    ref: MemoryRef
    types: Sequence[str]
    direction: Direction | None
    """None: one that is not known."""
    depth: int
    limit: int


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A memory found by a walk."""

    record: MemoryRecord
    distance: int
    link: MemoryLink


async def link(engine: Engine, scope: Scope, command: LinkCommand) -> Receipt:
    """Write one link, or overwrite the one with the same ends and type.

    Raises:
        InvalidInput: With every violation.
        NotFound: The namespace or one of the ends does not exist.
        Conflict, RequestIdReused, Overloaded, StorageFull, Unavailable: As the store says.
    """
    _check_link(scope, command)
    metadata = sorted(command.metadata.items())
    bare = dataclasses.replace(command, metadata={})
    digest = body_digest("link", scope.namespace, bare, metadata)
    write = LinkWrite(
        scope,
        command.from_ref,
        command.to_ref,
        command.type or DEFAULT_TYPE,
        command.weight,
        command.metadata,
        engine.clock.now_us(),
        RequestKey(command.request_id, digest) if command.request_id else None,
        command.expected_version,
    )
    return await engine.commit_one(write)


async def neighbors(
    engine: Engine, scope: Scope, query: NeighborQuery
) -> tuple[list[Neighbor], bool]:
    """Return the memories that a walk reaches, nearest first, and whether there are more.

    Raises:
        InvalidInput: With every violation.
        NotFound: The namespace or the start does not exist.
    """
    depth, limit = _check_walk(scope, query)
    start = await engine.store.get(scope, query.ref, engine.clock.now_us())
    walk = Walk(start.id, limit)
    records: dict[MemoryId, MemoryRecord] = {}
    while walk.frontier and walk.distance < depth and not walk.is_truncated:
        steps = await _steps(engine, scope, walk.frontier, query)
        known = await _live(engine, scope, [other for other, _ in steps if other not in records])
        records |= known
        walk.step([(other, edge) for other, edge in steps if other in records])
    found = [
        Neighbor(records[memory_id], distance, edge)
        for memory_id, (distance, edge) in walk.reached.items()
    ]
    kept = fitting([neighbor.record for neighbor in found])
    return found[: len(kept)], walk.is_truncated or len(kept) < len(found)


async def _steps(
    engine: Engine, scope: Scope, frontier: Sequence[MemoryId], query: NeighborQuery
) -> list[tuple[MemoryId, MemoryLink]]:
    steps: list[tuple[MemoryId, MemoryLink]] = []
    for outgoing in (True, False):
        if query.direction is (Direction.INCOMING if outgoing else Direction.OUTGOING):
            continue
        links = await engine.store.links_of(scope, frontier, outgoing=outgoing, types=query.types)
        steps += [(edge.to_id if outgoing else edge.from_id, edge) for edge in links]
    return steps


async def _live(
    engine: Engine, scope: Scope, ids: Sequence[MemoryId]
) -> dict[MemoryId, MemoryRecord]:
    now_us = engine.clock.now_us()
    records = await engine.store.get_by_id(scope, list(dict.fromkeys(ids)))
    return {key: record for key, record in records.items() if not record.is_expired(now_us)}


def _check_link(scope: Scope, command: LinkCommand) -> None:
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "from_ref", command.from_ref)
    validation.check_ref(found, "to_ref", command.to_ref)
    if command.type:
        validation.check_name(found, "type", command.type, limits.MAX_LINK_TYPE_BYTES)
    is_weight = math.isfinite(command.weight) and command.weight >= 0
    found.require(is_weight, "weight", "must be finite and not negative")
    validation.check_metadata(found, "metadata", command.metadata)
    validation.check_request_id(found, command.request_id)
    validation.check_expected_version(found, command.expected_version)
    found.raise_if_any()


def _check_walk(scope: Scope, query: NeighborQuery) -> tuple[int, int]:
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "ref", query.ref)
    most = limits.MAX_FILTER_TESTS
    found.require(len(query.types) <= most, "types", f"must have at most {most} types")
    for place, name in enumerate(query.types):
        validation.check_name(found, f"types[{place}]", name, limits.MAX_LINK_TYPE_BYTES)
    is_known = query.direction is not None
    found.require(is_known, "direction", "must be outgoing, incoming or both")
    depth = validation.check_count(
        found, "depth", query.depth, default=1, maximum=limits.MAX_LINK_DEPTH
    )
    limit = validation.check_count(
        found,
        "limit",
        query.limit,
        default=limits.DEFAULT_NEIGHBOR_LIMIT,
        maximum=limits.MAX_TOP_K,
    )
    found.raise_if_any()
    return depth, limit
