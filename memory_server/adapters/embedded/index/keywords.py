"""Keywords of one partition: BM25 over an inverted list in arrays, exact and always up to date.

Theory of operation:
    A memory's score is the sum, over the query's words that it has, of the word's IDF times a saturation. The
    saturation of a word that stands there once depends on the memory's length alone; so the IDFs are added up first,
    over plain lists of slots, and multiplied by it once. What stands there more often is corrected for.

Rules:
    1. Every memory that has one of the words is scored, but for the very common words of a large partition, which are
       looked up in what the rarer ones found; a filter only decides which may be among the best.
    2. A partition has an index of its own, so that no tenant's words weigh in another's scores.
    3. What is removed counts no more, in no frequency and no mean.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.analysis import (
    question_words_of,
    surfaces_of,
    words_of,
)
from memory_server.adapters.embedded.index.columns import Column, Mask, Slots, ascending
from memory_server.adapters.embedded.index.kindred import Kindred, spellings_of
from memory_server.adapters.embedded.index.postings import Postings
from memory_server.domain.ranking import (
    BM25_K1,
    attainable_bm25,
    best_places,
    length_norm,
    mean_length,
)
from memory_server.ports import WordVectors

Scores = npt.NDArray[np.float32]

COMMON_SHARE = 0.1
COMMON_COUNTS = (10, 300)
"""A word that so many memories have, as a share and within these numbers, has no kindred: it finds enough by itself."""

COMMON_LEAST = 10_000
VERY_COMMON_SHARE = 0.05
MOST_COUNTED = 64
"""In a partition of so many memories, words that so many of them have choose no candidates where rarer words do. The
counts of so many such words are kept as arrays over all memories."""


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a query: the words that stand for it, each with its gain, the greatest first."""

    words: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Common:
    """A word that very many memories have; it is looked up only in those that other words found."""

    gain: float
    counts: npt.NDArray[np.uint8]
    """How often it stands in each memory, by slot."""


@dataclass(frozen=True, slots=True)
class KeywordScores:
    """Scores of a query, as shares of the attainable score in [0, 1]."""

    sums: Scores
    """By slot: the gains of its words but the common ones."""
    once: Scores
    """By slot: what one occurrence counts."""
    touched: list[Slots]
    """The slots of each word that was added to the sums."""
    common: list[Common]

    @property
    def is_exact(self) -> bool:
        """Whether every memory with any of the words can be among the best."""
        return not self.common

    def best(self, allowed: Mask | None, limit: int) -> Slots:
        """Return the allowed slots with the best scores above 0, at least `limit` of them if there are."""
        if sum(map(len, self.touched)) < len(self.sums) // 2:
            # A memory is in it once for each of its words, so that so many more hold `limit` different ones.
            found, most = np.concatenate(self.touched), limit * len(self.touched)
        else:
            found, most = np.flatnonzero(self.sums), limit
        if allowed is not None:
            found = found[allowed[found]]
        if len(found) > most:
            scores = self.sums[found] * self.once[found]
            found = found[np.argpartition(scores, len(found) - most)[len(found) - most :]]
        return ascending(found)

    def leading(self, slots: Slots, count: int) -> Slots:
        """Return the best of these slots, by the words that chose them."""
        return slots[best_places(self.sums[slots] * self.once[slots], count)]

    def of(self, slots: Slots) -> npt.NDArray[np.float64]:
        """Return the scores of these slots."""
        sums = self.sums[slots]
        once = self.once[slots]
        for word in self.common:
            counts = word.counts[slots].astype(np.float32)
            sums += word.gain * (counts > 0) * (1 + _more(np.maximum(counts, 1), once))
        scores: npt.NDArray[np.float64] = np.minimum(sums * once, 1.0).astype(np.float64)
        return scores


