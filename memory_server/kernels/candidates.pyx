"""Which memories are ranked: what the legs found, and the episodes beside the best of it."""

from libc.stdlib cimport llabs, qsort

import numpy as np

from memory_server.kernels.ordered cimport lower_bound


cdef int _compare(const void *one, const void *other) noexcept nogil:
    cdef long long a = (<const long long *>one)[0]
    cdef long long b = (<const long long *>other)[0]
    return (a > b) - (a < b)


cdef Py_ssize_t ascending(long long *slots, Py_ssize_t count) noexcept nogil:
    """Put slots in order, each once, the negative ones left out; return how many there are."""
    cdef Py_ssize_t each, kept = 0
    qsort(slots, count, sizeof(long long), _compare)
    for each in range(count):
        if slots[each] >= 0 and (kept == 0 or slots[each] != slots[kept - 1]):
            slots[kept] = slots[each]
            kept += 1
    return kept


cdef Py_ssize_t place_of(const long long *slots, Py_ssize_t count, long long wanted) noexcept nogil:
    """Return where a slot stands among ascending ones; -1: nowhere."""
    cdef Py_ssize_t place = lower_bound(slots, 0, count, wanted)
    return place if place < count and slots[place] == wanted else -1


cdef class Facts:
    def __init__(
        self,
        const long long[::1] seqs,
        const long long[::1] times_us,
        const double[::1] importance,
        const int[::1] sessions,
        asks,
    ):
        self.seqs, self.times_us, self.importance = seqs, times_us, importance
        self.sessions, self.asks = sessions, asks.view(np.uint8)


cdef class Neighbours:
    def __init__(
        self,
        Facts facts not None,
        const long long[::1] before,
        const long long[::1] after,
        allowed,
        long long gap_us,
        Py_ssize_t reach,
    ):
        self._facts, self._before, self._after = facts, before, after
        self._has_mask = allowed is not None
        self._is_allowed = None if allowed is None else allowed.view(np.uint8)
        self._gap_us, self.reach = gap_us, reach

    def of(self, const long long[::1] slots):
        made = np.empty((slots.shape[0], 2, self.reach), np.int64)
        cdef long long[:, :, ::1] found = made
        cdef Py_ssize_t each
        for each in range(slots.shape[0] if self.reach else 0):
            self.steps_from(slots[each], &found[each, 0, 0])
        return made

    cdef int steps_from(self, long long slot, long long *steps) except -1 nogil:
        """Write the slots beside one, first those before it, then those after it, of shape (2, reach); -1: none."""
        cdef Py_ssize_t side, step
        cdef long long here, there
        for step in range(2 * self.reach):
            steps[step] = -1
        for side in range(2):
            here = slot
            for step in range(self.reach):
                there = self._after[here] if side else self._before[here]
                if there < 0:
                    break
                if self._facts.sessions[here] <= 0 and self._is_far(there, here):
                    break
                here = there
                if not self._has_mask or self._is_allowed[here]:
                    steps[side * self.reach + step] = here
        return 0

    cdef bint _is_far(self, long long one, long long other) except -1 nogil:
        return llabs(self._facts.times_us[one] - self._facts.times_us[other]) > self._gap_us
