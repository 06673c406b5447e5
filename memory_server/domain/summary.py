"""Summing texts up without a language model: the sentences that say most about what all of them are about.

A sentence scores by the words it shares with the others, each by how seldom it is in the texts as a whole; long
sentences win nothing by their length. This is extraction: nothing is worded anew, so nothing is invented.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence

from memory_server.domain.memory import MetadataValue

CONSOLIDATED_FROM = "consolidated_from"
"""Type of the link from a summary to each of its sources."""

CONSOLIDATION = "consolidation"
"""Name of the metadata value that tells which consolidation wrote a summary."""


def subject_digest(key: str, value: MetadataValue) -> bytes:
    """Return what a summary keeps of a metadata value of a source that is gone."""
    # As values are compared: minus zero is zero, and true is not 1.
    own = value + 0.0 if isinstance(value, float) else value
    return hashlib.sha256(repr((key, own)).encode("utf-8", "surrogatepass")).digest()


_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")
_WORD = re.compile(r"\w+")


def summary(texts: Sequence[str], max_bytes: int) -> str:
    """Return the best sentences in their order, one a line, in at most so many bytes of UTF-8.

    A text whose best sentence alone is too long is cut, between characters.
    """
    sentences = list(dict.fromkeys(filter(None, map(str.strip, _split(texts)))))
    words = [_words(sentence) for sentence in sentences]
    frequency = Counter(word for some in words for word in set(some))
    count = len(sentences)

    def score(place: int) -> float:
        some = set(words[place])
        # A word of one sentence only says nothing about the whole, one of all sentences says it anyway.
        shared = (
            frequency[word] / count * math.log(count / frequency[word] + 1)
            for word in some
            if frequency[word] > 1
        )
        return sum(shared) / math.sqrt(len(some) + 1)

    chosen: list[int] = []
    room = max_bytes
    for place in sorted(range(count), key=lambda place: (-score(place), place)):
        size = len(sentences[place].encode("utf-8", "replace")) + 1
        if size <= room:
            chosen.append(place)
            room -= size
    if not chosen and sentences:
        return sentences[0].encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")
    return "\n".join(sentences[place] for place in sorted(chosen))


def _split(texts: Sequence[str]) -> list[str]:
    return [sentence for text in texts for sentence in _SENTENCE_END.split(text)]


def _words(sentence: str) -> list[str]:
    return _WORD.findall(sentence.casefold())
