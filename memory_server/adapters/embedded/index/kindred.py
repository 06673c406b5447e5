"""Words that stand for each other: related in meaning, by the vectors of words, or misspelt.

A question names a thing in other words than the memory does: "apartment" and "flat", "purchase" and "bought". The
vector of a whole text blurs that; the vectors of single words tell it. So a word of a query brings along the few words
of the partition that are nearest to it, each for what its nearness is worth.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from memory_server.ports import Vectors, WordVectors

MOST_KINDRED = 5
LEAST_COSINE = 0.4
WORTH = 1.0
"""How many words stand for one at most, how near they must be, and what a perfectly near one is worth."""

MOST_WORDS = 20_000
"""Words of a partition that are compared: the first that came. Later ones are names and numbers, mostly."""

_LEAST_LENGTH = 3
_CACHED_WORDS = 4096

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LEAST_SPELT = 5
SPELLING_WORTH = 0.8
"""What a word is worth that differs by one letter from one that no memory has."""

_CHUNK = 1024


class Kindred:
    """The vectors of a partition's words."""

    def __init__(self, vectors: WordVectors) -> None:
        self._vectors = vectors
        self.surfaces: dict[str, str] = {}
        """The words that are compared, in the order they came, with their endings."""
        self._words: list[str] = []
        self._rows: Vectors = np.empty((0, vectors.dimensions), np.float32)
        self._cached: dict[str, tuple[int, tuple[tuple[str, float], ...]]] = {}

    def learn(self, words: Mapping[str, str]) -> None:
        """Take in words with their endings; their vectors are made when the first query comes."""
        for word, surface in words.items():
            if len(self.surfaces) >= MOST_WORDS:
                return
            if len(word) >= _LEAST_LENGTH and word.isalpha():
                self.surfaces[word] = surface

    def of(self, word: str, surface: str) -> tuple[tuple[str, float], ...]:
        """Return the words that stand for a word with what each is worth, the best first, without itself."""
        self._embed_new()
        count = len(self._words)
        known, found = self._cached.get(word, (0, ()))
        if known < count:
            found = self._nearest(word, surface, known, found)
            if len(self._cached) >= _CACHED_WORDS:
                self._cached.clear()
            self._cached[word] = (count, found)
        return found

    def _nearest(
        self, word: str, surface: str, known: int, found: tuple[tuple[str, float], ...]
    ) -> tuple[tuple[str, float], ...]:
        """Compare with the words from `known` on; `found` are the nearest of those before."""
        query = self._vectors.of([surface])[0]
        rows = self._rows[known : len(self._words)]
        cosines = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            np.dot(rows[part], query, out=cosines[part])
        new = [
            (self._words[known + place], WORTH * float(cosines[place]) ** 2)
            for place in np.flatnonzero(cosines >= LEAST_COSINE).tolist()
            if self._words[known + place] != word
        ]
        ranked = sorted((*found, *new), key=lambda entry: -entry[1])
        return tuple(ranked[:MOST_KINDRED])

    def _embed_new(self) -> None:
        if len(self.surfaces) == len(self._words):
            return
        new = list(self.surfaces)[len(self._words) :]
        made = self._vectors.of([self.surfaces[word] for word in new])
        count = len(self._words) + len(made)
        if count > len(self._rows):
            grown = np.empty((max(count, 2 * len(self._rows)), made.shape[1]), np.float32)
            grown[: len(self._words)] = self._rows[: len(self._words)]
            self._rows = grown
        self._rows[len(self._words) : count] = made
        self._words += new


def spellings_of(word: str, known: Mapping[str, int]) -> tuple[tuple[str, float], ...]:
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
