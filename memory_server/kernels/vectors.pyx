"""Cosines of unit vectors that lie in two blocks of rows: a mapped one, and the one that still grows.

Reading rows takes longer than multiplying them. So a rough copy of them, a byte for each number, is read first. It comes
with a bound of its error, and only rows that may be among the best by it are compared themselves: what is found is the
same.
"""

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from memory_server.kernels.best cimport Best

cdef extern from *:
    """
    #include <string.h>

    #if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
    #include <immintrin.h>
    #define SOMA_HAS_VNNI
    #define SOMA_WIDEST __attribute__((target_clones("avx512f", "avx2", "default")))
    #define SOMA_WIDEST_OF_BYTES __attribute__((target_clones("avx2", "default")))
    #else
    #define SOMA_WIDEST
    #define SOMA_WIDEST_OF_BYTES
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

    static inline __attribute__((always_inline)) int
    soma_rough_dot(const signed char *one, const short *other, Py_ssize_t count) {
        int total = 0;
        for (Py_ssize_t place = 0; place < count; place++) total += (int)(short)one[place] * (int)other[place];
        return total;
    }

    SOMA_WIDEST_OF_BYTES static void
    soma_rough_dots_plain(const signed char *rows, const short *query, Py_ssize_t size, Py_ssize_t count, int *found) {
        for (Py_ssize_t row = 0; row < count; row++) found[row] = soma_rough_dot(rows + row * size, query, size);
    }

    #ifdef SOMA_HAS_VNNI
    /* The compiler does not find by itself the instruction that multiplies and adds; no clone can be asked for it. */
    __attribute__((target("avx512f,avx512bw,avx512vnni"))) static void
    soma_rough_dots_vnni(const signed char *rows, const short *query, Py_ssize_t size, Py_ssize_t count, int *found) {
        Py_ssize_t whole = size / 32 * 32, row = 0;
        /* Four rows at a time share the query, and none of them waits for its own sum. */
        for (; row + 4 <= count; row += 4, rows += 4 * size) {
            __m512i sums[4] = {0};
            for (Py_ssize_t place = 0; place < whole; place += 32) {
                __m512i part = _mm512_loadu_si512(query + place);
                for (int each = 0; each < 4; each++) {
                    __m256i codes = _mm256_loadu_si256((const __m256i *)(rows + each * size + place));
                    sums[each] = _mm512_dpwssd_epi32(sums[each], _mm512_cvtepi8_epi16(codes), part);
                }
            }
            for (int each = 0; each < 4; each++)
                found[row + each] = _mm512_reduce_add_epi32(sums[each])
                    + soma_rough_dot(rows + each * size + whole, query + whole, size - whole);
        }
        for (; row < count; row++, rows += size) found[row] = soma_rough_dot(rows, query, size);
    }
    #endif

    /* The products of a rough query with rough rows that follow each other. */
    static void
    soma_rough_dots(const signed char *rows, const short *query, Py_ssize_t size, Py_ssize_t count, int *found) {
    #ifdef SOMA_HAS_VNNI
        if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw")) {
            soma_rough_dots_vnni(rows, query, size, count, found);
            return;
        }
    #endif
        soma_rough_dots_plain(rows, query, size, count, found);
    }

    /* Between what and what the cosines are of unit vectors with such products, steps and errors. */
    SOMA_WIDEST static void
    soma_bounds(
        const int *products, const float *steps, const float *errors, float query_step, float query_error,
        float most_steps, Py_ssize_t count, float *least, float *most
    ) {
        for (Py_ssize_t each = 0; each < count; each++) {
            float cosine = (float)products[each] * (query_step * steps[each]);
            /* What the row is off, what the query is off times the length of the rough row, and rounding. */
            float row_off = errors[each] < most_steps * steps[each] ? errors[each] : most_steps * steps[each];
            float off = row_off + query_error * (1.0f + errors[each]) + 1e-5f;
            least[each] = cosine - off;
            most[each] = cosine + off;
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
    double soma_squares(const char *bytes, Py_ssize_t count) noexcept
    void soma_dots(
        const float *rows, const float *query, Py_ssize_t size, Py_ssize_t count, float *found
    ) noexcept
    void soma_dots_at(
        const float **rows, const float *query, Py_ssize_t size, Py_ssize_t count, float *found
    ) noexcept

    void soma_rough_dots(
        const signed char *rows, const short *query, Py_ssize_t size, Py_ssize_t count, int *found
    ) noexcept
    void soma_bounds(
        const int *products, const float *steps, const float *errors, float query_step, float query_error,
        float most_steps, Py_ssize_t count, float *least, float *most
    ) noexcept
    float soma_steps(const float *row, Py_ssize_t size, int most, short *steps) noexcept
    float soma_error(const float *row, const short *steps, Py_ssize_t size, float step) noexcept

cdef enum:
    CHUNK = 256
    ROW_STEPS = 127
    # Times those of a row and 4,096 dimensions, the largest sum that there may be, it fits into 31 bits.
    QUERY_STEPS = 2047

# Each number of a row is off by half a step at most, and by all its numbers together a product is off by 0.29 steps on
# average. Six times that is as good as certain; the error that cannot be exceeded is 16 times that at 256 dimensions.
cdef float CERTAIN = float("inf")
cdef float AS_GOOD_AS_CERTAIN = 1.75


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
    cdef float _step, _error, _most_steps
    cdef int _products[CHUNK]
    cdef float least[CHUNK]
    cdef float most[CHUNK]

    def __cinit__(
        self,
        const signed char[:, ::1] codes,
        const float[::1] steps,
        const float[::1] errors,
        const float[::1] query,
        float most_steps,
    ):
        if codes.shape[1] != query.shape[0] or not codes.shape[0] == steps.shape[0] == errors.shape[0]:
            raise ValueError("the rough copy is of other rows")
        self._codes, self._steps, self._errors = codes, steps, errors
        self._most_steps = most_steps
        self._query = np.empty(query.shape[0], np.int16)
        self._step = soma_steps(&query[0], query.shape[0], QUERY_STEPS, &self._query[0])
        self._error = soma_error(&query[0], &self._query[0], query.shape[0], self._step)

    cdef Py_ssize_t bound(self, Py_ssize_t first, Py_ssize_t end) except -1:
        """Find bounds of the cosines of up to a chunk of rows that follow each other; return how many it was."""
        cdef Py_ssize_t count = min(end - first, <Py_ssize_t>CHUNK)
        self._codes[first + count - 1, 0]
        soma_rough_dots(&self._codes[first, 0], &self._query[0], self._query.shape[0], count, self._products)
        soma_bounds(
            self._products, &self._steps[first], &self._errors[first], self._step, self._error,
            self._most_steps, count, self.least, self.most,
        )
        return count


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


cdef class _Worth:
    """The rows that may be among the best: all others are worse than so many, whatever their errors are.

    Args:
        room: How many rows are looked at, at most.
        limit: How many the best are.
        allowed: By row. None: all.
        floor: Rows that are certainly worse need not be among them.
    """

    cdef object _made
    cdef long long[::1] _rows
    cdef float[::1] _most
    cdef Py_ssize_t _count
    cdef Best _least
    cdef float _floor
    cdef bint _has_mask
    cdef const unsigned char[::1] _is_allowed

    def __cinit__(self, Py_ssize_t room, Py_ssize_t limit, allowed, float floor=-2.0):
        self._made = np.empty(room, np.int64)
        self._rows, self._most = self._made, np.empty(room, np.float32)
        self._least, self._floor = Best(limit), floor
        self._has_mask = allowed is not None
        if self._has_mask:
            self._is_allowed = allowed.view(np.uint8)

    cdef int look_at(self, _RoughRows coarse, Py_ssize_t first, Py_ssize_t end) except -1:
        """Look at rows that follow each other in the rough copy as they do in truth."""
        cdef Py_ssize_t start = first, count, each
        while start < end:
            count = coarse.bound(start, end)
            for each in range(count):
                if coarse.most[each] >= self._floor and coarse.most[each] >= self._least.least():
                    self._offer(coarse, each, start + each)
            start += count
        return 0

    cdef int look_at_cell(
        self, _RoughRows coarse, Py_ssize_t first, Py_ssize_t end, const unsigned int[::1] ordered
    ) except -1:
        """Look at rows that follow each other in the rough copy, and lie where `ordered` says."""
        cdef Py_ssize_t start = first, count, each
        while start < end:
            count = coarse.bound(start, end)
            for each in range(count):
                if coarse.most[each] >= self._least.least():
                    self._offer(coarse, each, ordered[start + each])
            start += count
        return 0

    cdef int add(self, Py_ssize_t first, Py_ssize_t end) except -1:
        """Take rows as they are: there is no rough copy of them."""
        cdef Py_ssize_t row
        for row in range(first, end):
            if not self._has_mask or self._is_allowed[row]:
                self._rows[self._count], self._most[self._count] = row, 3.0
                self._count += 1
        return 0

    cdef int _offer(self, _RoughRows coarse, Py_ssize_t each, long long row) except -1:
        if self._has_mask and not self._is_allowed[row]:
            return 0
        self._least.offer(coarse.least[each], row)
        self._rows[self._count], self._most[self._count] = row, coarse.most[each]
        self._count += 1
        return 0

    cdef object rows(self):
        """Return them."""
        cdef Py_ssize_t each, kept = 0
        for each in range(self._count):
            if self._most[each] >= self._least.least():
                self._rows[kept] = self._rows[each]
                kept += 1
        return self._made[:kept]


cdef class _Search:
    """One query: what has been looked at, and the best of it."""

    cdef _Rows _rows
    cdef _RoughRows _coarse
    cdef _Worth _worth
    cdef Best _best
    cdef bint _has_mask
    cdef const unsigned char[::1] _is_allowed

    def __cinit__(self, _Rows rows, Py_ssize_t limit, allowed):
        self._rows, self._best = rows, Best(limit)
        self._has_mask = allowed is not None
        if self._has_mask:
            self._is_allowed = allowed.view(np.uint8)

    cdef look_through(self, _RoughRows coarse, _Worth worth):
        """Look at rough rows from now on."""
        self._coarse, self._worth = coarse, worth

    cdef int named(self, const long long[::1] rows) except -1:
        """Compare these rows, whatever the mask is."""
        cdef Py_ssize_t start = 0, count, each
        while start < rows.shape[0]:
            count = self._rows.compare_at(&rows[start], rows.shape[0] - start)
            for each in range(count):
                self._best.offer(self._rows.found[each], rows[start + each])
            start += count
        return 0

    cdef int look_at(self, Py_ssize_t first, Py_ssize_t end) except -1:
        """Look at the allowed ones of rows that follow each other."""
        cdef Py_ssize_t start = first, count, each
        if self._worth is not None:
            return self._worth.look_at(self._coarse, first, end)
        while start < end:
            count = self._rows.compare(start, end)
            for each in range(count):
                if not self._has_mask or self._is_allowed[start + each]:
                    self._best.offer(self._rows.found[each], start + each)
            start += count
        return 0

    cdef int look_at_cell(
        self, Py_ssize_t first, Py_ssize_t end, const unsigned int[::1] ordered
    ) except -1:
        """Look at the allowed rows of a cell."""
        return self._worth.look_at_cell(self._coarse, first, end, ordered)

    cdef int add(self, Py_ssize_t first, Py_ssize_t end) except -1:
        """Take the allowed ones of rows of which there is no rough copy."""
        return self._worth.add(first, end)

    cdef object found(self):
        """Return the best rows, ascending, and their cosines; to be asked once, and last."""
        if self._worth is not None:
            self.named(self._worth.rows())
        self._best.by_place()
        return self._best.places(), self._best.scores().astype(np.float32)


cdef list _searches(
    const float[:, ::1] based,
    const float[:, ::1] own,
    const float[:, ::1] queries,
    allowed,
    Py_ssize_t limit,
):
    cdef Py_ssize_t each
    return [
        _Search(_Rows(based, own, queries[each]), limit, allowed)
        for each in range(queries.shape[0])
    ]


def squared_length(bytes vector not None):
    return soma_squares(PyBytes_AS_STRING(vector), PyBytes_GET_SIZE(vector) // <Py_ssize_t> sizeof(float))


def best_rows(
    const float[:, ::1] based,
    const float[:, ::1] own,
    const float[:, ::1] queries,
    const long long[::1] named,
    Py_ssize_t first,
    Py_ssize_t end,
    allowed,
    Py_ssize_t limit,
    rough=None,
    float floor=-2.0,
):
    cdef list searches = _searches(based, own, queries, allowed, limit)
    cdef Py_ssize_t each, start = first, stop
    cdef _Search search
    for search in searches:
        search.named(named)
    if rough is not None and end - first > 2 * limit:
        for each in range(len(searches)):
            search = searches[each]
            search.look_through(
                _RoughRows(rough[0], rough[1], rough[2], queries[each], CERTAIN),
                _Worth(end - first, limit, allowed, floor),
            )
    # All queries look at a chunk while it is at hand.
    while start < end:
        stop = min(start + CHUNK, end)
        for search in searches:
            search.look_at(start, stop)
        start = stop
    return [(<_Search>each_one).found() for each_one in searches]


def best_in_cells(
    const float[:, ::1] based,
    const float[:, ::1] own,
    const float[:, ::1] queries,
    list cells,
    const long long[::1] starts,
    const unsigned int[::1] ordered,
    rough,
    Py_ssize_t first,
    Py_ssize_t end,
    allowed,
    Py_ssize_t limit,
):
    cdef list searches = _searches(based, own, queries, allowed, limit)
    cdef Py_ssize_t each, room
    cdef long long cell
    cdef const long long[::1] own_cells, all_cells, turns, askers
    cdef _Search search
    for each in range(len(searches)):
        own_cells, room = cells[each], max(end - first, 0)
        for cell in own_cells:
            room += starts[cell + 1] - starts[cell]
        search = searches[each]
        search.look_through(
            _RoughRows(rough[0], rough[1], rough[2], queries[each], AS_GOOD_AS_CERTAIN), _Worth(room, limit, allowed)
        )
        search.add(first, end)
    if len(searches) > 1:
        # All queries look into a cell while it is at hand.
        joined = np.concatenate(cells)
        askers = np.repeat(np.arange(len(cells)), [len(some) for some in cells])
        all_cells, turns = joined, np.argsort(joined, kind="stable")
    else:
        all_cells = cells[0]
        askers, turns = np.zeros(len(all_cells), np.int64), np.arange(len(all_cells))
    for each in range(turns.shape[0]):
        cell = all_cells[turns[each]]
        search = searches[askers[turns[each]]]
        search.look_at_cell(starts[cell], starts[cell + 1], ordered)
    return [(<_Search>each_one).found() for each_one in searches]


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
