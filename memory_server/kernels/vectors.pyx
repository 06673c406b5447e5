"""Cosines of unit vectors that lie in two blocks of rows: a mapped one, and the one that still grows.

Reading rows takes longer than multiplying them. So a rough copy of them, a byte for each number, is read first. It comes
with a bound of its error, and only rows that may be among the best by it are compared themselves: what is found is the
same.
"""

import numpy as np

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

    static inline __attribute__((always_inline)) int
    soma_rough_dot(const signed char *one, const short *other, Py_ssize_t count) {
        int total = 0;
        for (Py_ssize_t place = 0; place < count; place++) total += (int)(short)one[place] * (int)other[place];
        return total;
    }

    /* The same of rough rows: following each other, and lying anywhere. */
    SOMA_WIDEST static void
    soma_rough_dots(const signed char *rows, const short *query, Py_ssize_t size, Py_ssize_t count, int *found) {
        for (Py_ssize_t row = 0; row < count; row++) found[row] = soma_rough_dot(rows + row * size, query, size);
    }

    SOMA_WIDEST static void
    soma_rough_dots_at(
        const signed char *const *rows, const short *query, Py_ssize_t size, Py_ssize_t count, int *found
    ) {
        for (Py_ssize_t row = 0; row < count; row++) {
            if (row + 8 < count)
                for (Py_ssize_t place = 0; place < size; place += 64) __builtin_prefetch(rows[row + 8] + place);
            found[row] = soma_rough_dot(rows[row], query, size);
        }
    }

    /* Numbers as multiples of a step, the greatest of them as `most` steps; returns the step. */
    static float soma_steps(const float *row, Py_ssize_t size, int most, short *steps) {
        float greatest = 0, step;
        for (Py_ssize_t place = 0; place < size; place++)
            if (__builtin_fabsf(row[place]) > greatest) greatest = __builtin_fabsf(row[place]);
        step = greatest / most;
        for (Py_ssize_t place = 0; place < size; place++)
            steps[place] = step > 0 ? (short)__builtin_rintf(row[place] / step) : 0;
        return step;
    }

    /* How far a row is from its steps, at most. */
    static float soma_error(const float *row, const short *steps, Py_ssize_t size, float step) {
        double total = 0, off;
        for (Py_ssize_t place = 0; place < size; place++) {
            off = (double)row[place] - (double)step * steps[place];
            total += off * off;
        }
        return (float)(__builtin_sqrt(total) * 1.00001);
    }
    """
    void soma_dots(
        const float *rows, const float *query, Py_ssize_t size, Py_ssize_t count, float *found
    ) noexcept
    void soma_dots_at(
        const float **rows, const float *query, Py_ssize_t size, Py_ssize_t count, float *found
    ) noexcept

    void soma_rough_dots(
        const signed char *rows, const short *query, Py_ssize_t size, Py_ssize_t count, int *found
    ) noexcept
    void soma_rough_dots_at(
        const signed char **rows, const short *query, Py_ssize_t size, Py_ssize_t count, int *found
    ) noexcept
    float soma_steps(const float *row, Py_ssize_t size, int most, short *steps) noexcept
    float soma_error(const float *row, const short *steps, Py_ssize_t size, float step) noexcept

cdef enum:
    CHUNK = 256
    ROW_STEPS = 127
    # Times those of a row and 4,096 dimensions, the largest sum that there may be, it fits into 31 bits.
    QUERY_STEPS = 2047

cdef double ROUNDING = 1e-5  # of the sums of floats that rough and true products are compared by


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

    cdef Py_ssize_t compare_at(self, const long long *rows, Py_ssize_t count) except -1:
        """Compare up to a chunk of named rows; return how many it was."""
        cdef Py_ssize_t each
        cdef long long row
        count = min(count, <Py_ssize_t>CHUNK)
        for each in range(count):
            row = rows[each]
            if row < self._based_count:
                self._at[each] = &self._based[row, 0]
            else:
                self._at[each] = &self._own[row - self._based_count, 0]
        soma_dots_at(self._at, &self._query[0], self._query.shape[0], count, self.found)
        return count


cdef class _RoughRows:
    """The rough copy of rows, and the query that they are compared with; a chunk of rows at a time."""

    cdef const signed char[:, ::1] _codes
    cdef const float[::1] _steps, _errors
    cdef short[::1] _query
    cdef double _step, _error
    cdef int _found[CHUNK]
    cdef const signed char *_at[CHUNK]
    cdef float least[CHUNK]
    cdef float most[CHUNK]

    def __cinit__(
        self,
        const signed char[:, ::1] codes,
        const float[::1] steps,
        const float[::1] errors,
        const float[::1] query,
    ):
        if codes.shape[1] != query.shape[0] or not codes.shape[0] == steps.shape[0] == errors.shape[0]:
            raise ValueError("the rough copy is of other rows")
        self._codes, self._steps, self._errors = codes, steps, errors
        self._query = np.empty(query.shape[0], np.int16)
        self._step = soma_steps(&query[0], query.shape[0], QUERY_STEPS, &self._query[0])
        self._error = soma_error(&query[0], &self._query[0], query.shape[0], self._step)

    cdef Py_ssize_t bound(self, Py_ssize_t first, Py_ssize_t end) except -1:
        """Find bounds of the cosines of up to a chunk of rows that follow each other; return how many it was."""
        cdef Py_ssize_t count = min(end - first, <Py_ssize_t>CHUNK), each
        self._codes[first + count - 1, 0]
        soma_rough_dots(&self._codes[first, 0], &self._query[0], self._query.shape[0], count, self._found)
        for each in range(count):
            self._set(each, first + each)
        return count

    cdef Py_ssize_t bound_at(self, const long long *rows, Py_ssize_t count) except -1:
        """The same of named rows."""
        cdef Py_ssize_t each
        count = min(count, <Py_ssize_t>CHUNK)
        for each in range(count):
            self._at[each] = &self._codes[rows[each], 0]
        soma_rough_dots_at(self._at, &self._query[0], self._query.shape[0], count, self._found)
        for each in range(count):
            self._set(each, rows[each])
        return count

    cdef int _set(self, Py_ssize_t each, Py_ssize_t row) except -1:
        cdef double cosine = self._found[each] * (self._step * self._steps[row])
        # Of unit vectors: what the row is off, and what the query is off times the length of the rough row.
        cdef double off = self._errors[row] + self._error * (1.0 + self._errors[row]) + ROUNDING
        self.least[each] = cosine - off
        self.most[each] = cosine + off
        return 0


def roughen(
    const float[:, ::1] rows,
    signed char[:, ::1] codes,
    float[::1] steps,
    float[::1] errors,
    Py_ssize_t first,
):
    cdef Py_ssize_t row, place, size = rows.shape[1]
    cdef short[::1] own = np.empty(size, np.int16)
    for row in range(rows.shape[0]):
        steps[first + row] = soma_steps(&rows[row, 0], size, ROW_STEPS, &own[0])
        errors[first + row] = soma_error(&rows[row, 0], &own[0], size, steps[first + row])
        for place in range(size):
            codes[first + row, place] = <signed char>own[place]


def members(
    const long long[::1] starts,
    const unsigned int[::1] rows,
    const long long[::1] cells,
    allowed,
):
    cdef Py_ssize_t each, place, count = 0
    cdef const unsigned char[::1] is_allowed
    cdef bint has_mask = allowed is not None
    for each in range(cells.shape[0]):
        count += starts[cells[each] + 1] - starts[cells[each]]
    made = np.empty(count, np.int64)
    cdef long long[::1] found = made
    if has_mask:
        is_allowed = allowed.view(np.uint8)
    count = 0
    for each in range(cells.shape[0]):
        for place in range(starts[cells[each]], starts[cells[each] + 1]):
            if not has_mask or is_allowed[rows[place]]:
                found[count] = rows[place]
                count += 1
    return made[:count]


def best_rows(
    const float[:, ::1] based,
    const float[:, ::1] own,
    const float[::1] query,
    const long long[::1] named,
    Py_ssize_t first,
    Py_ssize_t end,
    allowed,
    Py_ssize_t limit,
    rough,
):
    cdef _Rows rows = _Rows(based, own, query)
    cdef Best best = Best(limit)
    cdef const long long[::1] compared
    cdef Py_ssize_t start = 0, count, each
    compared = _worth_comparing(query, named, first, end, allowed, limit, rough)
    while start < compared.shape[0]:
        count = rows.compare_at(&compared[start], compared.shape[0] - start)
        for each in range(count):
            best.offer(rows.found[each], compared[start + each])
        start += count
    best.by_place()
    return best.places(), best.scores().astype(np.float32)


cdef _worth_comparing(
    const float[::1] query,
    const long long[::1] named,
    Py_ssize_t first,
    Py_ssize_t end,
    allowed,
    Py_ssize_t limit,
    rough,
):
    """Return the rows that may be among the best: all others are worse than so many, whatever their errors are."""
    cdef Py_ssize_t most = named.shape[0] + max(end - first, 0), start = 0, count, each, kept = 0, total = 0
    made = np.empty(most, np.int64)
    cdef long long[::1] worth = made
    cdef float[::1] upper
    cdef _RoughRows coarse
    cdef Best least = Best(limit)
    cdef const unsigned char[::1] is_allowed
    cdef bint has_mask = allowed is not None
    if has_mask:
        is_allowed = allowed.view(np.uint8)
    if most <= 2 * limit:
        worth[: named.shape[0]] = named
        kept = named.shape[0]
        for each in range(first, end):
            if not has_mask or is_allowed[each]:
                worth[kept] = each
                kept += 1
        return made[:kept]
    coarse = _RoughRows(rough[0], rough[1], rough[2], query)
    upper = np.empty(most, np.float32)
    while start < named.shape[0]:
        count = coarse.bound_at(&named[start], named.shape[0] - start)
        for each in range(count):
            if coarse.most[each] >= least.least():
                least.offer(coarse.least[each], named[start + each])
                worth[total], upper[total] = named[start + each], coarse.most[each]
                total += 1
        start += count
    start = first
    while start < end:
        count = coarse.bound(start, end)
        for each in range(count):
            if coarse.most[each] >= least.least() and (not has_mask or is_allowed[start + each]):
                least.offer(coarse.least[each], start + each)
                worth[total], upper[total] = start + each, coarse.most[each]
                total += 1
        start += count
    for each in range(total):
        if upper[each] >= least.least():
            worth[kept] = worth[each]
            kept += 1
    return made[:kept]


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
        count = rows.compare_at(&wanted[start], wanted.shape[0] - start)
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
