"""Cosines of unit vectors that lie in two blocks of rows: a mapped one, and the one that still grows.

Reading rows takes longer than multiplying them. So a rough copy of them, a byte for each number, is read first. It comes
with a bound of its error, and only rows that may be among the best by it are compared themselves: what is found is the
same.
"""

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from libc.stdlib cimport calloc, free, malloc, qsort

from memory_server.kernels.best cimport Heap, Hit, begin, by_place, by_score, least, offer, places, scores

cdef extern from * nogil:
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
    ROW_STEPS = 127
    # Times those of a row and 4,096 dimensions, the largest sum that there may be, it fits into 31 bits.
    QUERY_STEPS = 2047

# Each number of a row is off by half a step at most, and by all its numbers together a product is off by 0.29 steps on
# average. Six times that is as good as certain; the error that cannot be exceeded is 16 times that at 256 dimensions.
cdef float CERTAIN = float("inf")
cdef float AS_GOOD_AS_CERTAIN = 1.75


cdef class _Rows:
    """Rows of two blocks, the second after the first, and the queries that they are compared with."""

    def __cinit__(self, const float[:, ::1] based, const float[:, ::1] own, const float[:, ::1] queries):
        cdef Py_ssize_t size = queries.shape[1]
        if size == 0 or based.shape[1] != size or own.shape[1] != size:
            raise ValueError("a query has as many dimensions as the rows")
        self._based, self._own, self._queries = based, own, queries
        self._based_count = based.shape[0]

    cdef Py_ssize_t compare(self, Py_ssize_t query, Py_ssize_t first, Py_ssize_t end) except -1 nogil:
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
        soma_dots(rows, &self._queries[query, 0], self._queries.shape[1], count, self.found)
        return count

    cdef Py_ssize_t compare_at(
        self, Py_ssize_t query, const long long *rows, Py_ssize_t count
    ) except -1 nogil:
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
        soma_dots_at(self._at, &self._queries[query, 0], self._queries.shape[1], count, self.found)
        return count

    cdef int cosines(
        self, Py_ssize_t query, const long long *rows, Py_ssize_t count, double *found
    ) except -1 nogil:
        """Write the products of named rows."""
        cdef Py_ssize_t start = 0, some, each
        while start < count:
            some = self.compare_at(query, &rows[start], count - start)
            for each in range(some):
                found[start + each] = self.found[each]
            start += some
        return 0


