"""The best few of many, for the other kernels."""

cimport cython
from libc.math cimport INFINITY


cdef struct Hit:
    double score
    long long place


cdef struct Heap:
    # The best `limit` of what is offered, the least of them on top; room for one hit even where none is kept.
    Hit *hits
    Py_ssize_t limit
    Py_ssize_t count


cdef inline void begin(Heap *heap, Hit *hits, Py_ssize_t limit) noexcept nogil:
    """Keep the best in `hits`, which has room for max(limit, 1)."""
    heap.hits, heap.limit, heap.count = hits, limit, 0
    # A heap of nothing has a top, too, which nothing is better than.
    hits[0].score = INFINITY
    hits[0].place = 0


cdef inline void offer(Heap *heap, double score, long long place) noexcept nogil:
    """Keep a place if it is among the best so far; of equals the later place."""
    if heap.count < heap.limit:
        rise(heap, score, place)
    elif score > heap.hits[0].score or (score == heap.hits[0].score and place > heap.hits[0].place):
        sink(heap, score, place)


cdef inline double least(Heap *heap) noexcept nogil:
    """Return the score that a place must reach to be among the best; of few, any."""
    return heap.hits[0].score if heap.count == heap.limit else -1e300


cdef void rise(Heap *heap, double score, long long place) noexcept nogil
cdef void sink(Heap *heap, double score, long long place) noexcept nogil
cdef void by_place(Heap *heap) noexcept nogil
cdef void by_score(Heap *heap) noexcept nogil
cdef object places(Heap *heap)
cdef object scores(Heap *heap)


@cython.final
cdef class Best:
    # A heap that brings its own room.
    cdef Heap heap
