"""What the words of a query give each memory, added up in one pass over the lists of their slots.

Each slot has a sum and a mark. Words are numbered on from query to query, and the mark is the number of the last word
that gave the slot something. So it tells whether the sum is of this query, and whether a better word of the same term
was there before: no array is cleared between two queries.
"""

import numpy as np

from memory_server.kernels.best cimport Best
from memory_server.kernels.ordered cimport lower_bound

cdef extern from *:
    """
    static void soma_soon(const void *place) { __builtin_prefetch(place); }
    """
    void soma_soon(const void *place) noexcept


cdef inline double _more(double count, double once) noexcept:
    """Return what so many occurrences count more than one, as a multiple of it.

    With the norm n, c occurrences count c / (c + n), and one 1 / (1 + n); the first divided by the second is
    c / (1 + (c - 1) / (1 + n)).
    """
    return count / (1.0 + (count - 1.0) * once) - 1.0


cdef inline Py_ssize_t _place(
    const unsigned int[::1] ordered, Py_ssize_t start, unsigned int wanted
) except -1:
    """Return where a value stands, or would stand, from `start` on; near ones are found sooner."""
    cdef Py_ssize_t size = ordered.shape[0], low = start, high = start, step = 1
    while high < size and ordered[high] < wanted:
        low = high + 1
        high += step
        step *= 2
    return lower_bound(ordered, low, min(high, size), wanted)


cdef class Occurrences:
    cdef double[::1] _sums
    cdef unsigned int[::1] _marks
    cdef unsigned int[::1] _found
    cdef const float[::1] _once
    cdef Py_ssize_t _found_count
    cdef unsigned int _first, _first_of_term, _number, _most_numbers

    def __init__(self, unsigned int most_numbers=0xFFFF0000):
        self._most_numbers = most_numbers
        self._number = 0
        self._grow(64)

    def begin(self, const float[::1] once):
        self._once = once
        self._found_count = 0
        if once.shape[0] > self._marks.shape[0]:
            self._grow(max(once.shape[0], 2 * self._marks.shape[0]))
        if self._number > self._most_numbers:
            self._grow(self._marks.shape[0])
        self._first = self._first_of_term = self._number + 1

    def begin_term(self):
        self._first_of_term = self._number + 1

    def add(self, double gain, list lists, tuple repeats):
        self._number += 1
        for slots in lists:
            self._add_list(gain, slots)
        if repeats is not None:
            self._add_repeats(gain, repeats[0], repeats[1])

    def best(self, allowed, Py_ssize_t limit):
        cdef Best best = Best(limit)
        cdef const unsigned char[::1] is_allowed
        cdef const float[::1] once = self._once
        cdef Py_ssize_t each
        cdef unsigned int slot
        if allowed is None:
            for each in range(self._found_count):
                slot = self._found[each]
                best.offer(self._sums[slot] * once[slot], slot)
        else:
            is_allowed = allowed.view(np.uint8)
            for each in range(self._found_count):
                slot = self._found[each]
                if is_allowed[slot]:
                    best.offer(self._sums[slot] * once[slot], slot)
        best.by_place()
        return best.places(), best.scores()

    def of(
        self,
        const long long[::1] slots,
        list looked_up,
        const unsigned int[::1] words,
        const unsigned int[::1] ends,
    ):
        made = np.zeros(slots.shape[0])
        cdef double[::1] scores = made
        cdef Py_ssize_t each
        cdef long long slot
        self._fetch(slots, words, ends)
        for each in range(slots.shape[0]):
            slot = slots[each]
            if self._marks[slot] >= self._first:
                scores[each] = self._sums[slot]
        for gain, number, repeats in looked_up:
            if repeats is None:
                self._look_up(gain, number, words, ends, slots, scores, None, None)
            else:
                self._look_up(gain, number, words, ends, slots, scores, repeats[0], repeats[1])
        for each in range(slots.shape[0]):
            scores[each] = min(scores[each] * self._once[slots[each]], 1.0)
        return made

    cdef void _grow(self, Py_ssize_t capacity) except *:
        self._sums = np.zeros(capacity)
        self._marks = np.zeros(capacity, np.uint32)
        self._found = np.zeros(capacity, np.uint32)
        self._number = 0

    cdef void _add_list(self, double gain, const unsigned int[::1] slots) except *:
        cdef Py_ssize_t each
        cdef unsigned int slot, mark
        for each in range(slots.shape[0]):
            slot = slots[each]
            mark = self._marks[slot]
            if mark >= self._first_of_term:
                continue
            if mark >= self._first:
                self._sums[slot] += gain
            else:
                self._sums[slot] = gain
                self._found[self._found_count] = slot
                self._found_count += 1
            self._marks[slot] = self._number

    cdef void _add_repeats(
        self, double gain, const unsigned int[::1] slots, const float[::1] counts
    ) except *:
        cdef Py_ssize_t each
        cdef unsigned int slot
        for each in range(slots.shape[0]):
            slot = slots[each]
            # A better word of the same term may have been there before.
            if self._marks[slot] == self._number:
                self._sums[slot] += gain * _more(counts[each], self._once[slot])

    cdef void _fetch(
        self,
        const long long[::1] slots,
        const unsigned int[::1] words,
        const unsigned int[::1] ends,
    ) except *:
        """Have what is known of slots on its way from memory: they lie far apart, and one after the other each would be
        waited for."""
        cdef Py_ssize_t each, place
        cdef long long slot
        for each in range(slots.shape[0]):
            slot = slots[each]
            soma_soon(&ends[slot])
            soma_soon(&self._marks[slot])
            soma_soon(&self._sums[slot])
            soma_soon(&self._once[slot])
        for each in range(slots.shape[0]):
            slot = slots[each]
            place = ends[slot - 1] if slot > 0 else 0
            while place < ends[slot]:
                soma_soon(&words[place])
                place += 16

    cdef void _look_up(
        self,
        double gain,
        unsigned int number,
        const unsigned int[::1] words,
        const unsigned int[::1] ends,
        const long long[::1] slots,
        double[::1] scores,
        const unsigned int[::1] again,
        const float[::1] counts,
    ) except *:
        """Add a word to the scores of the slots that have it: the words of a slot lie beside each other."""
        cdef Py_ssize_t each, place, start, in_repeats = 0
        cdef long long slot
        for each in range(slots.shape[0]):
            slot = slots[each]
            start = ends[slot - 1] if slot > 0 else 0
            for place in range(start, ends[slot]):
                if words[place] == number:
                    break
            else:
                continue
            scores[each] += gain
            if again is None:
                continue
            in_repeats = _place(again, in_repeats, <unsigned int>slot)
            if in_repeats < again.shape[0] and again[in_repeats] == slot:
                scores[each] += gain * _more(counts[in_repeats], self._once[slot])
