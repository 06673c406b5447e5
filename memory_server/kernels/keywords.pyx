"""What the words of a query give each memory, added up in one pass over the lists of their slots.

Each slot has a sum and a mark. Words are numbered on from query to query, and the mark is the number of the last word
that gave the slot something. So it tells whether the sum is of this query, and whether a better word of the same term
was there before: no array is cleared between two queries.
"""

from cpython.array cimport array
from libc.math cimport log
from libc.stdlib cimport free, malloc, qsort

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


cdef struct _Word:
    unsigned int number
    unsigned int frequency
    double gain


cdef struct _Term:
    Py_ssize_t first, end
    Py_ssize_t size


cdef inline double _idf(double count, double frequency) noexcept:
    return log(1.0 + (count - frequency + 0.5) / (frequency + 0.5))


cdef int _compare_terms(const void *one, const void *other) noexcept nogil:
    cdef const _Term *a = <const _Term *>one
    cdef const _Term *b = <const _Term *>other
    if a.size != b.size:
        return -1 if a.size < b.size else 1
    return (a.first > b.first) - (a.first < b.first)


cdef class _Query:
    """The words of a query that memories have, term by term, and in each term the one that gives most first."""

    cdef _Word *words
    cdef _Term *terms
    cdef Py_ssize_t word_count, term_count
    cdef double attainable

    def __cinit__(self, Py_ssize_t term_room, Py_ssize_t word_room):
        self.words = <_Word *>malloc(max(word_room, 1) * sizeof(_Word))
        self.terms = <_Term *>malloc(max(term_room, 1) * sizeof(_Term))
        if self.words == NULL or self.terms == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.words)
        free(self.terms)

    cdef void add_word(self, unsigned int number, unsigned int frequency, double gain) noexcept:
        """Add a word to the term that is being made; of equals the first stays before."""
        cdef Py_ssize_t place = self.word_count
        cdef _Word new
        new.number, new.frequency, new.gain = number, frequency, gain
        while place > self.terms[self.term_count].first and self.words[place - 1].gain < gain:
            self.words[place] = self.words[place - 1]
            place -= 1
        self.words[place] = new
        self.word_count += 1

    cdef void end_term(self, double missing) noexcept:
        """Begin the next term; one without words only counts as what could have been reached."""
        cdef _Term *term = &self.terms[self.term_count]
        cdef Py_ssize_t each
        term.end, term.size = self.word_count, 0
        for each in range(term.first, term.end):
            term.size += self.words[each].frequency
        if term.first == term.end:
            self.attainable += missing
            return
        self.attainable += self.words[term.first].gain
        self.term_count += 1


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

    def search(
        self,
        list words,
        dict others,
        tuple lists,
        const float[::1] once,
        Py_ssize_t count,
        Py_ssize_t enough,
        double common,
    ):
        cdef dict numbers = lists[0], repeats = lists[5]
        cdef list fresh = lists[4]
        cdef const unsigned int[::1] frequencies = lists[1]
        cdef const long long[::1] starts = lists[2]
        cdef const unsigned int[::1] sealed = lists[3]
        cdef _Query query = _terms(words, others, numbers, frequencies, count)
        cdef Py_ssize_t place, each, found = 0
        cdef bint is_chosen, is_first = True
        cdef double gain
        cdef _Term term
        cdef list looked_up = []
        if query.term_count == 0:
            return None
        qsort(query.terms, query.term_count, sizeof(_Term), _compare_terms)
        self._begin(once)
        for place in range(query.term_count):
            term = query.terms[place]
            is_chosen = is_first or term.end - term.first > 1
            is_chosen = is_chosen or not (term.size > common or found >= enough)
            if is_chosen:
                self._first_of_term = self._number + 1
                found += term.size
            is_first = is_first and not is_chosen
            for each in range(term.first, term.end):
                gain = query.words[each].gain / query.attainable
                number = query.words[each].number
                repeated = repeats.get(number)
                if is_chosen:
                    self._add_word(gain, number, starts, sealed, fresh, repeated)
                else:
                    looked_up.append((gain, number, repeated))
        return looked_up

    cdef int _add_word(
        self,
        double gain,
        unsigned int number,
        const long long[::1] starts,
        const unsigned int[::1] sealed,
        list fresh,
        tuple repeated,
    ) except -1:
        """Add a word, whose slots are the sealed ones and those that came since."""
        cdef array own
        self._number += 1
        if number + 1 < starts.shape[0]:
            self._add_list(gain, sealed[starts[number] : starts[number + 1]])
        if fresh[number] is not None:
            own = fresh[number]
            self._add_slots(gain, own.data.as_uints, len(own))
        if repeated is not None:
            self._add_repeats(gain, repeated[0], repeated[1])
        return 0

    cdef int _begin(self, const float[::1] once) except -1:
        self._once = once
        self._found_count = 0
        if once.shape[0] > self._marks.shape[0]:
            self._grow(max(once.shape[0], 2 * self._marks.shape[0]))
        if self._number > self._most_numbers:
            self._grow(self._marks.shape[0])
        self._first = self._first_of_term = self._number + 1
        return 0

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

    cdef int _add_list(self, double gain, const unsigned int[::1] slots) except -1:
        if slots.shape[0]:
            self._add_slots(gain, &slots[0], slots.shape[0])
        return 0

    cdef int _add_slots(self, double gain, const unsigned int *slots, Py_ssize_t count) except -1:
        cdef Py_ssize_t each
        cdef unsigned int slot, mark
        for each in range(count):
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
        return 0

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


cdef _Query _terms(
    list words, dict others, dict numbers, const unsigned int[::1] frequencies, double count
):
    """Return the terms of a query, each with the words that stand for it."""
    cdef Py_ssize_t room = len(words)
    cdef unsigned int number, frequency
    cdef double own, worth
    cdef _Query query
    for related in others.values():
        room += len(related)
    query = _Query(len(words), room)
    for word in words:
        query.terms[query.term_count].first = query.word_count
        own, known = float("inf"), numbers.get(word)
        number = 0 if known is None else known
        if known is not None and frequencies[number]:
            frequency = frequencies[number]
            own = _idf(count, frequency)
            query.add_word(number, frequency, own)
        for other, worth in others.get(word, ()):
            known = numbers.get(other)
            if known is None:
                continue
            number = known
            frequency = frequencies[number]
            if frequency == 0:
                continue
            # A word that stands in for another is not worth more than that, however rare it is.
            query.add_word(number, frequency, worth * min(own, _idf(count, frequency)))
        # A word that no memory has counts as one that was not found: what is known of the rest is no full answer.
        query.end_term(_idf(count, 0.0))
    return query
