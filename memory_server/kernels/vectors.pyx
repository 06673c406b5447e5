"""Cosines of unit vectors that lie in two blocks of rows: a mapped one, and the one that still grows."""

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from memory_server.kernels.best cimport Best

cdef extern from *:
    """
    #include <string.h>

    #if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
    #define SOMA_WIDEST __attribute__((target_clones("avx512f", "arch=haswell", "default")))
    #else
    #define SOMA_WIDEST
    #endif

    /* Sixteen sums side by side: the compiler may not reorder the additions of one. */
    typedef float soma_lanes __attribute__((vector_size(64)));

    static inline __attribute__((always_inline)) float
    soma_dot(const float *one, const float *other, Py_ssize_t count) {
        soma_lanes sums[4], a, b;
        float total = 0;
        Py_ssize_t place = 0;
        memset(sums, 0, sizeof sums);
        for (; place + 64 <= count; place += 64) {
            for (int part = 0; part < 4; part++) {
                memcpy(&a, one + place + 16 * part, sizeof a);
                memcpy(&b, other + place + 16 * part, sizeof b);
                sums[part] += a * b;
            }
        }
        sums[0] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        for (int width = 8; width > 0; width /= 2)
            for (int lane = 0; lane < width; lane++) sums[0][lane] += sums[0][lane + width];
        total = sums[0][0];
        for (; place < count; place++) total += one[place] * other[place];
        return total;
    }

    /* The sum of the squares of floats that need not lie on their boundaries. */
    static double
    soma_squares(const char *bytes, Py_ssize_t count) {
        double sums[8] = {0}, total = 0;
        float some[8];
        Py_ssize_t place = 0;
        for (; place + 8 <= count; place += 8) {
            memcpy(some, bytes + sizeof(float) * place, sizeof some);
            for (int lane = 0; lane < 8; lane++) sums[lane] += (double) some[lane] * some[lane];
        }
        for (; place < count; place++) {
            memcpy(some, bytes + sizeof(float) * place, sizeof(float));
            sums[0] += (double) some[0] * some[0];
        }
        for (int lane = 0; lane < 8; lane++) total += sums[lane];
        return total;
    }

    /* The products of a query with rows that follow each other. */
    SOMA_WIDEST static void
    soma_dots(const float *rows, const float *query, Py_ssize_t size, Py_ssize_t count, float *found) {
        for (Py_ssize_t row = 0; row < count; row++) found[row] = soma_dot(rows + row * size, query, size);
    }

    /* The products of a query with rows that lie anywhere; the next ones are on their way meanwhile. */
    SOMA_WIDEST static void
    soma_dots_at(const float *const *rows, const float *query, Py_ssize_t size, Py_ssize_t count, float *found) {
        for (Py_ssize_t row = 0; row < count; row++) {
            if (row + 2 < count)
                for (Py_ssize_t place = 0; place < size; place += 16) __builtin_prefetch(rows[row + 2] + place);
            found[row] = soma_dot(rows[row], query, size);
        }
    }
    """
    double soma_squares(const char *bytes, Py_ssize_t count) noexcept
    void soma_dots(
        const float *rows, const float *query, Py_ssize_t size, Py_ssize_t count, float *found
    ) noexcept
    void soma_dots_at(
        const float **rows, const float *query, Py_ssize_t size, Py_ssize_t count, float *found
    ) noexcept

cdef enum:
    CHUNK = 256


