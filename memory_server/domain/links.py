"""Walking links: which memories are near, by breadth first, and which path is the lightest."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from memory_server.domain.memory import MemoryId, MemoryLink


@dataclass(slots=True)
class Walk:
    """A walk from one memory, a step per distance; the caller reads the links, the walk decides.

    Rules:
        - Every memory is reached once, at its least distance, never the start itself.
        - Within a distance: greatest weight first, then by id, then by type.
    """

    start: MemoryId
    limit: int
    reached: dict[MemoryId, tuple[int, MemoryLink]] = field(default_factory=dict)
    frontier: list[MemoryId] = field(init=False)
    distance: int = 0
    is_truncated: bool = False

    def __post_init__(self) -> None:
        self.frontier = [self.start]

    @property
    def wanted(self) -> int:
        """How many new memories behind each of the frontier tell what the next step is, and whether there is more."""
        return self.limit - len(self.reached) + 1

    def is_new(self, memory_id: MemoryId) -> bool:
        """Tell whether a memory was not reached yet."""
        return memory_id != self.start and memory_id not in self.reached

    def step(self, links: Sequence[tuple[MemoryId, MemoryLink]]) -> None:
        """Go one step further.

        Args:
            links: Links at the frontier, with the id at the other end: of each memory there at least those to the first
                `wanted` new ones, in the order of the rules.
        """
        self.distance += 1
        self.frontier = []
        for other, link in sorted(links, key=_step_order):
            if not self.is_new(other):
                continue
            if len(self.reached) == self.limit:
                self.is_truncated = True
                return
            self.reached[other] = (self.distance, link)
            self.frontier.append(other)


def _step_order(step: tuple[MemoryId, MemoryLink]) -> tuple[float, str, str]:
    other, link = step
    return (-link.weight, other, link.type)


@dataclass(slots=True)
class LightestPath:
    """A search for the path of the least total weight, a memory per step; the caller reads the links.

    Rules:
        - Weights are not negative, so what is reached first is reached at the least cost (Dijkstra 1959).
        - A memory is looked at again when fewer links reach it: the lightest way to it may be too long to go on.
        - Of equal costs the path with fewer links wins, then the one through lesser ids.
    """

    start: MemoryId
    goal: MemoryId
    max_length: int
    max_steps: int
    steps: int = 0
    is_given_up: bool = False
    _open: list[tuple[float, int, MemoryId, int]] = field(default_factory=list)
    _trail: list[tuple[int, MemoryLink | None, MemoryId]] = field(default_factory=list)
    """(place of the step before, link by which it was taken, memory reached)."""
    _shortest: dict[MemoryId, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._trail.append((-1, None, self.start))
        self._open.append((0.0, 0, self.start, 0))

    def next(self) -> tuple[MemoryId, float, int, int] | None:
        """Return (memory, cost, length, place) of the next step; None: the search is over."""
        while self._open:
            cost, length, memory_id, place = heapq.heappop(self._open)
            if self._shortest.get(memory_id, self.max_length + 1) <= length:
                continue
            self._shortest[memory_id] = length
            self.steps += 1
            self.is_given_up = self.steps > self.max_steps
            return None if self.is_given_up else (memory_id, cost, length, place)
        return None

    def expand(
        self,
        step: tuple[MemoryId, float, int, int],
        links: Sequence[tuple[MemoryId, MemoryLink]],
    ) -> None:
        """Go on from a step, by each link with the id at its other end."""
        _, cost, length, place = step
        if length == self.max_length:
            return
        for other, link in sorted(links, key=_step_order):
            self._trail.append((place, link, other))
            entry = (cost + link.weight, length + 1, other, len(self._trail) - 1)
            heapq.heappush(self._open, entry)

    def path(self, place: int) -> tuple[list[MemoryId], list[MemoryLink]]:
        """Return the memories and the links of the path that ends at a place."""
        ids: list[MemoryId] = []
        links: list[MemoryLink] = []
        while place >= 0:
            place, link, memory_id = self._trail[place]
            ids.append(memory_id)
            if link is not None:
                links.append(link)
        return ids[::-1], links[::-1]
