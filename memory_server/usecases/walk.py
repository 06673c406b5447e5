"""Walk over links: what is near a memory, and the lightest path between two."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from memory_server.domain import limits, validation
from memory_server.domain.conversations import SESSION_KEYS, session_value
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.links import LightestPath, Walk
from memory_server.domain.memory import (
    MemoryId,
    MemoryKind,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    Scope,
)
from memory_server.domain.validation import Violations
from memory_server.ports import Allowed
from memory_server.usecases.engine import Engine
from memory_server.usecases.link import DERIVED_TYPES, FOLLOWS, PART_OF
from memory_server.usecases.read import fitting
from soma_common.errors import Overloaded

DEFAULT_PATH_LENGTH = 16
MAX_PATH_STEPS = 10_000
"""Memories that a search for a path looks at, at most: it bounds what one call costs."""

EVERYTHING = Filter()


class Direction(enum.Enum):
    """Which ends of links are followed."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Ways:
    """Which links are followed: of these types, or of all; which way, None: one that is not known."""

    types: Sequence[str] = ()
    direction: Direction | None = Direction.OUTGOING


@dataclass(frozen=True, slots=True)
class NeighborQuery:
    """From where, along which links, how far."""

    ref: MemoryRef
    ways: Ways
    depth: int
    limit: int


