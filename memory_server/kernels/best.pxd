"""The best few of many, for the other kernels."""

cimport cython


cdef struct Hit:
    double score
    long long place


@cython.final
cdef class Best:
    cdef Hit *_hits
    cdef Py_ssize_t _limit
    cdef Py_ssize_t count

    cdef inline void offer(self, double score, long long place) noexcept:
        """Keep a place if it is among the best so far; of equals the later place."""
        if self.count < self._limit:
            self._rise(score, place)
        elif score > self._hits[0].score or (
            score == self._hits[0].score and place > self._hits[0].place
        ):
            self._sink(score, place)

    cdef inline double least(self) noexcept:
        """Return the score that a place must reach to be among the best; of few, any."""
        return self._hits[0].score if self.count == self._limit else -1e300

    cdef void _rise(self, double score, long long place) noexcept
    cdef void _sink(self, double score, long long place) noexcept
    cdef void by_place(self) noexcept
    cdef void by_score(self) noexcept
    cdef object places(self)
    cdef object scores(self)
