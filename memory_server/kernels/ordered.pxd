"""Search in ascending arrays, for the other kernels."""

ctypedef fused Number:
    unsigned int
    long long


cdef inline Py_ssize_t lower_bound(
    const Number *ordered, Py_ssize_t low, Py_ssize_t high, Number wanted
) noexcept nogil:
    """Return the first place from `low` on, before `high`, that is not less; `high`: all are."""
    cdef Py_ssize_t middle
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low
