"""The arithmetic of ranking, see `memory_server.domain.ranking`."""

from libc.stdlib cimport free, malloc, qsort

import numpy as np

from memory_server.kernels.best cimport (
    Best,
    by_place,
    by_score,
    offer,
    places as places_of,
    scores as scores_of,
)


cdef struct _Turn:
    long long session
    long long time_us
    Py_ssize_t place


cdef int _compare(const void *one, const void *other) noexcept nogil:
    cdef const _Turn *a = <const _Turn *>one
    cdef const _Turn *b = <const _Turn *>other
    if a.session != b.session:
        return 1 if a.session > b.session else -1
    if a.time_us != b.time_us:
        return 1 if a.time_us > b.time_us else -1
    return (a.place > b.place) - (a.place < b.place)


def merged(const double[::1] keyword, const double[::1] cosine, double words, double vectors):
    made = np.empty(keyword.shape[0])
    cdef double[::1] scores = made
    cdef Py_ssize_t each
    for each in range(keyword.shape[0]):
        scores[each] = min(words * keyword[each] + vectors * max(cosine[each], 0.0), 1.0)
    return made


def best_places(scores, Py_ssize_t limit):
    cdef Best best = Best(limit)
    cdef const float[::1] narrow
    cdef const double[::1] wide
    cdef Py_ssize_t place
    if scores.dtype == np.float32:
        narrow = scores
        for place in range(narrow.shape[0]):
            offer(&best.heap, narrow[place], place)
    else:
        wide = scores
        for place in range(wide.shape[0]):
            offer(&best.heap, wide[place], place)
    by_place(&best.heap)
    return places_of(&best.heap)


def ranked(const double[::1] base, const double[::1] factor, Py_ssize_t limit, min_score):
    cdef Best best = Best(limit)
    cdef double least = 0.0 if min_score is None else min_score
    cdef bint is_bound_in = min_score is not None
    cdef double lifted
    cdef Py_ssize_t place
    for place in range(base.shape[0]):
        lifted = base[place] * factor[place]
        if min(lifted, 1.0) > least or (is_bound_in and min(lifted, 1.0) == least):
            offer(&best.heap, lifted, place)
    by_score(&best.heap)
    return places_of(&best.heap).tolist(), np.minimum(scores_of(&best.heap), 1.0).tolist()


def from_beside(
    const double[::1] relevant,
    const long long[:, :, ::1] beside,
    asks,
    double before,
    double after,
    double answer,
):
    made = np.zeros(relevant.shape[0])
    cdef double[::1] gained = made
    cdef const unsigned char[::1] is_question = asks.view(np.uint8)
    cdef Py_ssize_t each, step
    cdef long long there
    cdef double share
    for each in range(relevant.shape[0]):
        for step in range(beside.shape[2]):
            there = beside[each, 0, step]
            if there >= 0:
                gained[there] = max(gained[there], before * relevant[each])
            there = beside[each, 1, step]
            if there >= 0:
                share = answer if step == 0 and is_question[each] else after
                gained[there] = max(gained[there], share * relevant[each])
    return made


def from_session(
    const double[::1] relevant,
    const long long[::1] sessions,
    const long long[::1] times_us,
    double share,
    long long gap_us,
    double[::1] gained,
):
    cdef Py_ssize_t count = relevant.shape[0], each, start = 0, taken = 0
    cdef _Turn *turns
    if sessions.shape[0] != count or times_us.shape[0] != count or gained.shape[0] != count:
        raise ValueError("there is one of each for each candidate")
    turns = <_Turn *>malloc(max(count, 1) * sizeof(_Turn))
    if turns == NULL:
        raise MemoryError()
    try:
        for each in range(count):
            # What nothing speaks for is a candidate by chance: an index that proposes less does not have it.
            if relevant[each] > 0 or gained[each] > 0:
                turns[taken].session = sessions[each]
                turns[taken].time_us = times_us[each]
                turns[taken].place = each
                taken += 1
        qsort(turns, taken, sizeof(_Turn), _compare)
        for each in range(1, taken + 1):
            if each == taken or _is_other(&turns[each - 1], &turns[each], gap_us):
                _share(turns, start, each, relevant, share, gained)
                start = each
    finally:
        free(turns)


cdef bint _is_other(_Turn *one, _Turn *next_one, long long gap_us) noexcept:
    """Tell whether a turn belongs to another conversation than the one before it."""
    if one.session != next_one.session:
        return True
    return one.session == 0 and next_one.time_us - one.time_us > gap_us


cdef int _share(
    _Turn *turns,
    Py_ssize_t start,
    Py_ssize_t end,
    const double[::1] relevant,
    double share,
    double[::1] gained,
) except -1:
    """Give each turn of a conversation a share of the best other one's score."""
    cdef double first = 0.0, second = 0.0, score
    cdef Py_ssize_t each, place, often = 0
    if turns[start].session < 0:
        return 0
    for each in range(start, end):
        score = relevant[turns[each].place]
        if score > first:
            first, second, often = score, first, 1
        elif score == first:
            often += 1
        elif score > second:
            second = score
    for each in range(start, end):
        place = turns[each].place
        # Of the best one itself the others count; of two that are equally good, each other.
        score = second if often == 1 and relevant[place] == first else first
        gained[place] = max(gained[place], share * score)
    return 0
