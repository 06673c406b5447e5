"""Texts: how bytes are printed."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcpy

cdef struct Printed:
    char text[4]
    int size

cdef Printed[256] _PRINTED
"""How each byte is printed between single quotes. Looked up, because bytes of vectors cannot be guessed: a branch for
each would be taken wrongly half of the time."""


cdef int _fill() except -1:
    cdef int each, place
    cdef bytes text
    for each in range(256):
        text = repr(bytes([each])).encode()
        text = text[2 : len(text) - 1]
        _PRINTED[each].size = len(text)
        for place in range(len(text)):
            _PRINTED[each].text[place] = text[place]
    return 0


_fill()


def printed(bytes value not None):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value), place, count = 2
    cdef const unsigned char *given = <const unsigned char *> PyBytes_AS_STRING(value)
    cdef bint has_single = memchr(given, 39, size) is not NULL
    cdef bint has_both = has_single and memchr(given, 34, size) is not NULL
    cdef const Printed *one
    # Four bytes are written for each, and the next one goes over those that were too many.
    cdef char *made = <char *> malloc(4 * size + 7)
    if made is NULL:
        raise MemoryError
    try:
        made[0] = 98
        made[1] = 34 if has_single and not has_both else 39
        for place in range(size):
            if has_both and given[place] == 39:
                made[count] = 92
                count += 1
            one = &_PRINTED[given[place]]
            memcpy(made + count, one.text, 4)
            count += one.size
        made[count] = made[1]
        return PyBytes_FromStringAndSize(made, count + 1)
    finally:
        free(made)
