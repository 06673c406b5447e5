"""What the words of a query give each memory, added up in one pass over the lists of their slots.

Each slot has a sum and a mark, side by side: slots lie far apart, and each is waited for once. Words are numbered on from query to query, and the mark is the number of the last word
that gave the slot something. So it tells whether the sum is of this query, and whether a better word of the same term
was there before: no array is cleared between two queries.
"""

from cpython.array cimport array
from libc.math cimport log
from libc.stdlib cimport calloc, free, malloc, qsort

import numpy as np

from memory_server.kernels.best cimport Best, by_place, least, offer, places, scores
from memory_server.kernels.ordered cimport lower_bound

cdef extern from * nogil:
    """
    static void soma_soon(const void *place) { __builtin_prefetch(place); }
    """
    void soma_soon(const void *place) noexcept

cdef enum:
    # So many slots ahead of the one that is added to are on their way from memory.
    AHEAD = 16


cdef inline double _more(double count, double once) noexcept nogil:
    """Return what so many occurrences count more than one, as a multiple of it.

    With the norm n, c occurrences count c / (c + n), and one 1 / (1 + n); the first divided by the second is
    c / (1 + (c - 1) / (1 + n)).
    """
    return count / (1.0 + (count - 1.0) * once) - 1.0


cdef inline Py_ssize_t _place(
    const unsigned int *ordered, Py_ssize_t size, Py_ssize_t start, unsigned int wanted
) noexcept nogil:
    """Return where a value stands, or would stand, from `start` on; near ones are found sooner."""
    cdef Py_ssize_t low = start, high = start, step = 1
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


cdef Repeats _repeats_of(tuple known):
    """Return where a word stands more than once; it is to be kept as long as it is looked at."""
    cdef Repeats made
    cdef array slots, counts
    made.slots, made.counts, made.size = NULL, NULL, 0
    if known is not None:
        slots, counts = known
        if slots.itemsize != sizeof(unsigned int) or counts.itemsize != sizeof(float):
            raise TypeError("slots must be unsigned, and counts floats, of 32 bits")
        made.slots, made.counts = slots.data.as_uints, counts.data.as_floats
        # The counts are appended first.
        made.size = len(slots)
    return made