cdef class _RoughRows:
    """The rough copy of rows, and the queries that they are compared with; a chunk of rows at a time."""

    cdef const signed char[:, ::1] _codes
    cdef const float[::1] _steps, _errors
    cdef const float[:, ::1] _true_queries
    cdef short[:, ::1] _queries
    cdef float[::1] _query_steps, _query_errors
    cdef float _most_steps
    cdef int _products[CHUNK]
    cdef float least[CHUNK]
    cdef float most[CHUNK]

    def __cinit__(self, rough, const float[:, ::1] queries, float most_steps):
        cdef Py_ssize_t size = queries.shape[1]
        self._codes, self._steps, self._errors = rough
        if self._codes.shape[1] != size or not (
            self._codes.shape[0] == self._steps.shape[0] == self._errors.shape[0]
        ):
            raise ValueError("the rough copy is of other rows")
        self._most_steps = most_steps
        self._queries = np.empty((queries.shape[0], size), np.int16)
        self._query_steps = np.empty(queries.shape[0], np.float32)
        self._query_errors = np.empty(queries.shape[0], np.float32)
        self._true_queries = queries

    cdef int roughen(self, Py_ssize_t query) except -1 nogil:
        """Make the rough copy of a query; to be done once, and first."""
        cdef Py_ssize_t size = self._queries.shape[1]
        self._query_steps[query] = soma_steps(
            &self._true_queries[query, 0], size, QUERY_STEPS, &self._queries[query, 0]
        )
        self._query_errors[query] = soma_error(
            &self._true_queries[query, 0], &self._queries[query, 0], size, self._query_steps[query]
        )
        return 0

    cdef Py_ssize_t bound(self, Py_ssize_t query, Py_ssize_t first, Py_ssize_t end) except -1 nogil:
        """Find bounds of the cosines of up to a chunk of rows that follow each other; return how many it was."""
        cdef Py_ssize_t count = min(end - first, <Py_ssize_t>CHUNK)
        self._codes[first + count - 1, 0]
        soma_rough_dots(
            &self._codes[first, 0], &self._queries[query, 0], self._queries.shape[1], count, self._products
        )
        soma_bounds(
            self._products, &self._steps[first], &self._errors[first], self._query_steps[query],
            self._query_errors[query], self._most_steps, count, self.least, self.most,
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


cdef class Nearest:
    """The vector leg of some queries.

    Args:
        rows: What is looked at.
        limit: How many the best are.
        allowed: By row. None: all.
    """

    def __cinit__(self, _Rows rows, Py_ssize_t limit, allowed, *_):
        cdef Py_ssize_t query
        if limit < 0:
            raise ValueError("a limit is at least 0")
        self._rows, self._limit, self.count = rows, limit, rows._queries.shape[0]
        self._has_mask = allowed is not None
        self._is_allowed = None if allowed is None else allowed.view(np.uint8)
        self._hits = <Hit *>malloc(max(self.count, 1) * max(limit, 1) * sizeof(Hit))
        self._best = <Heap *>malloc(max(self.count, 1) * sizeof(Heap))
        if self._hits == NULL or self._best == NULL:
            raise MemoryError()
        for query in range(self.count):
            self.begin_anew(query)

    def __dealloc__(self):
        free(self._hits)
        free(self._best)

    cdef int run(self) except -1 nogil:
        """Find the best rows of all queries; to be done once, and first."""
        return 0

    cdef bint is_exact(self, Py_ssize_t query) noexcept nogil:
        """Tell whether no row is better than the best that were found."""
        return True

    cdef Heap *best(self, Py_ssize_t query) noexcept nogil:
        return &self._best[query]

    cdef int cosines(
        self, Py_ssize_t query, const long long *rows, Py_ssize_t count, double *found
    ) except -1 nogil:
        """Write the cosines of rows."""
        return self._rows.cosines(query, rows, count, found)

    cdef int begin_anew(self, Py_ssize_t query) noexcept nogil:
        begin(&self._best[query], &self._hits[query * max(self._limit, 1)], self._limit)
        return 0

    cdef int named(self, Py_ssize_t query, const long long *rows, Py_ssize_t size) except -1 nogil:
        """Compare these rows, whatever the mask is."""
        cdef Py_ssize_t start = 0, count, each
        while start < size:
            count = self._rows.compare_at(query, &rows[start], size - start)
            for each in range(count):
                offer(&self._best[query], self._rows.found[each], rows[start + each])
            start += count
        return 0

    cdef int look_at(self, Py_ssize_t query, Py_ssize_t first, Py_ssize_t end) except -1 nogil:
        """Compare the allowed ones of rows that follow each other."""
        cdef Py_ssize_t start = first, count, each
        while start < end:
            count = self._rows.compare(query, start, end)
            for each in range(count):
                if not self._has_mask or self._is_allowed[start + each]:
                    offer(&self._best[query], self._rows.found[each], start + each)
            start += count
        return 0

    def found(self):
        cdef Py_ssize_t query
        cdef list made = []
        with nogil:
            self.run()
        for query in range(self.count):
            cosines = scores(&self._best[query]).astype(np.float32)
            made.append((places(&self._best[query]), cosines, self.is_exact(query)))
        return made


cdef struct _Pile:
    # Rows that may be among the best of one query, the greatest cosine that each may have, and the best of the least.
    Py_ssize_t room, count
    long long *rows
    float *most
    Heap least


cdef class _Worth:
    """By query, the rows that may be among the best: all others are worse than so many, whatever their errors are.

    Args:
        coarse: The rough copy of the rows.
        limit: How many the best are.
        allowed: By row. None: all.
        floor: Rows that are certainly worse need not be among them.
    """

    cdef _RoughRows _coarse
    cdef _Pile *_piles
    cdef Hit *_hits
    cdef Py_ssize_t _count
    cdef float _floor
    cdef bint _has_mask
    cdef const unsigned char[::1] _is_allowed

    def __cinit__(self, _RoughRows coarse, Py_ssize_t limit, allowed, float floor=-2.0):
        cdef Py_ssize_t query, room = max(limit, 1), count = coarse._queries.shape[0]
        self._coarse, self._floor, self._count = coarse, floor, count
        self._has_mask = allowed is not None
        self._is_allowed = None if allowed is None else allowed.view(np.uint8)
        self._hits = <Hit *>malloc(max(count, 1) * room * sizeof(Hit))
        self._piles = <_Pile *>calloc(max(count, 1), sizeof(_Pile))
        if self._hits == NULL or self._piles == NULL:
            raise MemoryError()
        for query in range(count):
            begin(&self._piles[query].least, &self._hits[query * room], limit)

    def __dealloc__(self):
        cdef Py_ssize_t query
        for query in range(self._count if self._piles != NULL else 0):
            free(self._piles[query].rows)
            free(self._piles[query].most)
        free(self._piles)
        free(self._hits)

    cdef int prepare(self, Py_ssize_t query, Py_ssize_t room) except -1 nogil:
        """Have room for so many rows; to be done once for a query, and first."""
        cdef _Pile *pile = &self._piles[query]
        self._coarse.roughen(query)
        pile.rows = <long long *>malloc(max(room, 1) * sizeof(long long))
        pile.most = <float *>malloc(max(room, 1) * sizeof(float))
        if pile.rows == NULL or pile.most == NULL:
            raise MemoryError()
        pile.room = room
        return 0

    cdef int look_at(self, Py_ssize_t query, Py_ssize_t first, Py_ssize_t end) except -1 nogil:
        """Look at rows that follow each other in the rough copy as they do in truth."""
        cdef Py_ssize_t start = first, count, each
        while start < end:
            count = self._coarse.bound(query, start, end)
            for each in range(count):
                if (
                    self._coarse.most[each] >= self._floor
                    and self._coarse.most[each] >= least(&self._piles[query].least)
                ):
                    self._take(query, each, start + each)
            start += count
        return 0

    cdef int look_at_cell(
        self, Py_ssize_t query, Py_ssize_t first, Py_ssize_t end, const unsigned int[::1] ordered
    ) except -1 nogil:
        """Look at rows that follow each other in the rough copy, and lie where `ordered` says."""
        cdef Py_ssize_t start = first, count, each
        while start < end:
            count = self._coarse.bound(query, start, end)
            for each in range(count):
                if self._coarse.most[each] >= least(&self._piles[query].least):
                    self._take(query, each, ordered[start + each])
            start += count
        return 0

    cdef int add(self, Py_ssize_t query, Py_ssize_t first, Py_ssize_t end) except -1 nogil:
        """Take rows as they are: there is no rough copy of them."""
        cdef Py_ssize_t row
        for row in range(first, end):
            if not self._has_mask or self._is_allowed[row]:
                self._keep(query, row, 3.0)
        return 0

    cdef int _take(self, Py_ssize_t query, Py_ssize_t each, long long row) except -1 nogil:
        if self._has_mask and not self._is_allowed[row]:
            return 0
        offer(&self._piles[query].least, self._coarse.least[each], row)
        return self._keep(query, row, self._coarse.most[each])

    cdef int _keep(self, Py_ssize_t query, long long row, float most) except -1 nogil:
        cdef _Pile *pile = &self._piles[query]
        if pile.count == pile.room:
            raise IndexError("there is no room for so many rows")
        pile.rows[pile.count], pile.most[pile.count] = row, most
        pile.count += 1
        return 0

    cdef int compare(self, Nearest nearest, Py_ssize_t query) except -1 nogil:
        """Have them compared; to be done once, and last."""
        cdef _Pile *pile = &self._piles[query]
        cdef Py_ssize_t each, kept = 0
        for each in range(pile.count):
            if pile.most[each] >= least(&pile.least):
                pile.rows[kept] = pile.rows[each]
                kept += 1
        return nearest.named(query, pile.rows, kept)


def squared_length(bytes vector not None):
    return soma_squares(PyBytes_AS_STRING(vector), PyBytes_GET_SIZE(vector) // <Py_ssize_t> sizeof(float))


cdef class _InRows(Nearest):
    """Looks at named rows and at all that follow each other; arguments as of `nearest_in_rows`."""

    cdef const long long[::1] _named
    cdef Py_ssize_t _first, _end
    cdef _Worth _worth

    def __init__(self, rows, limit, allowed, named, Py_ssize_t first, Py_ssize_t end, rough, floor):
        self._named, self._first, self._end = named, first, end
        if rough is not None and end - first > 2 * limit:
            coarse = _RoughRows(rough, self._rows._queries, CERTAIN)
            self._worth = _Worth(coarse, limit, allowed, floor)

    cdef int run(self) except -1 nogil:
        cdef Py_ssize_t query, start = self._first, stop
        for query in range(self.count if self._named.shape[0] else 0):
            self.named(query, &self._named[0], self._named.shape[0])
        for query in range(self.count if self._worth is not None else 0):
            self._worth.prepare(query, self._end - self._first)
        # All queries look at a chunk while it is at hand.
        while start < self._end:
            stop = min(start + CHUNK, self._end)
            for query in range(self.count):
                if self._worth is not None:
                    self._worth.look_at(query, start, stop)
                else:
                    self.look_at(query, start, stop)
            start = stop
        for query in range(self.count):
            if self._worth is not None:
                self._worth.compare(self, query)
            by_place(&self._best[query])
        return 0


def nearest_in_rows(
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
    return _InRows(_Rows(based, own, queries), limit, allowed, named, first, end, rough, floor)


cdef struct _Visit:
    long long cell
    Py_ssize_t query


cdef int _compare(const void *one, const void *other) noexcept nogil:
    cdef const _Visit *a = <const _Visit *>one
    cdef const _Visit *b = <const _Visit *>other
    if a.cell != b.cell:
        return 1 if a.cell > b.cell else -1
    return (a.query > b.query) - (a.query < b.query)


cdef class _Visits:
    """Which queries look into which cells: those whose centres are nearest to them; see `nearest_in_cells`."""

    cdef _Rows _centres
    cdef double _share
    cdef Py_ssize_t _least, _most, _cell_count
    cdef float *_cosines
    cdef Hit *_hits
    cdef _Visit *of
    cdef Py_ssize_t count

    def __cinit__(
        self,
        const float[:, ::1] centres,
        const float[:, ::1] queries,
        double share,
        Py_ssize_t at_least,
        Py_ssize_t at_most,
    ):
        cdef Py_ssize_t cells = centres.shape[0], most = min(max(at_least, at_most), cells)
        self._centres = _Rows(centres, centres[:0], queries)
        self._share, self._least, self._most, self._cell_count = share, at_least, at_most, cells
        self._cosines = <float *>malloc(max(cells, 1) * sizeof(float))
        self._hits = <Hit *>malloc(max(cells, 1) * sizeof(Hit))
        self.of = <_Visit *>malloc(max(queries.shape[0] * most, 1) * sizeof(_Visit))
        if self._cosines == NULL or self._hits == NULL or self.of == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self._cosines)
        free(self._hits)
        free(self.of)

    cdef int plan(self, Py_ssize_t query) except -1 nogil:
        """Take the cells of a query."""
        cdef Heap near
        cdef float greatest = -2.0
        cdef Py_ssize_t start = 0, count, each, wanted = 0
        while start < self._cell_count:
            count = self._centres.compare(query, start, self._cell_count)
            for each in range(count):
                self._cosines[start + each] = self._centres.found[each]
                greatest = max(greatest, self._centres.found[each])
            start += count
        for each in range(self._cell_count):
            wanted += self._cosines[each] >= self._share * greatest
        wanted = min(max(min(wanted, self._most), self._least), self._cell_count)
        begin(&near, self._hits, wanted)
        for each in range(self._cell_count):
            offer(&near, self._cosines[each], each)
        by_score(&near)
        for each in range(near.count):
            self.of[self.count].cell, self.of[self.count].query = near.hits[each].place, query
            self.count += 1
        return 0

    cdef int put_in_order(self) noexcept nogil:
        """Let all queries look into a cell while it is at hand; one alone begins with the nearest."""
        if self.count and self.of[0].query != self.of[self.count - 1].query:
            qsort(self.of, self.count, sizeof(_Visit), _compare)
        return 0


cdef class _InCells(Nearest):
    """Looks into cells, and at the rows that have none; arguments as of `nearest_in_cells`."""

    cdef _Visits _visits
    cdef _Worth _worth
    cdef const long long[::1] _starts
    cdef const unsigned int[::1] _ordered
    cdef Py_ssize_t _first, _end, _least
    cdef unsigned char[::1] _is_exact

    def __init__(
        self, rows, limit, allowed, visits, starts, ordered, rough, first, end, Py_ssize_t least
    ):
        self._visits, self._starts, self._ordered = visits, starts, ordered
        self._first, self._end, self._least = first, end, least
        self._is_exact = np.zeros(self.count, np.uint8)
        self._worth = _Worth(_RoughRows(rough, self._rows._queries, AS_GOOD_AS_CERTAIN), limit, allowed)

    cdef int run(self) except -1 nogil:
        cdef Py_ssize_t query, each
        cdef _Visit *visit
        for query in range(self.count):
            self._begin(query)
        self._visits.put_in_order()
        for each in range(self._visits.count):
            visit = &self._visits.of[each]
            self._worth.look_at_cell(
                visit.query, self._starts[visit.cell], self._starts[visit.cell + 1], self._ordered
            )
        for query in range(self.count):
            self._worth.compare(self, query)
            if self._best[query].count < self._least:
                self._is_exact[query] = True
                self.begin_anew(query)
                self.look_at(query, 0, self._end)
            by_place(&self._best[query])
        return 0

    cdef int _begin(self, Py_ssize_t query) except -1 nogil:
        """Choose cells, and take the rows that have none."""
        cdef Py_ssize_t each = self._visits.count, room = max(self._end - self._first, 0)
        cdef long long cell
        self._visits.plan(query)
        for each in range(each, self._visits.count):
            cell = self._visits.of[each].cell
            room += self._starts[cell + 1] - self._starts[cell]
        self._worth.prepare(query, room)
        self._worth.add(query, self._first, self._end)
        return 0

    cdef bint is_exact(self, Py_ssize_t query) noexcept nogil:
        return (&self._is_exact[0])[query]


def nearest_in_cells(
    const float[:, ::1] based,
    const float[:, ::1] own,
    const float[:, ::1] queries,
    const float[:, ::1] centres,
    double share,
    Py_ssize_t at_least,
    Py_ssize_t at_most,
    const long long[::1] starts,
    const unsigned int[::1] ordered,
    rough,
    Py_ssize_t first,
    Py_ssize_t end,
    allowed,
    Py_ssize_t limit,
    Py_ssize_t least=0,
):
    visits = _Visits(centres, queries, share, at_least, at_most)
    rows = _Rows(based, own, queries)
    return _InCells(rows, limit, allowed, visits, starts, ordered, rough, first, end, least)


def cosines(
    const float[:, ::1] based,
    const float[:, ::1] own,
    const float[::1] query,
    const long long[::1] wanted,
):
    cdef _Rows rows = _Rows(based, own, query[None, :])
    made = np.empty(wanted.shape[0])
    cdef double[::1] found = made
    if wanted.shape[0]:
        with nogil:
            rows.cosines(0, &wanted[0], wanted.shape[0], &found[0])
    return made
