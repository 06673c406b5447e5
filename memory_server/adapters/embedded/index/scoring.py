"""BM25 over inverted lists: what the words of a query give each memory that has any of them.

Every occurrence of a word in a memory becomes one number, the slot in its high half and the word's place in the query
in its low one. Sorted, the occurrences of a memory stand beside each other, the best word of each term first; so the
work grows with what is found, not with the partition, and takes a dozen array operations for any number of words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.columns import Mask, Slots
from memory_server.adapters.embedded.index.postings import Postings
from memory_server.domain.ranking import best_places

Scores = npt.NDArray[np.float32]
Sums = npt.NDArray[np.float64]

_SLOT_BITS = 32
_RANK_BITS = 4
MOST_WORDS_OF_TERM = 1 << _RANK_BITS
"""Words that may stand for one word of a query, itself included."""


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a query: the words that stand for it, each with its gain, the greatest first."""

    words: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Common:
    """A word that many memories have; it is looked up only in those that other words found."""

    gain: float
    lists: Sequence[npt.NDArray[np.uint32]]
    """The slots that have it, in ascending lists."""
    repeats: tuple[npt.NDArray[np.uint32], Scores] | None
    """The slots in which it stands more than once, and how often."""

    def add_to(self, sums: Sums, slots: npt.NDArray[np.uint32], once: Scores) -> None:
        """Add what it gives some slots.

        Args:
            sums: What the other words give each of them.
            slots: The slots.
            once: What one occurrence counts in each of them.
        """
        for having in self.lists:
            sums[_places(having, slots)[1]] += self.gain
        if self.repeats is not None:
            again, counts = self.repeats
            # Slots of repeats come in the order of the additions, which is theirs.
            places, is_there = _places(again, slots)
            sums[is_there] += self.gain * _more(counts[places[is_there]], once[is_there])


@dataclass(frozen=True, slots=True)
class KeywordScores:
    """Scores of a query, as shares of the attainable score in [0, 1]."""

    slots: Slots
    """The memories that have any of the words but the common ones."""
    sums: Sums
    """Of each of them: the gains of those words."""
    scores: Sums
    """The same with the length of the memory taken into account."""
    once: Scores
    """By slot: what one occurrence counts."""
    common: list[Common] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        """Whether every memory with any of the words can be among the best."""
        return not self.common

    def best(self, allowed: Mask | None, limit: int) -> Slots:
        """Return the allowed slots with the best scores above 0, so many of them if there are."""
        slots, scores = self.slots, self.scores
        if allowed is not None:
            places = np.flatnonzero(allowed[slots])
            slots, scores = slots[places], scores[places]
        if len(slots) > limit:
            slots = slots[np.sort(best_places(scores, limit))]
        return slots

    def leading(self, slots: Slots, count: int) -> Slots:
        """Return the best of these slots, by the words that chose them."""
        if len(slots) <= count:
            return slots
        return slots[best_places(self.scores[self.slots.searchsorted(slots)], count)]

    def of(self, slots: Slots) -> Sums:
        """Return the scores of these slots."""
        places, is_found = _places(self.slots, slots)
        if not self.common:
            return np.minimum(self.scores.take(places, mode="clip") * is_found, 1.0)
        sums = self.sums.take(places, mode="clip") * is_found
        once, narrow = self.once[slots], slots.astype(np.uint32)
        for word in self.common:
            word.add_to(sums, narrow, once)
        scores: Sums = np.minimum(sums * once, 1.0)
        return scores


def scored(
    postings: Postings, terms: Sequence[Term], factor: float, once: Scores, common: list[Common]
) -> KeywordScores:
    """Return what terms give the memories that have them.

    Args:
        postings: Says which memories have which words.
        terms: The words that choose memories, at least one, each of them in `postings`.
        factor: What gains are multiplied by.
        once: By slot: what one occurrence counts.
        common: Words that add to scores and choose nothing.
    """
    gains = np.zeros(len(terms) * MOST_WORDS_OF_TERM)
    lists: list[npt.NDArray[np.uint32]] = []
    codes: list[int] = []
    repeats: list[tuple[int, npt.NDArray[np.uint32], Scores]] = []
    for number, term in enumerate(terms):
        for code, (word, gain) in enumerate(term.words, number << _RANK_BITS):
            gains[code] = factor * gain
            for slots in postings.lists(word):
                lists.append(slots)
                codes.append(code)
            found = postings.repeats(word)
            if found is not None:
                repeats.append((code, *found))
    sizes = [len(slots) for slots in lists]
    keys = _keys(np.concatenate(lists), np.repeat(codes, sizes))
    keys.sort()
    if any(len(term.words) > 1 for term in terms):
        # Of several words of one term in one memory, the best counts, which comes first.
        keys = keys[_is_first(keys >> _RANK_BITS)]
    gained = gains[keys & ((1 << _SLOT_BITS) - 1)]
    if repeats:
        _add_repeats(gained, keys, repeats, once)
    slots_of_keys = keys >> _SLOT_BITS
    starts = np.flatnonzero(_is_first(slots_of_keys))
    slots_found = slots_of_keys[starts]
    sums = np.add.reduceat(gained, starts)
    return KeywordScores(slots_found, sums, sums * once[slots_found], once, common)


def _keys(slots: npt.NDArray[np.uint32], codes: npt.NDArray[np.int64]) -> Slots:
    keys = slots.astype(np.int64)
    keys <<= _SLOT_BITS
    keys |= codes
    return keys


def _places(
    ordered: npt.NDArray[Any], wanted: npt.NDArray[Any]
) -> tuple[Slots, npt.NDArray[np.bool_]]:
    """Return where values stand, or would stand, in an ascending array that has any, and whether they do."""
    places = ordered.searchsorted(wanted)
    return places, ordered.take(places, mode="clip") == wanted


def _is_first(ordered: Slots) -> npt.NDArray[np.bool_]:
    """Return which values differ from the one before."""
    is_first = np.empty(len(ordered), np.bool_)
    is_first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return is_first


def _add_repeats(
    gained: Sums,
    keys: Slots,
    repeats: Sequence[tuple[int, npt.NDArray[np.uint32], Scores]],
    once: Scores,
) -> None:
    """Add what words that stand more than once in a memory give more."""
    codes = np.repeat([code for code, _, _ in repeats], [len(slots) for _, slots, _ in repeats])
    slots = np.concatenate([slots for _, slots, _ in repeats])
    wanted = _keys(slots, codes)
    # A better word of the same term may have taken its place.
    places, is_there = _places(keys, wanted)
    places, slots = places[is_there], slots[is_there]
    counts = np.concatenate([counts for _, _, counts in repeats])[is_there]
    gained[places] *= 1 + _more(counts, once[slots])


def _more(counts: Scores, once: Scores) -> Scores:
    """Return what so many occurrences count more than one, as a multiple of it.

    With the norm n, c occurrences count c / (c + n), and one 1 / (1 + n); the first divided by the second is
    c / (1 + (c - 1) / (1 + n)).
    """
    more: Scores = counts / (1 + (counts - 1) * once) - 1
    return more