cdef class WordsOf:
    def __init__(
        self,
        list words not None,
        dict others not None,
        tuple lists not None,
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
        cdef unsigned int number
        cdef _Term term
        cdef LookedUp *other
        self.once, self.words, self.ends = once, lists[6], lists[7]
        self._kept = lists
        self.lists = <List *>malloc(max(query.word_count, 1) * sizeof(List))
        self.others = <LookedUp *>malloc(max(query.word_count, 1) * sizeof(LookedUp))
        if self.lists == NULL or self.others == NULL:
            raise MemoryError()
        qsort(query.terms, query.term_count, sizeof(_Term), _compare_terms)
        for place in range(query.term_count):
            term = query.terms[place]
            is_chosen = is_first or term.end - term.first > 1
            is_chosen = is_chosen or not (term.size > common or found >= enough)
            if is_chosen:
                found += term.size
            is_first = is_first and not is_chosen
            for each in range(term.first, term.end):
                gain = query.words[each].gain / query.attainable
                number = query.words[each].number
                repeated = repeats.get(number)
                if is_chosen:
                    self._choose(gain, number, each == term.first, starts, sealed, fresh, repeated)
                else:
                    other = &self.others[self.other_count]
                    other.gain, other.number = gain, number
                    other.repeats = _repeats_of(repeated)
                    self.other_count += 1

    def __dealloc__(self):
        free(self.lists)
        free(self.others)

    cdef int _choose(
        self,
        double gain,
        unsigned int number,
        bint starts_term,
        const long long[::1] starts,
        const unsigned int[::1] sealed,
        list fresh,
        tuple repeated,
    ) except -1:
        """Add a word that chooses; its slots are the sealed ones and those that came since."""
        cdef array own
        cdef List *made = &self.lists[self.count]
        made.gain, made.starts_term = gain, starts_term
        made.sealed, made.sealed_size, made.fresh, made.fresh_size = NULL, 0, NULL, 0
        if number + 1 < starts.shape[0] and starts[number] < starts[number + 1]:
            made.sealed = &sealed[starts[number]]
            made.sealed_size = starts[number + 1] - starts[number]
            sealed[starts[number + 1] - 1]
        if fresh[number] is not None:
            own = fresh[number]
            if own.itemsize != sizeof(unsigned int):
                raise TypeError("slots must be unsigned of 32 bits")
            made.fresh, made.fresh_size = own.data.as_uints, len(own)
        made.repeats = _repeats_of(repeated)
        self.count += 1
        return 0

    def __bool__(self):
        return self.count > 0


cdef class Occurrences:
    def __init__(self, unsigned int most_numbers=0xFFFF0000):
        self._most_numbers = most_numbers
        self.fit(64)

    def __dealloc__(self):
        free(self._sums)
        free(self._found)

    def search(self, WordsOf query not None):
        self.fit(query.once.shape[0])
        with nogil:
            self.add_up(query)

    def best(self, WordsOf query not None, allowed, Py_ssize_t limit):
        cdef Best best = Best(limit)
        cdef const unsigned char[::1] is_allowed = None if allowed is None else allowed.view(np.uint8)
        cdef bint has_mask = allowed is not None
        with nogil:
            self.offer_to(&best.heap, query, has_mask, is_allowed)
            by_place(&best.heap)
        return places(&best.heap), scores(&best.heap)

    def of(self, WordsOf query not None, const long long[::1] slots):
        made = np.zeros(slots.shape[0])
        cdef double[::1] found = made
        if slots.shape[0]:
            with nogil:
                self.scores_of(query, &slots[0], slots.shape[0], &found[0])
        return made

    cdef bint has_room(self, Py_ssize_t slots) noexcept nogil:
        return slots <= self._room

    cdef int fit(self, Py_ssize_t slots) except -1:
        """Have room for so many slots."""
        if slots > self._room:
            slots = max(slots, 2 * self._room)
            free(self._sums)
            free(self._found)
            self._sums, self._found, self._room, self._number = NULL, NULL, 0, 0
            self._sums = <Sum *>calloc(slots, sizeof(Sum))
            self._found = <unsigned int *>malloc(slots * sizeof(unsigned int))
            if self._sums == NULL or self._found == NULL:
                raise MemoryError()
            self._room = slots
        return 0

    cdef int _require_room(self, long long slot) except -1 nogil:
        """Refuse a slot that there is no room for; of ascending ones the last."""
        if not 0 <= slot < self._room:
            raise IndexError("there is no room for this slot")
        return 0

    cdef int add_up(self, WordsOf query) except -1 nogil:
        """Give each memory what the words of a query that choose give it; there is room for the slots."""
        cdef Py_ssize_t each
        cdef const List *word
        if self._number > self._most_numbers:
            for each in range(self._room):
                self._sums[each].mark = 0
            self._number = 0
        self._found_count = 0
        self._first = self._first_of_term = self._number + 1
        for each in range(query.count):
            word = &query.lists[each]
            self._number += 1
            if word.starts_term:
                self._first_of_term = self._number
            self._add_slots(word.gain, word.sealed, word.sealed_size)
            self._add_slots(word.gain, word.fresh, word.fresh_size)
            self._add_repeats(query, word)
        return 0

    cdef int offer_to(
        self, Heap *best, WordsOf query, bint has_mask, const unsigned char[::1] is_allowed
    ) except -1 nogil:
        """Offer the slots that were found, with their scores by the words that choose."""
        cdef Py_ssize_t each
        cdef unsigned int slot
        cdef double sum
        for each in range(self._found_count):
            slot = self._found[each]
            sum = self._sums[slot].of
            # One occurrence counts at most 1: for most slots nothing else needs to be read.
            if sum >= least(best) and (not has_mask or is_allowed[slot]):
                offer(best, sum * query.once[slot], slot)
        return 0

    cdef int scores_of(
        self, WordsOf query, const long long *slots, Py_ssize_t count, double *found
    ) except -1 nogil:
        """Write the scores of slots, ascending, where zeros stand."""
        cdef Py_ssize_t each
        cdef long long slot
        if count == 0:
            return 0
        self._require_room(slots[0])
        self._require_room(slots[count - 1])
        self._fetch(query, slots, count)
        for each in range(count):
            slot = slots[each]
            if self._sums[slot].mark >= self._first:
                found[each] = self._sums[slot].of
        for each in range(query.other_count):
            self._look_up(query, &query.others[each], slots, count, found)
        for each in range(count):
            found[each] = min(found[each] * query.once[slots[each]], 1.0)
        return 0

    cdef int _add_slots(
        self, double gain, const unsigned int *slots, Py_ssize_t count
    ) except -1 nogil:
        cdef Py_ssize_t each
        cdef Sum *known
        if count == 0:
            return 0
        self._require_room(slots[count - 1])
        for each in range(count):
            if each + AHEAD < count:
                soma_soon(&self._sums[slots[each + AHEAD]])
            known = &self._sums[slots[each]]
            if known.mark >= self._first_of_term:
                continue
            if known.mark >= self._first:
                known.of += <float>gain
            else:
                known.of = <float>gain
                self._found[self._found_count] = slots[each]
                self._found_count += 1
            known.mark = self._number
        return 0

    cdef int _add_repeats(self, WordsOf query, const List *word) except -1 nogil:
        cdef Py_ssize_t each
        cdef unsigned int slot
        if word.repeats.size:
            self._require_room(word.repeats.slots[word.repeats.size - 1])
        for each in range(word.repeats.size):
            slot = word.repeats.slots[each]
            # A better word of the same term may have been there before.
            if self._sums[slot].mark == self._number:
                self._sums[slot].of += word.gain * _more(word.repeats.counts[each], query.once[slot])
        return 0

    cdef int _fetch(
        self, WordsOf query, const long long *slots, Py_ssize_t count
    ) except -1 nogil:
        """Have what is known of slots on its way from memory: they lie far apart, and one after the other each would be
        waited for."""
        cdef Py_ssize_t each, place
        cdef long long slot
        for each in range(count):
            slot = slots[each]
            soma_soon(&query.ends[slot])
            soma_soon(&self._sums[slot])
            soma_soon(&query.once[slot])
        for each in range(count if query.other_count else 0):
            slot = slots[each]
            place = query.ends[slot - 1] if slot > 0 else 0
            while place < query.ends[slot]:
                soma_soon(&query.words[place])
                place += 16
        return 0

    cdef int _look_up(
        self,
        WordsOf query,
        const LookedUp *word,
        const long long *slots,
        Py_ssize_t count,
        double *found,
    ) except -1 nogil:
        """Add a word to the scores of the slots that have it: the words of a slot lie beside each other."""
        cdef const Repeats *again = &word.repeats
        cdef Py_ssize_t each, place, start, in_repeats = 0
        cdef long long slot
        for each in range(count):
            slot = slots[each]
            start = query.ends[slot - 1] if slot > 0 else 0
            for place in range(start, query.ends[slot]):
                if query.words[place] == word.number:
                    break
            else:
                continue
            found[each] += word.gain
            if again.size == 0:
                continue
            in_repeats = _place(again.slots, again.size, in_repeats, <unsigned int>slot)
            if in_repeats < again.size and again.slots[in_repeats] == slot:
                found[each] += word.gain * _more(again.counts[in_repeats], query.once[slot])
        return 0


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
