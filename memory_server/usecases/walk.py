"""Walk over links: what is near a memory, and the lightest path between two."""

import asyncio
import enum
from collections.abc import Sequence
from contextlib import aclosing
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
from memory_server.usecases.read import every_page, read_fitting
from soma_common.errors import QuotaExceeded

DEFAULT_PATH_LENGTH = 16
MAX_PATH_STEPS = 10_000
MAX_LINKS = 50_000
"""Memories that a search for a path looks at, and links that it or a walk reads, at most: about a second of work."""

AT_ONCE = 256
"""Links that are read before other calls have their turn: some 2 ms."""

READ_AT_ONCE = 64
"""Memories that are read at once; each may have a large payload."""

Step = tuple[MemoryId, MemoryLink]
"""A link with the id at its other end."""

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
        walk.step(await steps.new_at(walk))
        walk.is_truncated |= steps.is_given_up
        await steps.read(walk.frontier)
        walk.frontier = [one for one in walk.frontier if one in steps.records]
    near = [one for one in walk.reached if one in steps.records]
    whole, is_cut = await steps.whole(near)
    found = [Neighbor(whole[one], *walk.reached[one]) for one in near if one in whole]
    return found, walk.is_truncated or is_cut


async def find_path(engine: Engine, scope: Scope, query: PathQuery) -> Path | None:
    """Return the path of the least total weight; None: there is none of that length.

    Raises:
        InvalidInput: With every violation.
        NotFound: The namespace or one of the ends does not exist.
        QuotaExceeded: So many memories are linked that the search was given up, or those of the path are too large;
            trying again is of no use.
    """
    max_length = _check_path(scope, query)
    now_us = engine.clock.now_us()
    start = await engine.store.get(scope, query.from_ref, now_us)
    goal = await engine.store.get(scope, query.to_ref, now_us)
    steps = _Steps(engine, scope, query.ways)
    search = LightestPath(start.id, goal.id, max_length, MAX_PATH_STEPS)
    while (step := search.next()) is not None:
        memory_id, cost, length, place = step
        if memory_id == goal.id:
            ids, links = search.path(place)
            whole, is_cut = await steps.whole(ids)
            if is_cut:
                message = "the memories of the path are more than one answer can carry"
                raise QuotaExceeded(message, subject="size of an answer")
            # One that went meanwhile takes its path with it.
            return Path(cost, list(whole.values()), links) if len(whole) == len(ids) else None
        if length == max_length:
            continue
        await steps.read([memory_id])
        search.expand(step, await steps.all_at(memory_id))
        if steps.is_given_up:
            break
    if search.is_given_up or steps.is_given_up:
        message = "too many memories are linked; name the types of links, or a shorter path"
        quota = {"memories": MAX_PATH_STEPS, "links": MAX_LINKS}
        raise QuotaExceeded(message, subject="search of a path", **quota)
    return None


