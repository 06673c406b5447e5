"""The vector leg of searches, for the other kernels."""

from memory_server.kernels.best cimport Heap, Hit

cdef enum:
    CHUNK = 256


cdef class _Rows:
    cdef const float[:, ::1] _based
    cdef const float[:, ::1] _own
    cdef const float[:, ::1] _queries
    cdef Py_ssize_t _based_count
    cdef float found[CHUNK]
    cdef const float *_at[CHUNK]

    cdef Py_ssize_t compare(self, Py_ssize_t query, Py_ssize_t first, Py_ssize_t end) except -1 nogil
    cdef Py_ssize_t compare_at(
        self, Py_ssize_t query, const long long *rows, Py_ssize_t count
    ) except -1 nogil
    cdef int cosines(
        self, Py_ssize_t query, const long long *rows, Py_ssize_t count, double *found
    ) except -1 nogil


cdef class Nearest:
    # Some queries, and the rows that are nearest to each: `run` finds them, `best` then has them, ascending.
    cdef _Rows _rows
    cdef Py_ssize_t count, _limit
    cdef Hit *_hits
    cdef Heap *_best
    cdef bint _has_mask
    cdef const unsigned char[::1] _is_allowed

    cdef int run(self) except -1 nogil
    cdef bint is_exact(self, Py_ssize_t query) noexcept nogil
    cdef Heap *best(self, Py_ssize_t query) noexcept nogil
    cdef int cosines(
        self, Py_ssize_t query, const long long *rows, Py_ssize_t count, double *found
    ) except -1 nogil
    cdef int named(self, Py_ssize_t query, const long long *rows, Py_ssize_t size) except -1 nogil
    cdef int look_at(self, Py_ssize_t query, Py_ssize_t first, Py_ssize_t end) except -1 nogil
    cdef int begin_anew(self, Py_ssize_t query) noexcept nogil