@dataclass(frozen=True, slots=True)
class PathQuery:
    """From where to where, along which links, over how many of them."""

    from_ref: MemoryRef
    to_ref: MemoryRef
    ways: Ways
    max_length: int = 0


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A memory found by a walk."""

    record: MemoryRecord
    distance: int
    link: MemoryLink


@dataclass(frozen=True, slots=True)
class Path:
    """The lightest path: its memories, both ends included, and the links between them."""

    cost: float
    records: Sequence[MemoryRecord]
    links: Sequence[MemoryLink]


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
    steps = _Steps(engine, scope, query.ways)
    steps.know(start)
    walk = Walk(start.id, limit)
    while walk.frontier and walk.distance < depth and not walk.is_truncated:
        walk.step(await steps.links_at(walk.frontier))
    found = [
        Neighbor(steps.records[memory_id], distance, edge)
        for memory_id, (distance, edge) in walk.reached.items()
    ]
    kept = fitting([neighbor.record for neighbor in found])
    return found[: len(kept)], walk.is_truncated or len(kept) < len(found)


async def find_path(engine: Engine, scope: Scope, query: PathQuery) -> Path | None:
    """Return the path of the least total weight; None: there is none of that length.

    Raises:
        InvalidInput: With every violation.
        NotFound: The namespace or one of the ends does not exist.
        Overloaded: So many memories are linked that the search was given up.
    """
    max_length = _check_path(scope, query)
    now_us = engine.clock.now_us()
    start = await engine.store.get(scope, query.from_ref, now_us)
    goal = await engine.store.get(scope, query.to_ref, now_us)
    steps = _Steps(engine, scope, query.ways)
    steps.know(start)
    search = LightestPath(start.id, goal.id, max_length, MAX_PATH_STEPS)
    while (step := search.next()) is not None:
        memory_id, cost, _, place = step
        if memory_id == goal.id:
            ids, links = search.path(place)
            return Path(cost, [steps.records[one] for one in ids], links)
        search.expand(step, await steps.links_at([memory_id]))
    if search.is_given_up:
        message = "too many memories are linked; name the types of links, or a shorter path"
        raise Overloaded(message, retry_after_s=1.0, looked_at=search.steps)
    return None


class _Steps:
    """Reads the links of a walk, those that are written and those that are derived, and the memories at their ends."""

    def __init__(self, engine: Engine, scope: Scope, ways: Ways) -> None:
        self._engine = engine
        self._scope = scope
        self._ways = ways
        self.records: dict[MemoryId, MemoryRecord] = {}
        """Every live memory that was met."""

    def know(self, record: MemoryRecord) -> None:
        """Take over a memory that was read already."""
        self.records[record.id] = record

    async def links_at(self, frontier: Sequence[MemoryId]) -> list[tuple[MemoryId, MemoryLink]]:
        """Return every link at the frontier whose other end is a live memory, with the id there."""
        written = await self._written(frontier)
        known = {_key(link) for _, link in written}
        steps = written + [
            step for step in await self._derived(frontier) if _key(step[1]) not in known
        ]
        await self._read([other for other, _ in steps])
        return [(other, link) for other, link in steps if other in self.records]

    async def _written(self, frontier: Sequence[MemoryId]) -> list[tuple[MemoryId, MemoryLink]]:
        steps: list[tuple[MemoryId, MemoryLink]] = []
        for outgoing in self._directions():
            links = await self._engine.store.links_of(
                self._scope, frontier, outgoing=outgoing, types=self._ways.types
            )
            steps += [(edge.to_id if outgoing else edge.from_id, edge) for edge in links]
        return steps

    async def _derived(self, frontier: Sequence[MemoryId]) -> list[tuple[MemoryId, MemoryLink]]:
        wanted = DERIVED_TYPES & set(self._ways.types) if self._ways.types else DERIVED_TYPES
        episodes = [
            self.records[memory_id]
            for memory_id in frontier
            if self.records[memory_id].kind is MemoryKind.EPISODIC
        ]
        steps = await self._follows(episodes) if FOLLOWS in wanted else []
        if PART_OF in wanted:
            steps += await self._part_of(episodes, frontier)
        return steps

    async def _follows(self, episodes: Sequence[MemoryRecord]) -> list[tuple[MemoryId, MemoryLink]]:
        """Link each episode with those just before and after it in its conversation."""
        allowed = Allowed(EVERYTHING, self._engine.clock.now_us())
        seqs = [record.commit_seq for record in episodes]
        beside = self._engine.index.adjacent(self._scope, seqs, allowed)
        met = sorted({seq for others in beside.values() for seq in others})
        found = await self._engine.store.get_by_seq(self._scope, met)
        steps = []
        for record in episodes:
            for seq in beside.get(record.commit_seq, ()):
                if (other := found.get(seq)) is None:
                    continue
                self.know(other)
                is_outgoing = _order(other) < _order(record)
                later, earlier = (record, other) if is_outgoing else (other, record)
                if is_outgoing in self._directions():
                    steps.append((other.id, _made(later.id, earlier.id, FOLLOWS)))
        return steps

    async def _part_of(
        self, episodes: Sequence[MemoryRecord], frontier: Sequence[MemoryId]
    ) -> list[tuple[MemoryId, MemoryLink]]:
        """Link each episode with the memory whose id its session names."""
        steps = []
        if True in self._directions():
            for record in episodes:
                session = session_value(record.metadata)
                if isinstance(session, str) and session not in ("", record.id):
                    whole = MemoryId(session)
                    steps.append((whole, _made(record.id, whole, PART_OF)))
        if False in self._directions():
            for whole in frontier:
                parts = await self._parts_of(whole)
                steps += [(part, _made(part, whole, PART_OF)) for part in parts]
        return steps

    async def _parts_of(self, whole: MemoryId) -> list[MemoryId]:
        found: dict[MemoryId, MemoryRecord] = {}
        for key in SESSION_KEYS:
            test = MetadataTest(key, any_of=(whole,))
            given = Filter(kinds=frozenset({MemoryKind.EPISODIC}), metadata=(test,))
            now_us = self._engine.clock.now_us()
            most = limits.MAX_TOP_K
            page = await self._engine.store.list_page(self._scope, given, now_us, None, most)
            found |= {one.id: one for one in page if session_value(one.metadata) == whole}
        for record in found.values():
            self.know(record)
        return [memory_id for memory_id in found if memory_id != whole]

    async def _read(self, ids: Sequence[MemoryId]) -> None:
        missing = [one for one in dict.fromkeys(ids) if one not in self.records]
        now_us = self._engine.clock.now_us()
        found = await self._engine.store.get_by_id(self._scope, missing)
        self.records |= {key: one for key, one in found.items() if not one.is_expired(now_us)}

    def _directions(self) -> tuple[bool, ...]:
        """Return whether outgoing (True) and incoming (False) links are followed."""
        if self._ways.direction is Direction.BOTH:
            return (True, False)
        return (self._ways.direction is Direction.OUTGOING,)


def _order(record: MemoryRecord) -> tuple[int, int]:
    return (record.event_time_us, record.commit_seq)


def _made(from_id: MemoryId, to_id: MemoryId, link_type: str) -> MemoryLink:
    return MemoryLink(from_id, to_id, link_type, weight=1.0, metadata={}, version=0)


def _key(link: MemoryLink) -> tuple[MemoryId, MemoryId, str]:
    return (link.from_id, link.to_id, link.type)


def _check_walk(scope: Scope, query: NeighborQuery) -> tuple[int, int]:
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "ref", query.ref)
    _check_ways(found, query.ways)
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


def _check_path(scope: Scope, query: PathQuery) -> int:
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "from_ref", query.from_ref)
    validation.check_ref(found, "to_ref", query.to_ref)
    _check_ways(found, query.ways)
    max_length = validation.check_count(
        found,
        "max_length",
        query.max_length,
        default=DEFAULT_PATH_LENGTH,
        maximum=limits.MAX_PATH_LENGTH,
    )
    found.raise_if_any()
    return max_length


def _check_ways(found: Violations, ways: Ways) -> None:
    most = limits.MAX_FILTER_TESTS
    found.require(len(ways.types) <= most, "types", f"must have at most {most} types")
    for place, name in enumerate(ways.types):
        validation.check_name(found, f"types[{place}]", name, limits.MAX_LINK_TYPE_BYTES)
    is_known = ways.direction is not None
    found.require(is_known, "direction", "must be outgoing, incoming or both")
