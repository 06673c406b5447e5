"""Which memories are ranked: what the legs found, and the episodes beside the best of it."""

from libc.stdlib cimport llabs, qsort

import numpy as np

from memory_server.kernels.ordered cimport lower_bound


cdef int _compare(const void *one, const void *other) noexcept nogil:
    cdef long long a = (<const long long *>one)[0]
    cdef long long b = (<const long long *>other)[0]
    return (a > b) - (a < b)


cdef Py_ssize_t _place(const long long[::1] ordered, long long wanted) except -1:
    """Return where a value stands that is there."""
    cdef Py_ssize_t place = lower_bound(ordered, 0, ordered.shape[0], wanted)
    if place == ordered.shape[0] or ordered[place] != wanted:
        raise ValueError("a slot beside another one is none of the candidates")
    return place


def ascending(list parts):
    cdef Py_ssize_t total = 0, count = 0, each
    cdef const long long[::1] part
    for given in parts:
        total += len(given)
    made = np.empty(total, np.int64)
    cdef long long[::1] slots = made
    for given in parts:
        part = given
        for each in range(part.shape[0]):
            if part[each] >= 0:
                slots[count] = part[each]
                count += 1
    if count == 0:
        return made[:0]
    qsort(&slots[0], count, sizeof(long long), _compare)
    total, count = count, 1
    for each in range(1, total):
        if slots[each] != slots[count - 1]:
            slots[count] = slots[each]
            count += 1
    return made[:count]


def beside(
    const long long[::1] before,
    const long long[::1] after,
    const long long[::1] times_us,
    const int[::1] sessions,
    const long long[::1] slots,
    allowed,
    long long gap_us,
    Py_ssize_t reach,
):
    made = np.full((slots.shape[0], 2, reach), -1, np.int64)
    cdef long long[:, :, ::1] found = made
    cdef const unsigned char[::1] is_allowed
    cdef bint has_mask = allowed is not None
    cdef Py_ssize_t each, side, step
    cdef long long here, there
    if has_mask:
        is_allowed = allowed.view(np.uint8)
    for each in range(slots.shape[0]):
        for side in range(2):
            here = slots[each]
            for step in range(reach):
                there = after[here] if side else before[here]
                if there < 0:
                    break
                if sessions[here] <= 0 and llabs(times_us[there] - times_us[here]) > gap_us:
                    break
                here = there
                if not has_mask or is_allowed[here]:
                    found[each, side, step] = here
    return made


def placed(
    const long long[::1] slots, const long long[::1] sources, const long long[:, :, ::1] steps
):
    cdef Py_ssize_t reach = steps.shape[2], each, side, step, place
    made = np.full((slots.shape[0], 2, reach), -1, np.int64)
    cdef long long[:, :, ::1] found = made
    for each in range(sources.shape[0]):
        place = _place(slots, sources[each])
        for side in range(2):
            for step in range(reach):
                if steps[each, side, step] >= 0:
                    found[place, side, step] = _place(slots, steps[each, side, step])
    return made
