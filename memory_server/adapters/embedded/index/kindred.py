"""Words that stand for each other: related in meaning, by the vectors of words, or misspelt.

A question names a thing in other words than the memory does: "apartment" and "flat", "purchase" and "bought". The
vector of a whole text blurs that; the vectors of single words tell it. So a word of a query brings along the few words
of the partition that are nearest to it, each for what its nearness is worth.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice

import numpy as np

from memory_server.adapters.embedded.index.columns import grown
from memory_server.adapters.embedded.index.rough import RoughRows
from memory_server.kernels import vectors as kernel
from memory_server.ports import Vectors, WordVectors

MOST_KINDRED = 5
LEAST_COSINE = 0.4
WORTH = 1.0
"""How many words stand for one at most, how near they must be, and what a perfectly near one is worth."""

MOST_WORDS = 20_000
"""Words of a partition that are compared: the first that came. Later ones are names and numbers, mostly."""

_LEAST_LENGTH = 3
_CACHED_WORDS = 8192

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LEAST_SPELT = 5
SPELLING_WORTH = 0.8
"""What a word is worth that differs by one letter from one that no memory has."""

_NO_ROWS = np.empty(0, np.int64)

Ranked = tuple[tuple[str, float], ...]
"""Words that stand for another one with what each is worth, the best first."""


class Kindred:
    """The vectors of a partition's words."""

    def __init__(self, vectors: WordVectors) -> None:
        self._vectors = vectors
        self.surfaces: dict[str, str] = {}
        """The words that are compared, in the order they came, with their endings."""
        self._words: list[str] = []
        self._rows: Vectors = np.empty((0, vectors.dimensions), np.float32)
        self._rough = RoughRows(vectors.dimensions)
        self._cached: dict[str, tuple[int, Ranked]] = {}

    def learnable(self, words: Iterable[str]) -> list[str]:
        """Return those of some new words that `learn` would take in."""
        room = MOST_WORDS - len(self.surfaces)
        return [word for word in words if len(word) >= _LEAST_LENGTH and word.isalpha()][:room]

    def learn(self, words: Mapping[str, str]) -> None:
        """Take in words with their endings; their vectors are made when the first query comes."""
        for word in self.learnable(words):
            self.surfaces[word] = words[word]

    def of(self, words: Mapping[str, str]) -> dict[str, Ranked]:
        """Return the words that stand for each of some words, without itself.

        Args:
            words: Words with their endings.
        """
        self._embed_new()
        count = len(self._words)
        found = {word: self._cached.get(word, (0, ())) for word in words}
        stale = [word for word, (known, _) in found.items() if known < count]
        if stale:
            start = min(found[word][0] for word in stale)
            new = self._nearest([words[word] for word in stale], start)
            if len(self._cached) + len(stale) > _CACHED_WORDS:
                for old in list(islice(self._cached, _CACHED_WORDS // 2)):
                    del self._cached[old]
            for word, near in zip(stale, new, strict=True):
                others = {**near, **dict(found[word][1])}
                others.pop(word, None)
                best = sorted(others.items(), key=lambda entry: -entry[1])[:MOST_KINDRED]
                found[word] = self._cached[word] = (count, tuple(best))
        return {word: ranked for word, (_, ranked) in found.items()}

    def _nearest(self, surfaces: Sequence[str], start: int) -> list[dict[str, float]]:
        """Return, for each query word, the nearest words from `start` on, with what each is worth."""
        queries, count = self._vectors.of(surfaces), len(self._words)
        # One more than are kept: the word itself is the nearest.
        found = kernel.nearest_in_rows(
            self._rows[:0],
            self._rows,
            queries,
            _NO_ROWS,
            start,
            count,
            None,
            MOST_KINDRED + 1,
            self._rough.arrays,
            LEAST_COSINE,
        ).found()
        return [
            {
                self._words[row]: WORTH * cosine**2
                for row, cosine in zip(rows.tolist(), cosines.tolist(), strict=True)
                if cosine >= LEAST_COSINE
            }
            for rows, cosines, _ in found
        ]

    def _embed_new(self) -> None:
        if len(self.surfaces) == len(self._words):
            return
        new = list(self.surfaces)[len(self._words) :]
        made = self._vectors.of([self.surfaces[word] for word in new])
        count = len(self._words) + len(made)
        self._rows = grown(self._rows, count)
        self._rows[len(self._words) : count] = made
        self._rough.append(made)
        self._words += new


def spellings_of(word: str, known: Mapping[str, int]) -> Ranked:
    """Return the known words that differ by one letter, left out, added, changed or swapped with the next."""
    if len(word) < _LEAST_SPELT or not word.isalpha():
        return ()
    return tuple((other, SPELLING_WORTH) for other in sorted(_one_off(word)) if other in known)[
        :MOST_KINDRED
    ]


@lru_cache(_CACHED_WORDS)
def _one_off(word: str) -> frozenset[str]:
    halves = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    left_out = {head + tail[1:] for head, tail in halves if tail}
    swapped = {head + tail[1] + tail[0] + tail[2:] for head, tail in halves if len(tail) > 1}
    changed = {head + letter + tail[1:] for head, tail in halves if tail for letter in _LETTERS}
    added = {head + letter + tail for head, tail in halves for letter in _LETTERS}
    return frozenset(left_out | swapped | changed | added) - {word}
