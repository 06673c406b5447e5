"""The best few of many: a heap with the least of them on top."""

cimport cython
from libc.stdlib cimport free, malloc, qsort

import numpy as np


cdef inline bint _is_less(Hit *one, Hit *other) noexcept nogil:
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


cdef void rise(Heap *heap, double score, long long place) noexcept nogil:
    """Add a place at the end, and let it rise over what is better."""
    cdef Py_ssize_t here = heap.count, above
    cdef Hit new
    new.score, new.place = score, place
    heap.count += 1
    while here > 0:
        above = (here - 1) // 2
        if not _is_less(&new, &heap.hits[above]):
            break
        heap.hits[here] = heap.hits[above]
        here = above
    heap.hits[here] = new


cdef void sink(Heap *heap, double score, long long place) noexcept nogil:
    """Put a place instead of the least, and let it sink below what is less."""
    cdef Py_ssize_t here = 0, below
    cdef Hit new
    if heap.limit == 0:
        return
    new.score, new.place = score, place
    while True:
        below = 2 * here + 1
        if below >= heap.count:
            break
        if below + 1 < heap.count and _is_less(&heap.hits[below + 1], &heap.hits[below]):
            below += 1
        if not _is_less(&heap.hits[below], &new):
            break
        heap.hits[here] = heap.hits[below]
        here = below
    heap.hits[here] = new


cdef void by_place(Heap *heap) noexcept nogil:
    """Put what is kept in the order of the places; nothing may be offered after."""
    qsort(heap.hits, heap.count, sizeof(Hit), _compare_places)


cdef void by_score(Heap *heap) noexcept nogil:
    """Put what is kept in the order of the scores, the best first; nothing may be offered after."""
    qsort(heap.hits, heap.count, sizeof(Hit), _compare_scores)


cdef object places(Heap *heap):
    """Return the places, int64."""
    made = np.empty(heap.count, np.int64)
    cdef long long[::1] view = made
    cdef Py_ssize_t each
    for each in range(heap.count):
        view[each] = heap.hits[each].place
    return made


cdef object scores(Heap *heap):
    """Return the scores, float64."""
    made = np.empty(heap.count, np.float64)
    cdef double[::1] view = made
    cdef Py_ssize_t each
    for each in range(heap.count):
        view[each] = heap.hits[each].score
    return made


@cython.final
cdef class Best:
    """The best `limit` of what is offered, each a score and a place."""

    def __cinit__(self, Py_ssize_t limit):
        cdef Hit *hits
        if limit < 0:
            raise ValueError("a limit is at least 0")
        hits = <Hit *>malloc(max(limit, 1) * sizeof(Hit))
        if hits == NULL:
            raise MemoryError()
        begin(&self.heap, hits, limit)

    def __dealloc__(self):
        free(self.heap.hits)