class _Steps:
    """Reads the links of a walk, those that are written and those that are derived, and the memories at their ends.

    What it reads is bounded; other calls have their turn every few links.
    """

    def __init__(self, engine: Engine, scope: Scope, ways: Ways) -> None:
        self._engine = engine
        self._scope = scope
        self._ways = ways
        self._read_count = 0
        self._since_turn = 0
        self.records: dict[MemoryId, MemoryRecord] = {}
        """Every live memory that was read, without its payload and embedding: a walk may meet many."""

    @property
    def is_given_up(self) -> bool:
        """Whether more links were met than one call may look at; those that were returned are not all then."""
        return self._read_count > MAX_LINKS

    def know(self, record: MemoryRecord) -> None:
        """Take over a memory that was read already."""
        self.records[record.id] = record._replace(payload_json=b"", embedding=b"")

    async def read(self, ids: Sequence[MemoryId]) -> None:
        """Read memories; those that are gone or have expired are left out."""
        missing = [one for one in dict.fromkeys(ids) if one not in self.records]
        for some in _in_parts(missing):
            for record in await self._live(some):
                self.know(record)

    async def whole(self, ids: Sequence[MemoryId]) -> tuple[dict[MemoryId, MemoryRecord], bool]:
        """Return as many of the memories as fit into an answer, payloads and all, and whether some do not."""
        records, is_cut = await read_fitting(self._engine, self._scope, ids)
        await self._turn(len(ids))
        return {record.id: record for record in records}, is_cut

    async def _live(self, ids: Sequence[MemoryId]) -> list[MemoryRecord]:
        now_us = self._engine.clock.now_us()
        found = await self._engine.store.get_by_id(self._scope, ids)
        await self._turn(len(ids))
        return [found[one] for one in ids if one in found and not found[one].is_expired(now_us)]

    async def new_at(self, walk: Walk) -> list[Step]:
        """Return what the next step of a walk needs of the links at its frontier."""
        steps: list[Step] = []
        for memory_id in walk.frontier:
            steps += await self._derived(memory_id)
            for outgoing in self._directions():
                steps += await self._first_new(walk, memory_id, outgoing)
            if self.is_given_up:
                break
        return steps

    async def all_at(self, memory_id: MemoryId) -> list[Step]:
        """Return every link at a memory that was read, with the id at its other end."""
        if memory_id not in self.records:
            return []
        steps = await self._derived(memory_id)
        for outgoing in self._directions():
            after: MemoryLink | None = None
            while not self.is_given_up:
                page = await self._page(memory_id, outgoing, after, AT_ONCE)
                steps += page
                if len(page) < AT_ONCE:
                    break
                after = page[-1][1]
        return steps

    async def _first_new(self, walk: Walk, memory_id: MemoryId, outgoing: bool) -> list[Step]:
        """Return links of one direction, the heaviest first, up to those to as many new memories as the walk wants."""
        steps: list[Step] = []
        new: set[MemoryId] = set()
        at_once = min(walk.wanted, AT_ONCE)
        after: MemoryLink | None = None
        while len(new) < walk.wanted and not self.is_given_up:
            page = await self._page(memory_id, outgoing, after, at_once)
            steps += [step for step in page if walk.is_new(step[0])]
            new.update(other for other, _ in page if walk.is_new(other))
            if len(page) < at_once:
                break
            after = page[-1][1]
        return steps

    async def _page(
        self, memory_id: MemoryId, outgoing: bool, after: MemoryLink | None, limit: int
    ) -> list[Step]:
        links = await self._engine.store.links_of(
            self._scope, memory_id,
            outgoing=outgoing, types=self._ways.types, now_us=self._engine.clock.now_us(),
            after=after, limit=limit,
        )  # fmt: skip
        self._read_count += len(links)
        await self._turn(len(links) + 1)
        return [(edge.to_id if outgoing else edge.from_id, edge) for edge in links]

    async def _turn(self, count: int) -> None:
        self._since_turn += count
        if self._since_turn >= AT_ONCE:
            self._since_turn = 0
            await asyncio.sleep(0)

    async def _is_written(self, edge: MemoryLink) -> bool:
        found = await self._engine.store.link(self._scope, edge.from_id, edge.to_id, edge.type)
        return found is not None

    async def _derived(self, memory_id: MemoryId) -> list[Step]:
        """Return the links that a memory has by itself, unless somebody wrote such a link; it was read before."""
        wanted = DERIVED_TYPES & set(self._ways.types) if self._ways.types else DERIVED_TYPES
        record = self.records[memory_id]
        is_episode = record.kind is MemoryKind.EPISODIC
        steps: list[Step] = []
        if FOLLOWS in wanted and is_episode:
            steps += await self._follows(record)
        if PART_OF in wanted and is_episode and True in self._directions():
            steps += await self._part_of(record)
        if PART_OF in wanted and False in self._directions():
            parts = await self._parts_of(memory_id)
            steps += [(part, _made(part, memory_id, PART_OF)) for part in parts]
        await self._turn(len(steps))
        return [step for step in steps if not await self._is_written(step[1])]

    async def _follows(self, record: MemoryRecord) -> list[Step]:
        """Link an episode with those just before and after it in its conversation."""
        allowed = Allowed(EVERYTHING, self._engine.clock.now_us())
        seqs = [record.commit_seq]
        beside = self._engine.index.adjacent(self._scope, seqs, allowed).get(record.commit_seq, ())
        found = await self._engine.store.get_by_seq(self._scope, beside)
        steps = []
        for other in found.values():
            self.know(other)
            is_outgoing = _order(other) < _order(record)
            later, earlier = (record, other) if is_outgoing else (other, record)
            if is_outgoing in self._directions():
                steps.append((other.id, _made(later.id, earlier.id, FOLLOWS)))
        return steps

    async def _part_of(self, record: MemoryRecord) -> list[Step]:
        """Link an episode with the memory whose id its session names."""
        session = session_value(record.metadata)
        if not isinstance(session, str) or session in ("", record.id):
            return []
        whole = MemoryId(session)
        await self.read([whole])
        return [(whole, _made(record.id, whole, PART_OF))] if whole in self.records else []

    async def _parts_of(self, whole: MemoryId) -> list[MemoryId]:
        parts: dict[MemoryId, None] = {}
        for key in SESSION_KEYS:
            test = MetadataTest(key, any_of=(whole,))
            given = Filter(kinds=frozenset({MemoryKind.EPISODIC}), metadata=(test,))
            async with aclosing(every_page(self._engine, self._scope, given)) as pages:
                count = 0
                async for page in pages:
                    named = [one for one in page if session_value(one.metadata) == whole]
                    parts |= dict.fromkeys(one.id for one in named)
                    for record in named:
                        self.know(record)
                    count += len(page)
                    if count >= limits.MAX_TOP_K:
                        break
        self._read_count += len(parts)
        return [memory_id for memory_id in parts if memory_id != whole]

    def _directions(self) -> tuple[bool, ...]:
        """Return whether outgoing (True) and incoming (False) links are followed."""
        if self._ways.direction is Direction.BOTH:
            return (True, False)
        return (self._ways.direction is Direction.OUTGOING,)


def _in_parts(ids: Sequence[MemoryId]) -> list[Sequence[MemoryId]]:
    return [ids[first : first + READ_AT_ONCE] for first in range(0, len(ids), READ_AT_ONCE)]


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
