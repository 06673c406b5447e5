"""The best few of many: a heap with the least of them on top."""

cimport cython
from libc.stdlib cimport free, malloc, qsort

import numpy as np


cdef inline bint _is_less(Hit *one, Hit *other) noexcept:
    if one.score != other.score:
        return one.score < other.score
    return one.place < other.place


cdef int _compare_places(const void *one, const void *other) noexcept nogil:
    cdef long long a = (<const Hit *>one).place
    cdef long long b = (<const Hit *>other).place
    return (a > b) - (a < b)


cdef int _compare_scores(const void *one, const void *other) noexcept nogil:
    cdef double a = (<const Hit *>one).score
    cdef double b = (<const Hit *>other).score
    if a != b:
        return -1 if a > b else 1
    return -_compare_places(one, other)


@cython.final
cdef class Best:
    """The best `limit` of what is offered, each a score and a place."""

    def __cinit__(self, Py_ssize_t limit):
        if limit < 0:
            raise ValueError("a limit is at least 0")
        self._hits = <Hit *>malloc(max(limit, 1) * sizeof(Hit))
        if self._hits == NULL:
            raise MemoryError()
        self._limit = limit
        self.count = 0
        # A heap of nothing has a top, too, which nothing is better than.
        self._hits[0].score = float("inf")
        self._hits[0].place = 0

    def __dealloc__(self):
        free(self._hits)

    cdef void _rise(self, double score, long long place) noexcept:
        """Add a place at the end, and let it rise over what is better."""
        cdef Py_ssize_t here = self.count, above
        cdef Hit new
        new.score, new.place = score, place
        self.count += 1
        while here > 0:
            above = (here - 1) // 2
            if not _is_less(&new, &self._hits[above]):
                break
            self._hits[here] = self._hits[above]
            here = above
        self._hits[here] = new

    cdef void _sink(self, double score, long long place) noexcept:
        """Put a place instead of the least, and let it sink below what is less."""
        cdef Py_ssize_t here = 0, below
        cdef Hit new
        if self._limit == 0:
            return
        new.score, new.place = score, place
        while True:
            below = 2 * here + 1
            if below >= self.count:
                break
            if below + 1 < self.count and _is_less(&self._hits[below + 1], &self._hits[below]):
                below += 1
            if not _is_less(&self._hits[below], &new):
                break
            self._hits[here] = self._hits[below]
            here = below
        self._hits[here] = new

    cdef void by_place(self) noexcept:
        """Put what is kept in the order of the places; nothing may be offered after."""
        qsort(self._hits, self.count, sizeof(Hit), _compare_places)

    cdef void by_score(self) noexcept:
        """Put what is kept in the order of the scores, the best first; nothing may be offered after."""
        qsort(self._hits, self.count, sizeof(Hit), _compare_scores)

    cdef object places(self):
        """Return the places, int64."""
        made = np.empty(self.count, np.int64)
        cdef long long[::1] view = made
        cdef Py_ssize_t each
        for each in range(self.count):
            view[each] = self._hits[each].place
        return made

    cdef object scores(self):
        """Return the scores, float64."""
        made = np.empty(self.count, np.float64)
        cdef double[::1] view = made
        cdef Py_ssize_t each
        for each in range(self.count):
            view[each] = self._hits[each].score
        return made