cdef class _Rows:
    """Rows of two blocks, the second after the first, and the query that they are compared with."""

    cdef const float[:, ::1] _based
    cdef const float[:, ::1] _own
    cdef const float[::1] _query
    cdef Py_ssize_t _based_count
    cdef float found[CHUNK]
    cdef const float *_at[CHUNK]

    def __cinit__(self, const float[:, ::1] based, const float[:, ::1] own, const float[::1] query):
        if query.shape[0] == 0 or based.shape[1] != query.shape[0] or own.shape[1] != query.shape[0]:
            raise ValueError("a query has as many dimensions as the rows")
        self._based, self._own, self._query = based, own, query
        self._based_count = based.shape[0]

    cdef Py_ssize_t compare(self, Py_ssize_t first, Py_ssize_t end) except -1:
        """Compare up to a chunk of rows that follow each other; return how many it was."""
        cdef Py_ssize_t count = min(end - first, <Py_ssize_t>CHUNK)
        cdef const float *rows
        if first < self._based_count:
            count = min(count, self._based_count - first)
            rows = &self._based[first, 0]
            self._based[first + count - 1, 0]
        else:
            rows = &self._own[first - self._based_count, 0]
            self._own[first - self._based_count + count - 1, 0]
        soma_dots(rows, &self._query[0], self._query.shape[0], count, self.found)
        return count

    cdef Py_ssize_t compare_at(self, const long long[::1] rows, Py_ssize_t first) except -1:
        """Compare up to a chunk of named rows from a place on; return how many it was."""
        cdef Py_ssize_t count = min(rows.shape[0] - first, <Py_ssize_t>CHUNK), each
        cdef long long row
        for each in range(count):
            row = rows[first + each]
            if row < self._based_count:
                self._at[each] = &self._based[row, 0]
            else:
                self._at[each] = &self._own[row - self._based_count, 0]
        soma_dots_at(self._at, &self._query[0], self._query.shape[0], count, self.found)
        return count


def squared_length(bytes vector not None):
    return soma_squares(PyBytes_AS_STRING(vector), PyBytes_GET_SIZE(vector) // <Py_ssize_t> sizeof(float))


def best_rows(
    const float[:, ::1] based,
    const float[:, ::1] own,
    const float[::1] query,
    const long long[::1] named,
    Py_ssize_t first,
    Py_ssize_t end,
    allowed,
    Py_ssize_t limit,
):
    cdef _Rows rows = _Rows(based, own, query)
    cdef Best best = Best(limit)
    cdef const unsigned char[::1] is_allowed
    cdef Py_ssize_t start = 0, count, each
    cdef bint has_mask = allowed is not None
    while start < named.shape[0]:
        count = rows.compare_at(named, start)
        for each in range(count):
            best.offer(rows.found[each], named[start + each])
        start += count
    if has_mask:
        is_allowed = allowed.view(np.uint8)
    start = first
    while start < end:
        count = rows.compare(start, end)
        for each in range(count):
            if not has_mask or is_allowed[start + each]:
                best.offer(rows.found[each], start + each)
        start += count
    best.by_place()
    return best.places(), best.scores().astype(np.float32)


def cosines(
    const float[:, ::1] based,
    const float[:, ::1] own,
    const float[::1] query,
    const long long[::1] wanted,
):
    cdef _Rows rows = _Rows(based, own, query)
    made = np.empty(wanted.shape[0])
    cdef double[::1] found = made
    cdef Py_ssize_t start = 0, count, each
    while start < wanted.shape[0]:
        count = rows.compare_at(wanted, start)
        for each in range(count):
            found[start + each] = rows.found[each]
        start += count
    return made


def near_cells(
    const float[:, ::1] centres,
    const float[::1] query,
    double share,
    Py_ssize_t least,
    Py_ssize_t most,
):
    cdef _Rows rows = _Rows(centres, centres[:0], query)
    cdef float[::1] found = np.empty(centres.shape[0], np.float32)
    cdef float greatest = -2.0
    cdef Py_ssize_t start = 0, count, each, near = 0
    cdef Best best
    while start < centres.shape[0]:
        count = rows.compare(start, centres.shape[0])
        for each in range(count):
            found[start + each] = rows.found[each]
            greatest = max(greatest, rows.found[each])
        start += count
    for each in range(centres.shape[0]):
        near += found[each] >= share * greatest
    best = Best(max(min(near, most), least))
    for each in range(centres.shape[0]):
        best.offer(found[each], each)
    best.by_score()
    return best.places(), best.scores().astype(np.float32)
