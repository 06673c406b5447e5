"""The cache of the store that finds memories quickly."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from memory_server.domain.filters import Filter
from memory_server.domain.memory import Coordinate, MemoryRecord, Scope
from memory_server.domain.ranking import Candidates
from memory_server.domain.spans import Span
from memory_server.ports.embedder import Vector
from memory_server.ports.writes import Change

Seqs = npt.NDArray[np.int64]
"""Commits, which name memories."""


class Allowed(NamedTuple):
    """Which memories a recall looks at: those that pass the filter and have not expired.

    `times`: and whose event was in one of these; empty: whenever it was.
    """

    given: Filter
    now_us: int
    times: tuple[Span, ...] = ()

    def passes(self, record: MemoryRecord) -> bool:
        """Tell whether a memory is one of them."""
        time_us = record.event_time_us
        is_in_time = not self.times or any(span.holds(time_us) for span in self.times)
        return is_in_time and self.given.passes(record, self.now_us)


class Question(NamedTuple):
    """What memories are compared with.

    `text` None: no keyword leg; `vector`, a model and a query, None: no vector leg.
    """

    text: str | None = None
    vector: tuple[str, Vector] | None = None


class Asked(NamedTuple):
    """One search.

    Attributes:
        question: What memories are compared with; any of its words may match.
        limit: At least the best so many of each leg are returned.
        with_beside: Also return the allowed episodes just before and after the best, see `Candidates.beside`.
    """

    question: Question
    limit: int
    with_beside: bool = False


class Found(NamedTuple):
    """What the index found: the commits, ascending, and what recall ranks them by.

    A memory that either leg found has both scores, as far as it has an embedding. `is_exact` tells that every allowed
    memory was compared.
    """

    seqs: Seqs
    candidates: Candidates
    is_exact: bool = True

    @staticmethod
    def nothing() -> "Found":
        """Return that there is nothing to be found."""
        return Found(np.empty(0, np.int64), Candidates.none())


class SearchIndex(Protocol):
    """Cache of the store that finds memories quickly; may be dropped and rebuilt at any time.

    Guarantees:
        - A change is searchable, or no longer found, when `apply` returns.
        - Filters apply before the best are chosen: never fewer than min(limit, matches) per leg.
        - Only embeddings of the asked model are compared.
    """

    def apply(self, changes: Sequence[Change]) -> None:
        """Take over the changes of commits, in their order; a new embedding of a memory that is gone means nothing."""
        ...

    def search(self, scope: Scope, asked: Sequence[Asked], allowed: Allowed) -> Iterator[Found]:
        """Begin to search, and yield what each search finds by itself; several share what they have in common.

        What is found is as of the call. Later ones may still be under way while the first are yielded.

        Args:
            scope: The partition.
            asked: The searches, at least one.
            allowed: Which memories are looked at.
        """
        ...

    def compare(
        self, scope: Scope, seqs: Sequence[int], question: Question, allowed: Allowed
    ) -> Found:
        """Return the allowed ones of these commits, with their scores."""
        ...

    def adjacent(
        self, scope: Scope, seqs: Sequence[int], allowed: Allowed
    ) -> Mapping[int, Sequence[int]]:
        """Return the allowed episodes just before and after each of these live commits, in their conversation.

        Commits without any are left out.
        """
        ...

    def nearest(
        self, scope: Scope, coordinate: Coordinate, allowed: Allowed, limit: int
    ) -> list[tuple[int, float]]:
        """Return up to `limit` (commit, Euclidean distance), nearest first, of coordinates of the same length."""
        ...

    def within(
        self, scope: Scope, least: Coordinate, greatest: Coordinate, allowed: Allowed
    ) -> list[int]:
        """Return the commits whose coordinates, of the same length, lie in a box, its sides included; ascending."""
        ...

    def event_times(self, scope: Scope) -> Span | None:
        """Return from when until when the events of a scope's live memories were; None: there are none."""
        ...

    def of_records(self, scope: Scope, records: Sequence[MemoryRecord]) -> "SearchIndex":
        """Return another index, of these records of a scope alone, which searches and ranks as this one does."""
        ...

    def models(self) -> Counter[str]:
        """Return how many embeddings there are of each model, those that are kept beside others not counted."""
        ...

    async def load(self, live: Mapping[Scope, Seqs]) -> int:
        """Take over what was kept by an earlier process; to be done once, before the first change.

        Args:
            live: The commits of the store's live memories, ascending, by scope.

        Returns:
            The commit up to which the index now has everything; 0: nothing was kept that may be used.
        """
        ...

    async def maintain(self) -> None:
        """Move what was searched exactly into the index proper; found results stay the same."""
        ...

    def tail_size(self) -> int:
        """Return how many memories are still searched exactly instead of by the index."""
        ...

    async def close(self) -> None:
        """Keep what makes the next start fast; no search or change may follow."""
        ...
