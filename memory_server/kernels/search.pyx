"""Searches: what both legs find, the episodes beside the best of it, and what all of that scores.

A search runs without the interpreter's lock. What it reads must not change meanwhile.
"""

import numpy as np

from memory_server.kernels.best cimport Best, Heap, begin, by_place, offer
from memory_server.kernels.candidates cimport Facts, Neighbours, ascending, place_of
from memory_server.kernels.keywords cimport Occurrences, WordsOf
from memory_server.kernels.vectors cimport Nearest


cdef class Leg:
    def __init__(
        self,
        Nearest nearest not None,
        Py_ssize_t query,
        const long long[::1] slots,
        const long long[::1] rows,
    ):
        if not 0 <= query < nearest.count:
            raise IndexError("there is no such query")
        self._nearest, self._query, self._slots, self._rows = nearest, query, slots, rows

    cdef Heap *best(self) noexcept nogil:
        """Return the best rows; what finds them has run before."""
        return self._nearest.best(self._query)

    cdef bint is_exact(self) noexcept nogil:
        return self._nearest.is_exact(self._query)

    cdef long long slot_of(self, long long row) except -1 nogil:
        return self._slots[row]

    cdef int cosines(
        self, const long long *slots, Py_ssize_t count, long long *rows, double *found
    ) except -1 nogil:
        """Write the cosines of slots that have a row.

        Args:
            rows: Room for as many as there are slots.
        """
        cdef Py_ssize_t start = 0, end, each
        for each in range(count):
            rows[each] = self._rows[slots[each]]
        while start < count:
            end = start
            while end < count and rows[end] >= 0:
                end += 1
            self._nearest.cosines(self._query, &rows[start], end - start, &found[start])
            start = end + 1
        return 0


cdef class Search:
    def __init__(
        self,
        WordsOf words,
        Leg leg,
        Facts facts not None,
        Neighbours neighbours,
        allowed,
        Py_ssize_t limit,
        Py_ssize_t spread_from,
    ):
        cdef Py_ssize_t reach = 0 if neighbours is None else neighbours.reach
        cdef Py_ssize_t room = 2 * limit + 4 * spread_from * reach
        self._words, self._leg = words, leg
        self._facts, self._neighbours, self._spread_from = facts, neighbours, spread_from
        self._has_mask = allowed is not None
        self._is_allowed = None if allowed is None else allowed.view(np.uint8)
        self._best_words, self._few = Best(limit), Best(spread_from)
        scores, numbers, asks = np.zeros((3, room)), np.empty((3, room), np.int64), np.empty(room, np.bool_)
        beside = None if neighbours is None else np.empty((room, 2, reach), np.int64)
        self._made = (scores, numbers, asks, beside)
        self._scores, self._numbers, self._beside = scores, numbers, beside
        self._asks, self._slots = asks.view(np.uint8), np.empty(room, np.int64)
        # The sources, and what is beside each; or the rows of slots.
        self._scratch = np.empty(max(2 * spread_from * (1 + 2 * reach), room), np.int64)

    cdef tuple found(self):
        cdef Py_ssize_t count = self._count
        is_exact = self._words is None or self._words.other_count == 0
        is_exact = is_exact and (self._leg is None or self._leg.is_exact())
        scores, numbers, asks, beside = self._made
        columns = (
            scores[0, :count],
            scores[1, :count],
            numbers[1, :count],
            scores[2, :count],
            numbers[2, :count],
            asks[:count],
        )
        return numbers[0, :count], columns, None if beside is None else beside[:count], is_exact

    cdef int run(self, Occurrences occurrences) except -1 nogil:
        """Search; the vector leg has run before."""
        if self._words is not None:
            occurrences.add_up(self._words)
            occurrences.offer_to(
                &self._best_words.heap, self._words, self._has_mask, self._is_allowed
            )
            by_place(&self._best_words.heap)
            self._take(&self._best_words.heap, False)
        if self._leg is not None:
            self._take(self._leg.best(), True)
        if self._neighbours is not None:
            self._add_beside()
        self._count = ascending(&self._slots[0], self._count) if self._count else 0
        if self._neighbours is not None:
            self._place_beside()
        if self._count == 0:
            return 0
        if self._words is not None:
            occurrences.scores_of(
                self._words, &self._slots[0], self._count, &self._scores[0, 0]
            )
        if self._leg is not None:
            self._leg.cosines(
                &self._slots[0], self._count, &self._scratch[0], &self._scores[1, 0]
            )
        return self._copy_facts()

    cdef int _copy_facts(self) except -1 nogil:
        """Copy what ranking looks at."""
        cdef Py_ssize_t each
        cdef long long slot
        for each in range(self._count):
            slot = self._slots[each]
            self._numbers[0, each] = self._facts.seqs[slot]
            self._numbers[1, each] = self._facts.times_us[slot]
            self._numbers[2, each] = self._facts.sessions[slot]
            self._scores[2, each] = self._facts.importance[slot]
            self._asks[each] = self._facts.asks[slot]
        return 0

    cdef int _take(self, Heap *leg, bint is_of_rows) except -1 nogil:
        """Take the slots that a leg found, and the best of them as sources."""
        cdef Heap *few = &self._few.heap
        cdef Py_ssize_t each, first = self._count
        begin(few, few.hits, self._spread_from)
        for each in range(leg.count):
            if is_of_rows:
                self._slots[first + each] = self._leg.slot_of(leg.hits[each].place)
            else:
                self._slots[first + each] = leg.hits[each].place
            offer(few, leg.hits[each].score, each)
        self._count += leg.count
        for each in range(few.count):
            self._scratch[self._source_count] = self._slots[first + few.hits[each].place]
            self._source_count += 1
        return 0

    cdef int _add_beside(self) except -1 nogil:
        """Find what is beside the sources, and take it, too."""
        cdef Py_ssize_t wide = 2 * self._neighbours.reach, each, step
        cdef long long *steps
        if self._source_count == 0 or wide == 0:
            return 0
        self._source_count = ascending(&self._scratch[0], self._source_count)
        for each in range(self._source_count):
            steps = &self._scratch[2 * self._spread_from + each * wide]
            self._neighbours.steps_from(self._scratch[each], steps)
            for step in range(wide):
                if steps[step] >= 0:
                    self._slots[self._count] = steps[step]
                    self._count += 1
        return 0

    cdef int _place_beside(self) except -1 nogil:
        """Say where the slots beside each source stand among all."""
        cdef Py_ssize_t wide = 2 * self._neighbours.reach, each, step, place
        cdef long long *steps
        cdef long long *target
        if wide == 0 or self._count == 0:
            return 0
        target = &self._beside[0, 0, 0]
        for each in range(self._count * wide):
            target[each] = -1
        for each in range(self._source_count):
            steps = &self._scratch[2 * self._spread_from + each * wide]
            place = place_of(&self._slots[0], self._count, self._scratch[each])
            target = &self._beside[place, 0, 0]
            for step in range(wide):
                if steps[step] >= 0:
                    target[step] = place_of(&self._slots[0], self._count, steps[step])
        return 0
