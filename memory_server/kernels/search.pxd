"""Searches, for the other kernels."""

from memory_server.kernels.best cimport Best, Heap
from memory_server.kernels.candidates cimport Facts, Neighbours
from memory_server.kernels.keywords cimport Occurrences, WordsOf
from memory_server.kernels.vectors cimport Nearest


cdef class Leg:
    # The vector leg of one search.
    cdef Nearest _nearest
    cdef Py_ssize_t _query
    cdef const long long[::1] _slots, _rows

    cdef Heap *best(self) noexcept nogil
    cdef bint is_exact(self) noexcept nogil
    cdef long long slot_of(self, long long row) except -1 nogil
    cdef int cosines(
        self, const long long *slots, Py_ssize_t count, long long *rows, double *found
    ) except -1 nogil


cdef class Search:
    cdef WordsOf _words
    cdef Leg _leg
    cdef Facts _facts
    cdef Neighbours _neighbours
    cdef Py_ssize_t _spread_from
    cdef bint _has_mask
    cdef const unsigned char[::1] _is_allowed
    cdef Best _best_words, _few
    cdef long long[::1] _slots, _scratch
    cdef double[:, ::1] _scores
    cdef long long[:, ::1] _numbers
    cdef unsigned char[::1] _asks
    cdef long long[:, :, ::1] _beside
    cdef tuple _made
    cdef Py_ssize_t _count, _source_count

    cdef tuple found(self)
    cdef int run(self, Occurrences occurrences) except -1 nogil
    cdef int _take(self, Heap *leg, bint is_of_rows) except -1 nogil
    cdef int _add_beside(self) except -1 nogil
    cdef int _place_beside(self) except -1 nogil
    cdef int _copy_facts(self) except -1 nogil