class KeywordIndex:
    """The words of one partition's memories."""

    def __init__(self, vectors: WordVectors | None, postings: Postings | None = None) -> None:
        self.postings = Postings() if postings is None else postings
        self.lengths = Column(np.int32)
        self._total_length = 0
        self._count = 0
        """Live memories."""
        self.kindred = Kindred(vectors) if vectors else None
        self._counts: dict[str, tuple[tuple[int, int], npt.NDArray[np.uint8]]] = {}
        self._saturations: tuple[float, int, Scores] = (0.0, 0, np.empty(0, np.float32))

    @classmethod
    def over(
        cls,
        vectors: WordVectors | None,
        postings: Postings,
        lengths: npt.NDArray[np.int32],
        surfaces: Mapping[str, str],
    ) -> "KeywordIndex":
        """Return the index of what is there already."""
        made = cls(vectors, postings)
        made.lengths = Column(np.int32, lengths)
        made._total_length = int(lengths.sum())
        made._count = len(lengths)
        if made.kindred:
            made.kindred.learn(surfaces)
        return made

    def remove(self, slot: int) -> None:
        """Drop a memory; the caller's mask hides it."""
        self.postings.remove(slot)
        self._total_length -= int(self.lengths.view[slot])
        self._count -= 1

    def add(self, slot: int, text: str) -> None:
        """Take a memory in; it is found from now on."""
        words = words_of(text)
        self.lengths.append(len(words))
        self._total_length += len(words)
        self._count += 1
        new = self.postings.add(slot, words)
        if new and self.kindred:
            surfaces = dict(zip(words, surfaces_of(text), strict=True))
            self.kindred.learn({word: surfaces[word] for word in new})

    @property
    def surfaces(self) -> Mapping[str, str]:
        """The words that kindred are looked for among, with their endings."""
        return self.kindred.surfaces if self.kindred else {}

    def search(self, text: str) -> KeywordScores | None:
        """Return the scores of a query; None: no memory has any word of it."""
        words = question_words_of(text)
        terms = self._terms(words)
        if not terms:
            return None
        # A word that no memory has counts as one that was not found: what is known of the rest is no full answer.
        missing = [self._idf(0)] * (len(words) - len(terms))
        attainable = attainable_bm25([term.words[0][1] for term in terms] + missing)
        factor = (BM25_K1 + 1) / attainable
        found = KeywordScores(np.zeros(len(self.lengths), np.float32), self._once(), [], [])
        rare = [term for term in terms if not self._is_common(term)]
        for term in rare or terms:
            self._score(term, factor, found)
        if rare:
            for term in terms:
                if self._is_common(term):
                    [(word, idf)] = term.words
                    found.common.append(Common(factor * idf, self._counts_of(word)))
        return found

    def _counts_of(self, word: str) -> npt.NDArray[np.uint8]:
        """Return how often a common word stands in each memory; kept, because the next query has it, too."""
        count, frequency = len(self.lengths), self.postings.frequency(word)
        known = self._counts.get(word)
        if known is not None and known[0] == (count, frequency):
            return known[1]
        counts = np.zeros(count, np.uint8)
        counts[self.postings.slots(word)] = 1
        repeats = self.postings.repeats(word)
        if repeats is not None:
            counts[repeats[0]] = np.minimum(repeats[1], np.iinfo(np.uint8).max)
        if len(self._counts) >= MOST_COUNTED:
            self._counts.clear()
        self._counts[word] = ((count, frequency), counts)
        return counts

    def _is_common(self, term: Term) -> bool:
        return (
            self._count >= COMMON_LEAST
            and len(term.words) == 1
            and self.postings.frequency(term.words[0][0]) > VERY_COMMON_SHARE * self._count
        )

    def _terms(self, words: Mapping[str, str]) -> list[Term]:
        """Return the terms of a query, without the words that neither occur nor have kindred."""
        terms = []
        for word, surface in words.items():
            frequency = self.postings.frequency(word)
            own = self._idf(frequency) if frequency else math.inf
            found = [(word, own)] if frequency else []
            for other, worth in self._others(word, surface, frequency):
                if not self.postings.frequency(other):
                    continue
                # A word that stands in for another is not worth more than that, however rare it is.
                idf = self._idf(self.postings.frequency(other))
                found.append((other, worth * min(own, idf)))
            if found:
                terms.append(Term(tuple(sorted(found, key=lambda entry: -entry[1]))))
        return terms

    def _others(self, word: str, surface: str, frequency: int) -> Sequence[tuple[str, float]]:
        if frequency == 0 and (found := spellings_of(word, self.postings.numbers)):
            return found
        least, most = COMMON_COUNTS
        if self.kindred is None or frequency > min(max(COMMON_SHARE * self._count, least), most):
            return ()
        return self.kindred.of(word, surface)

    def _idf(self, frequency: int) -> float:
        return math.log(1 + (self._count - frequency + 0.5) / (frequency + 0.5))

    def _score(self, term: Term, factor: float, found: KeywordScores) -> None:
        """Add a term to the sums: of several words of it in one memory the best one counts."""
        sums, once = found.sums, found.once
        taken: npt.NDArray[np.bool_] | None = None
        for place, (word, idf) in enumerate(term.words):
            gain = factor * idf
            slots = self.postings.slots(word)
            if taken is not None:
                slots = slots[~taken[slots]]
            sums[slots] += np.float32(gain)
            found.touched.append(slots)
            repeats = self.postings.repeats(word)
            if repeats is not None:
                again, counts = repeats
                if taken is not None:
                    is_free = ~taken[again]
                    again, counts = again[is_free], counts[is_free]
                sums[again] += gain * _more(counts, once[again])
            if place + 1 < len(term.words):
                taken = np.zeros(len(sums), np.bool_) if taken is None else taken
                taken[slots] = True

    def _once(self) -> Scores:
        """Return what one occurrence counts in each memory, by its length; kept until the mean length changes."""
        count = len(self.lengths)
        mean = mean_length(self._total_length, self._count)
        known_mean, known, once = self._saturations
        if known_mean != mean:
            known, once = 0, np.empty(0, np.float32)
        if known < count:
            grown = np.empty(max(count, 2 * known), np.float32) if len(once) < count else once
            grown[:known] = once[:known]
            grown[known:count] = 1 / (1 + length_norm(self.lengths.view[known:count], mean))
            once = grown
        self._saturations = (mean, count, once)
        return once[:count]


def _more(counts: Scores, once: Scores) -> Scores:
    """Return what so many occurrences count more than one, as a multiple of it.

    With the norm n, c occurrences count c / (c + n), and one 1 / (1 + n); the first divided by the second is
    c / (1 + (c - 1) / (1 + n)).
    """
    more: Scores = counts / (1 + (counts - 1) * once) - 1
    return more
