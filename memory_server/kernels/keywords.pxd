"""The words of a query, and what they give each memory, for the other kernels."""

from memory_server.kernels.best cimport Heap


cdef struct Repeats:
    # Where a word stands more than once: the slots, ascending, and how often.
    const unsigned int *slots
    const float *counts
    Py_ssize_t size


cdef struct List:
    # A word that chooses: what it gives, and where it stands. `starts_term`: it is the first of its term.
    double gain
    bint starts_term
    const unsigned int *sealed
    const unsigned int *fresh
    Py_ssize_t sealed_size, fresh_size
    Repeats repeats


cdef struct LookedUp:
    # A word that only adds to scores.
    double gain
    unsigned int number
    Repeats repeats


cdef struct Sum:
    # What a slot has by now, and the mark that tells whose it is.
    float of
    unsigned int mark


cdef class WordsOf:
    # What a query's words are, and where they stand; nothing may be added to the lists while it is used.
    cdef List *lists
    cdef LookedUp *others
    cdef Py_ssize_t count, other_count
    cdef const float[::1] once
    cdef const unsigned int[::1] words, ends
    # What the lists above point into.
    cdef tuple _kept

    cdef int _choose(
        self,
        double gain,
        unsigned int number,
        bint starts_term,
        const long long[::1] starts,
        const unsigned int[::1] sealed,
        list fresh,
        tuple repeated,
    ) except -1


cdef class Occurrences:
    # By slot, for so many of them; and the slots that have something.
    cdef Sum *_sums
    cdef Py_ssize_t _room
    cdef unsigned int *_found
    cdef Py_ssize_t _found_count
    cdef unsigned int _first, _first_of_term, _number, _most_numbers

    cdef bint has_room(self, Py_ssize_t slots) noexcept nogil
    cdef int fit(self, Py_ssize_t slots) except -1
    cdef int add_up(self, WordsOf query) except -1 nogil
    cdef int offer_to(
        self, Heap *best, WordsOf query, bint has_mask, const unsigned char[::1] is_allowed
    ) except -1 nogil
    cdef int scores_of(
        self, WordsOf query, const long long *slots, Py_ssize_t count, double *found
    ) except -1 nogil
    cdef int _require_room(self, long long slot) except -1 nogil
    cdef int _add_slots(self, double gain, const unsigned int *slots, Py_ssize_t count) except -1 nogil
    cdef int _add_repeats(self, WordsOf query, const List *word) except -1 nogil
    cdef int _fetch(self, WordsOf query, const long long *slots, Py_ssize_t count) except -1 nogil
    cdef int _look_up(
        self,
        WordsOf query,
        const LookedUp *word,
        const long long *slots,
        Py_ssize_t count,
        double *found,
    ) except -1 nogil
