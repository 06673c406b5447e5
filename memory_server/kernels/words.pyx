"""Words: where a text is cut, what is known of each, which slots have them, and the sum of their vectors."""

from cpython.array cimport array, resize_smart
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.ref cimport PyObject
from libc.math cimport sqrt
from libc.stdlib cimport free, malloc, qsort

cdef extern from "Python.h":
    const void *PyUnicode_DATA(object text)
    str PyUnicode_Substring(object text, Py_ssize_t start, Py_ssize_t stop)

cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
    #define SOMA_WIDEST __attribute__((target_clones("avx512f", "arch=haswell", "default")))
    #else
    #define SOMA_WIDEST
    #endif

    /* Adds rows to sums, one after the other in their order; the next ones are on their way meanwhile. */
    SOMA_WIDEST static void
    soma_add_rows(
        const float *table, const int *numbers, Py_ssize_t count, Py_ssize_t size, float *__restrict__ sums
    ) {
        Py_ssize_t each = 0;
        for (; each + 2 <= count; each += 2) {
            const float *one = table + numbers[each] * size, *other = table + numbers[each + 1] * size;
            for (Py_ssize_t next = each + 2; next < each + 6 && next < count; next++)
                for (Py_ssize_t place = 0; place < size; place += 16)
                    __builtin_prefetch(table + numbers[next] * size + place);
            for (Py_ssize_t place = 0; place < size; place++) sums[place] = (sums[place] + one[place]) + other[place];
        }
        if (each < count) {
            const float *one = table + numbers[each] * size;
            for (Py_ssize_t place = 0; place < size; place++) sums[place] += one[place];
        }
    }
    """
    void soma_add_rows(
        const float *table, const int *numbers, Py_ssize_t count, Py_ssize_t size, float *sums
    ) noexcept


cdef inline bint _is_of_word(unsigned char character) noexcept:
    return 48 <= character <= 57 or 65 <= character <= 90 or 97 <= character <= 122


def cut(str text not None, Py_ssize_t most):
    cdef list found = []
    cdef const unsigned char *characters
    cdef Py_ssize_t size = len(text), place = 0, start
    if not text.isascii():
        raise ValueError("only ASCII texts can be cut")
    characters = <const unsigned char *> PyUnicode_DATA(text)
    while place < size:
        if not _is_of_word(characters[place]):
            place += 1
            continue
        start = place
        while place < size and _is_of_word(characters[place]):
            place += 1
        if place - start <= most:
            found.append(PyUnicode_Substring(text, start, place))
    return found


cdef bint _is_number(str word):
    cdef const unsigned char *characters
    cdef Py_ssize_t place
    if not word.isascii():
        return False
    characters = <const unsigned char *> PyUnicode_DATA(word)
    for place in range(len(word)):
        if not 48 <= characters[place] <= 57:
            return False
    return True


def known_of(list words not None, dict young not None, dict old not None, bint are_numbers_known=False):
    cdef list found = []
    cdef set missing = None
    cdef PyObject *value
    cdef str word
    for word in words:
        if are_numbers_known and _is_number(word):
            found.append(word)
            continue
        value = PyDict_GetItemWithError(young, word)
        if value is NULL:
            value = PyDict_GetItemWithError(old, word)
            if value is NULL:
                found.append(None)
                if missing is None:
                    missing = set()
                missing.add(word)
                continue
            young[word] = <object> value
        found.append(<object> value)
    return found, missing


cdef int _compared(const void *one, const void *other) noexcept nogil:
    cdef unsigned int first = (<const unsigned int *> one)[0], second = (<const unsigned int *> other)[0]
    return (first > second) - (first < second)


cdef inline void _sort(unsigned int *numbers, Py_ssize_t size) noexcept nogil:
    # The words of a sentence are sorted in their place before a general function has begun.
    cdef Py_ssize_t place, back
    cdef unsigned int number
    if size > 64:
        qsort(numbers, size, sizeof(unsigned int), _compared)
        return
    for place in range(1, size):
        number = numbers[place]
        back = place
        while back > 0 and numbers[back - 1] > number:
            numbers[back] = numbers[back - 1]
            back -= 1
        numbers[back] = number


def enter(
    dict numbers not None, list words not None, unsigned int slot, list lists not None,
    frequencies not None,
):
    cdef Py_ssize_t size = len(words), count = 0, place = 0, first
    cdef unsigned int *own
    cdef unsigned int[::1] counts
    cdef PyObject *number
    cdef array slots
    cdef Py_ssize_t known
    cdef list new = [], repeats = []
    own = <unsigned int *> malloc(max(size, 1) * sizeof(unsigned int))
    if own is NULL:
        raise MemoryError
    try:
        for word in words:
            number = PyDict_GetItemWithError(numbers, word)
            if number is NULL:
                own[place] = len(numbers)
                numbers[word] = own[place]
                new.append(word)
            else:
                own[place] = <object> number
            place += 1
        if new:
            lists.extend([None] * len(new))
            frequencies.frombytes(bytes(sizeof(unsigned int) * len(new)))
        counts = frequencies
        _sort(own, size)
        if size and (own[size - 1] >= len(lists) or own[size - 1] >= counts.shape[0]):
            raise IndexError("a number has no list or frequency")
        place = 0
        while place < size:
            first = place
            while place < size and own[place] == own[first]:
                place += 1
            counts[own[first]] += 1
            if lists[own[first]] is None:
                lists[own[first]] = array("I")
            slots = lists[own[first]]
            if slots.itemsize != sizeof(unsigned int):
                raise TypeError("slots must be unsigned of 32 bits")
            # As `append`, without a call of Python's; and nobody looks at a list while one more comes.
            known = len(slots)
            resize_smart(slots, known + 1)
            slots.data.as_uints[known] = slot
            if place - first > 1:
                repeats.append((own[first], place - first))
            own[count] = own[first]
            count += 1
        return PyBytes_FromStringAndSize(<char *> own, count * sizeof(unsigned int)), repeats, new
    finally:
        free(own)


def add_up(
    const float[:, ::1] table not None, list texts not None, float[:, ::1] totals not None
):
    cdef Py_ssize_t dimensions = table.shape[1], place, each, count, room = 0, row
    cdef const int *numbers
    cdef int *own = NULL
    cdef float *sums
    cdef bytes some
    cdef list rows
    cdef double squares
    cdef float length
    if totals.shape[0] != len(texts) or totals.shape[1] != dimensions:
        raise ValueError("the totals must be as many as the texts, and as long as a row")
    if not dimensions or not len(texts):
        return
    try:
        for row in range(len(texts)):
            rows = texts[row]
            count = 0
            for some in rows:
                count += PyBytes_GET_SIZE(some) // sizeof(int)
            if count > room:
                free(own)
                own = <int *> malloc(count * sizeof(int))
                if own is NULL:
                    raise MemoryError
                room = count
            count = 0
            for some in rows:
                numbers = <const int *> PyBytes_AS_STRING(some)
                for each in range(PyBytes_GET_SIZE(some) // <Py_ssize_t> sizeof(int)):
                    if not 0 <= numbers[each] < table.shape[0]:
                        raise IndexError("there is no such row")
                    own[count] = numbers[each]
                    count += 1
            sums = &totals[row, 0]
            for place in range(dimensions):
                sums[place] = 0
            if count:
                soma_add_rows(&table[0, 0], own, count, dimensions, sums)
            squares = 0
            for place in range(dimensions):
                squares += <double> sums[place] * sums[place]
            if squares > 0:
                length = sqrt(squares)
                for place in range(dimensions):
                    sums[place] /= length
    finally:
        free(own)
