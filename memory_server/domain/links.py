"""Walking links: which memories are near, by breadth first."""

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

    def step(self, links: Sequence[tuple[MemoryId, MemoryLink]]) -> None:
        """Go one step further.

        Args:
            links: Every link at the frontier, with the id at its other end.
        """
        self.distance += 1
        self.frontier = []
        for other, link in sorted(links, key=_step_order):
            if other == self.start or other in self.reached:
                continue
            if len(self.reached) == self.limit:
                self.is_truncated = True
                return
            self.reached[other] = (self.distance, link)
            self.frontier.append(other)


def _step_order(step: tuple[MemoryId, MemoryLink]) -> tuple[float, str, str]:
    other, link = step
    return (-link.weight, other, link.type)
