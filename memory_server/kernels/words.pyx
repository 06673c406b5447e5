"""Words: where a text is cut, what is known of each, which slots have them, and the sum of their vectors."""

from array import array as _array

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.ref cimport PyObject
from libc.math cimport sqrt
from libc.stdlib cimport free, malloc, qsort

cdef extern from "Python.h":
    const void *PyUnicode_DATA(object text)
    str PyUnicode_Substring(object text, Py_ssize_t start, Py_ssize_t stop)


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


def known_of(list words not None, dict young not None, dict old not None):
    cdef list found = []
    cdef PyObject *value
    for word in words:
        value = PyDict_GetItemWithError(young, word)
        if value is NULL:
            value = PyDict_GetItemWithError(old, word)
            if value is NULL:
                found.append(None)
                continue
            young[word] = <object> value
        found.append(<object> value)
    return found


cdef int _compared(const void *one, const void *other) noexcept nogil:
    cdef unsigned int first = (<const unsigned int *> one)[0], second = (<const unsigned int *> other)[0]
    return (first > second) - (first < second)


def enter(
    dict numbers not None, list words not None, unsigned int slot, list lists not None,
    unsigned int[::1] frequencies not None,
):
    cdef Py_ssize_t size = len(words), count = 0, place = 0, first
    cdef unsigned int *own
    cdef PyObject *number
    cdef list repeats = []
    own = <unsigned int *> malloc(max(size, 1) * sizeof(unsigned int))
    if own is NULL:
        raise MemoryError
    try:
        for word in words:
            number = PyDict_GetItemWithError(numbers, word)
            if number is NULL:
                raise KeyError(word)
            own[place] = <object> number
            place += 1
        qsort(own, size, sizeof(unsigned int), _compared)
        place = 0
        while place < size:
            first = place
            while place < size and own[place] == own[first]:
                place += 1
            frequencies[own[first]] += 1
            if lists[own[first]] is None:
                lists[own[first]] = _array("I")
            lists[own[first]].append(slot)
            if place - first > 1:
                repeats.append((own[first], place - first))
            own[count] = own[first]
            count += 1
        return PyBytes_FromStringAndSize(<char *> own, count * sizeof(unsigned int)), repeats
    finally:
        free(own)


def add_up(const float[:, ::1] table not None, list rows not None, float[::1] total not None):
    cdef Py_ssize_t dimensions = table.shape[1], place, each, count
    cdef const int *numbers
    cdef const float *row
    cdef float *sums
    cdef bytes some
    cdef double squares = 0
    cdef float length
    if total.shape[0] != dimensions:
        raise ValueError("the total must be as long as a row")
    if not dimensions:
        return
    sums = &total[0]
    for place in range(dimensions):
        sums[place] = 0
    for some in rows:
        numbers = <const int *> PyBytes_AS_STRING(some)
        count = PyBytes_GET_SIZE(some) // sizeof(int)
        for each in range(count):
            row = &table[numbers[each], 0]
            for place in range(dimensions):
                sums[place] += row[place]
    for place in range(dimensions):
        squares += <double> sums[place] * sums[place]
    if squares > 0:
        length = sqrt(squares)
        for place in range(dimensions):
            sums[place] /= length
