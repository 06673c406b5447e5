"""The cache of the store that finds memories quickly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from memory_server.domain.filters import Filter
from memory_server.domain.memory import Coordinate, Scope
from memory_server.ports.embedder import Vector
from memory_server.ports.writes import Change


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which memories a recall looks at: those that pass the filter and have not expired."""

    given: Filter
    now_us: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the index found, by commit.

    `keyword` holds shares of the attainable score in [0, 1], `cosine` cosines in [-1, 1]; a memory that either leg
    found has both, as far as it has an embedding. `is_exact` tells that every allowed memory was compared.
    """

    keyword: Mapping[int, float] = field(default_factory=dict)
    cosine: Mapping[int, float] = field(default_factory=dict)
    is_exact: bool = True


class SearchIndex(Protocol):
    """Cache of the store that finds memories quickly; may be dropped and rebuilt at any time.

    Guarantees:
        - A change is searchable, or no longer found, when `apply` returns.
        - Filters apply before the best are chosen: never fewer than min(limit, matches) per leg.
        - Only embeddings of the asked model are compared.
    """

    def apply(self, changes: Sequence[Change]) -> None:
        """Take over the changes of commits, in their order."""
        ...

    def search(
        self,
        scope: Scope,
        *,
        text: str | None,
        vector: tuple[str, Vector] | None,
        allowed: Allowed,
        limit: int,
    ) -> Found:
        """Return at least the best `limit` of each leg that is asked for.

        Args:
            scope: The partition.
            text: Query of the keyword leg; any of its words may match. None: no keyword leg.
            vector: Model and query of the vector leg. None: no vector leg.
            allowed: Which memories are looked at.
            limit: How many per leg.
        """
        ...

    def adjacent(
        self, scope: Scope, seqs: Sequence[int], allowed: Allowed
    ) -> Mapping[int, Sequence[int]]:
        """Return the allowed episodes just before and after each of these live commits, by event time.

        Only within `ranking.EPISODE_GAP_US`; commits without any are left out.
        """
        ...

    def nearest(
        self, scope: Scope, coordinate: Coordinate, allowed: Allowed, limit: int
    ) -> list[tuple[int, float]]:
        """Return up to `limit` (commit, Euclidean distance), nearest first, of coordinates of the same length."""
        ...

    async def maintain(self) -> None:
        """Move what was searched exactly into the index proper; found results stay the same."""
        ...

    def tail_size(self) -> int:
        """Return how many memories are still searched exactly instead of by the index."""
        ...
