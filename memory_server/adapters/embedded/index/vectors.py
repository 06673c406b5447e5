"""Vectors of one partition and one model: compared exactly while they are few, by an inverted file above.

Theory of operation:
    Rows are appended in the order of the commits and never written again. Up to `EXACT_ROWS` a query is compared with
    all of them. Above, most rows are in an inverted file, which names the cells whose rows are compared; those that
    came since are compared, all of them. Whatever is compared is read from the rough copy first, and rows that cannot
    be among the best by that are not even read. A maintainer builds the inverted file anew when the rows have doubled,
    or are a fifth more and it is quiet, and else adds the tail to it, both in a thread: it works on rows that nobody
    writes any more, and hands over a finished part.

Rules:
    1. Only allowed rows are ever returned, and never fewer than min(limit, allowed).
    2. Where few rows are allowed, they are compared exactly, whatever the size of the whole.
    3. What is removed stays as a row that nothing allows, until the partition is compacted.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.columns import Mask, Slots, grown
from memory_server.adapters.embedded.index.inverted import InvertedFile
from memory_server.adapters.embedded.index.rough import Rough, RoughRows
from memory_server.kernels import vectors as kernel
from memory_server.ports import Vector, Vectors

EXACT_ROWS = 8192
"""So many rows are compared one by one in about the time that an inverted file and a second look take."""

EXACT_ALONE_ROWS = 20_000
"""The same where nothing else finds the best: among so few, neighbours lie in nearly all cells."""

TAIL_ROWS = 1024
QUIET_TAIL_ROWS = 64
"""Length of the tail at which it is added to the inverted file: while memories come, and when they pause."""

RETRAIN_AT = 2.0
QUIET_RETRAIN_AT = 1.2
"""The inverted file is built anew when there are so many times the rows that it was trained on, while memories come and
when they pause: its cells are where the rows were then, and are larger now. Among 70,000, where it was trained on half
of them, one in sixty of the ten nearest is missed; on all, one in a hundred and fifty. It takes a second or two."""

_ROUGHENED_AT_ONCE = 256
"""So many rows wait for their rough copy, or for the next search, whichever comes first."""

_NO_ROWS = np.empty(0, np.int64)


class VectorRows:
    """Unit vectors by row, with the slots they belong to; the inner product is the cosine."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._rough: RoughRows | None = RoughRows(dimensions)
        """Of all rows, while they are few; of those in the inverted file, that has one of its own."""
        self._capacity: Vectors = np.empty((64, dimensions), np.float32)
        self._slots = np.empty(64, np.int64)
        self._based: Vectors = np.empty((0, dimensions), np.float32)
        self.count = 0
        self.dead_count = 0
        """Rows whose memory has another row by now."""
        self._row_of_slot = np.empty(0, np.int64)
        self.inverted: InvertedFile | None = None

    @classmethod
    def over(cls, rows: Vectors, slots: Slots, inverted: InvertedFile | None) -> "VectorRows":
        """Return the store of rows that are there already, such as those of a mapped file."""
        made = cls(rows.shape[1])
        made._based = rows
        made._slots = np.concatenate([slots, np.empty(64, np.int64)])
        made.count = len(rows)
        made._fit(int(slots.max()) + 1 if len(slots) else 0)
        made._row_of_slot[slots] = np.arange(len(rows))
        made.inverted = inverted
        return made

    @property
    def slots(self) -> Slots:
        """Slots of the rows."""
        return self._slots[: self.count]

    @property
    def tail_size(self) -> int:
        """Number of rows that are compared exactly although there is an inverted file."""
        return self.count - self.inverted.rows if self.inverted else 0

    def map(self, rows: Vectors) -> None:
        """Take over rows that lie elsewhere.

        Args:
            rows: The same vectors as those of the first rows here, in the same order.
        """
        own = self._capacity[len(rows) - len(self._based) : self.count - len(self._based)]
        self._capacity = np.concatenate([own, np.empty((64, self.dimensions), np.float32)])
        self._based = rows

    def append(self, slot: int, vector: Vector) -> None:
        """Take the vector of a slot in, instead of the one that it may have."""
        self.extend([slot], vector[np.newaxis])

    def extend(self, slots: Sequence[int], vectors: Vectors) -> None:
        """Take the vectors of some slots in, each once and ascending, instead of those that they may have."""
        row, end = self.count, self.count + len(slots)
        own = row - len(self._based)
        self._capacity = grown(self._capacity, own + len(slots))
        self._slots = grown(self._slots, end)
        self._capacity[own : own + len(slots)] = vectors
        self._slots[row:end] = slots
        self._fit(slots[-1] + 1)
        taken = self._slots[row:end]
        self.dead_count += int(np.count_nonzero(self._row_of_slot[taken] >= 0))
        self._row_of_slot[taken] = np.arange(row, end)
        self.count = end
        if self._rough is not None and self.count - self._rough.count >= _ROUGHENED_AT_ONCE:
            self._roughened()

    def _roughened(self) -> Rough | None:
        """Return the rough copy of all rows, with what came since the last time; None: they are too many for one."""
        if self.count > EXACT_ALONE_ROWS:
            self._rough = None
        if self._rough is None:
            return None
        for rows, start in ((self._based, 0), (self._capacity, len(self._based))):
            first, end = self._rough.count - start, min(self.count - start, len(rows))
            if 0 <= first < end:
                self._rough.append(rows[first:end])
        return self._rough.arrays

    def drop(self, slot: int) -> None:
        """Let a slot have no vector any more; its row stays until the partition is compacted."""
        if slot < len(self._row_of_slot) and self._row_of_slot[slot] >= 0:
            self._row_of_slot[slot] = -1
            self.dead_count += 1

    def rows_of(self, slots: Slots) -> npt.NDArray[np.int64]:
        """Return the rows of slots; -1: none."""
        self._fit(int(slots.max()) + 1 if len(slots) else 0)
        rows: npt.NDArray[np.int64] = self._row_of_slot[slots]
        return rows

    def allowed(self, mask: Mask | None) -> Mask | None:
        """Return which rows are allowed by a mask of slots; None: all."""
        if mask is None and not self.dead_count:
            return None
        slots = self.slots
        rows: Mask = np.ones(len(slots), np.bool_) if mask is None else mask[slots]
        if self.dead_count:
            rows &= self._row_of_slot[slots] == np.arange(len(slots))
        return rows

    def _fit(self, count: int) -> None:
        """Have room for so many slots."""
        known = len(self._row_of_slot)
        if count > known:
            more = np.full(max(count, 2 * known, 64) - known, -1, np.int64)
            self._row_of_slot = np.concatenate([self._row_of_slot, more])

    def frozen(self) -> Vectors:
        """Return all rows as they are now; what is appended later is not among them."""
        own = self._capacity[: self.count - len(self._based)]
        if not len(self._based):
            return own
        return np.concatenate([self._based, own]) if len(own) else self._based

    def cosines(self, query: Vector, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the cosines of these rows."""
        return kernel.cosines(self._based, self._capacity, query, rows)

    def best(
        self, queries: Vectors, allowed: Mask | None, limit: int, *, is_a_leg: bool
    ) -> kernel.Nearest:
        """Return what finds the best allowed rows for each query, at least min(limit, allowed) of them.

        Args:
            queries: Unit vectors, shape (queries, dimensions); several are compared while a row is at hand.
            allowed: By row; None: every row.
            limit: How many, at least 1.
            is_a_leg: Something else finds the best, too, and this may be less thorough.
        """
        inverted = self.inverted
        if inverted is None or (not is_a_leg and self.count <= EXACT_ALONE_ROWS):
            return self._exact(queries, allowed, limit)
        few = np.flatnonzero(allowed) if allowed is not None else None
        if few is not None and len(few) <= max(EXACT_ROWS // 2, limit):
            return self._best_of(queries, few, self.count, None, limit)
        return inverted.nearest(
            self._based,
            self._capacity,
            queries,
            allowed,
            limit,
            end=self.count,
            passing=self.count if few is None else len(few),
            is_a_leg=is_a_leg,
        )

    def _exact(self, queries: Vectors, allowed: Mask | None, limit: int) -> kernel.Nearest:
        if allowed is not None:
            # A filter mostly leaves few: those are looked up, and the rest is not even read.
            few = np.flatnonzero(allowed)
            if len(few) <= self.count // 2:
                return self._best_of(queries, few, self.count, None, limit)
        return self._best_of(queries, _NO_ROWS, 0, allowed, limit)

    def _best_of(
        self,
        queries: Vectors,
        named: npt.NDArray[np.int64],
        first: int,
        allowed: Mask | None,
        limit: int,
    ) -> kernel.Nearest:
        """Return what finds the best of named rows and of all allowed ones from `first` on."""
        rough = self._roughened() if first < self.count else None
        end = max(first, self.count)
        return kernel.nearest_in_rows(
            self._based, self._capacity, queries, named, first, end, allowed, limit, rough
        )

    def rows_of_slots(self, count: int) -> npt.NDArray[np.int64]:
        """Return the row of each slot, of at least so many; -1: none. It is written to by what comes next."""
        self._fit(count)
        return self._row_of_slot

    def upkeep(self, *, is_quiet: bool = False) -> Callable[[], InvertedFile] | None:
        """Return the work that makes the tail short again, to be done in a thread; None: there is none.

        Its result goes to `inverted`, on the loop.

        Args:
            is_quiet: No memory has come for a while, so that the work pays off for a shorter tail, too.
        """
        count, inverted = self.count, self.inverted
        if count <= EXACT_ROWS:
            return None
        # The thread reads rows that nobody writes any more, through views that outlive a growing array.
        based, own = self._based, self._capacity[: count - len(self._based)]
        retrain_at = QUIET_RETRAIN_AT if is_quiet else RETRAIN_AT
        if inverted is None or count >= retrain_at * inverted.trained_rows:
            return lambda: InvertedFile.built(based, own)
        if count - inverted.rows < (QUIET_TAIL_ROWS if is_quiet else TAIL_ROWS):
            return None
        first = inverted.rows
        parts = [based[first:], own[max(first - len(based), 0) :]]
        return lambda: inverted.extended(np.concatenate(parts))
