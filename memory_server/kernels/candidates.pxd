"""Which memories are ranked, for the other kernels."""


cdef class Facts:
    # What ranking looks at, by slot.
    cdef const long long[::1] seqs, times_us
    cdef const double[::1] importance
    cdef const int[::1] sessions
    cdef const unsigned char[::1] asks


cdef class Neighbours:
    # The episodes just before and just after each slot.
    cdef Facts _facts
    cdef const long long[::1] _before, _after
    cdef bint _has_mask
    cdef const unsigned char[::1] _is_allowed
    cdef long long _gap_us
    cdef Py_ssize_t reach

    cdef int steps_from(self, long long slot, long long *steps) except -1 nogil
    cdef bint _is_far(self, long long one, long long other) except -1 nogil


cdef Py_ssize_t ascending(long long *slots, Py_ssize_t count) noexcept nogil
cdef Py_ssize_t place_of(const long long *slots, Py_ssize_t count, long long wanted) noexcept nogil
