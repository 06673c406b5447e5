"""Keywords of one partition: BM25 over an inverted list in arrays, exact and always up to date.

Theory of operation:
    A memory's score is the sum, over the query's words that it has, of the word's IDF times a saturation. The
    saturation of a word that stands there once depends on the memory's length alone; so the IDFs are added up first,
    over plain lists of slots, and multiplied by it once. What stands there more often is corrected for. The loops are
    compiled, see `memory_server.kernels.keywords`.

Rules:
    1. Every memory that has one of the words is scored, but for the common words of a large partition, which are looked
       up in what the rarer ones found; a filter only decides which may be among the best.
    2. A partition has an index of its own, so that no tenant's words weigh in another's scores.
    3. What is removed counts no more, in no frequency and no mean.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.analysis import (
    question_words_of,
    surfaces_of,
    words_of,
)
from memory_server.adapters.embedded.index.columns import Column
from memory_server.adapters.embedded.index.kindred import Kindred, Ranked, spellings_of
from memory_server.adapters.embedded.index.postings import Postings
from memory_server.domain.ranking import length_norm, mean_length
from memory_server.kernels.keywords import WordsOf
from memory_server.ports import WordVectors

COMMON_SHARE = 0.1
COMMON_COUNTS = (10, 60)
"""A word that so many memories have, as a share and within these numbers, has no kindred: it finds enough by itself."""

COMMON_LEAST = 10_000
VERY_COMMON_SHARE = 0.05
"""In a partition of so many memories, words that so many of them have choose no candidates where rarer words do."""

ENOUGH_FOUND = 4096
"""The words of a query choose candidates from the rarest on, until so many occurrences were found; those that are left
only add to scores. So the work for a query does not grow with the partition."""


class KeywordIndex:
    """The words of one partition's memories."""

    def __init__(self, vectors: WordVectors | None, postings: Postings | None = None) -> None:
        self.postings = Postings() if postings is None else postings
        self._lengths = Column(np.int32)
        self._waiting_lengths: list[int] = []
        """Those of the last slots, until somebody looks."""
        self._total_length = 0
        self._count = 0
        """Live memories."""
        self.kindred = Kindred(vectors) if vectors else None
        self._saturations: tuple[float, int, npt.NDArray[np.float32]]
        self._saturations = (0.0, 0, np.empty(0, np.float32))

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
        made._lengths = Column(np.int32, lengths)
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
        self._waiting_lengths.append(len(words))
        self._total_length += len(words)
        self._count += 1
        new = self.postings.add(slot, words)
        if new and self.kindred and (learnt := self.kindred.learnable(new)):
            surfaces = dict(zip(words, surfaces_of(text), strict=True))
            self.kindred.learn({word: surfaces[word] for word in learnt})

    @property
    def lengths(self) -> Column:
        """How many words each slot has."""
        if self._waiting_lengths:
            waiting, self._waiting_lengths = self._waiting_lengths, []
            self._lengths.extend(waiting)
        return self._lengths

    @property
    def surfaces(self) -> Mapping[str, str]:
        """The words that kindred are looked for among, with their endings."""
        return self.kindred.surfaces if self.kindred else {}

    def words_of(self, texts: Sequence[str]) -> list[WordsOf | None]:
        """Return what the words of each query are, to be let go before the next change; None: no memory has any."""
        if not texts:
            return []
        queries = [question_words_of(text) for text in texts]
        # What stands for their words is looked for in one pass; where two end one word differently, as the first does.
        every: dict[str, str] = {}
        for words in reversed(queries):
            every |= words
        others = self._others(every)
        once, lists = self._once(), self.postings.lists
        common = VERY_COMMON_SHARE * self._count if self._count >= COMMON_LEAST else math.inf
        found = [
            WordsOf(list(words), others, lists, once, self._count, ENOUGH_FOUND, common)
            for words in queries
        ]
        return [each or None for each in found]

    def _others(self, words: Mapping[str, str]) -> dict[str, Ranked]:
        """Return what stands for each word: other spellings of one that no memory has, or kindred of a rare one."""
        others: dict[str, Ranked] = {}
        asked: dict[str, str] = {}
        least, most = COMMON_COUNTS
        rare = min(max(COMMON_SHARE * self._count, least), most)
        for word, surface in words.items():
            frequency = self.postings.frequency(word)
            if frequency == 0 and (found := spellings_of(word, self.postings.numbers)):
                others[word] = found
            elif frequency <= rare:
                asked[word] = surface
        if self.kindred is not None and asked:
            others |= self.kindred.of(asked)
        return others

    def _once(self) -> npt.NDArray[np.float32]:
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
