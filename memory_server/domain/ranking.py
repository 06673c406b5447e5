"""Ranking: merge the legs' scores into one. Pure functions; a score is higher-is-better everywhere.

Both legs come in absolute terms, so that the merged score is one too, and `min_score` means the same for every query:
    - keyword: the share of the greatest BM25 score that the query's words could reach, in [0, 1];
    - vector: the cosine, with negative values taken as 0, in [0, 1].
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KEYWORD_WEIGHT = 1.0
VECTOR_WEIGHT = 0.5
"""Weights of the legs of a hybrid recall, dimensionless; only their ratio matters.

Source: a weak static embedder lowers recall when it counts as much as keywords, and raises it at half their weight.
The weight belongs to the embedder: a stronger one deserves more.
"""

BM25_K1 = 1.2
BM25_B = 0.75
"""Saturation and length normalisation of BM25: those that tantivy has built in, so that the exactly scanned tail and
the index score alike."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A memory, named by the commit that wrote it, with its score and the parts that add up to it."""

    commit_seq: int
    score: float
    keyword: float
    vector: float


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each leg counts; they add up to 1."""

    keyword: float
    vector: float


def weights(*, with_keywords: bool, with_vectors: bool) -> Weights:
    """Return the weights of the legs that are in use."""
    keyword = KEYWORD_WEIGHT if with_keywords else 0.0
    vector = VECTOR_WEIGHT if with_vectors else 0.0
    total = keyword + vector
    return Weights(keyword / total, vector / total) if total else Weights(0.0, 0.0)


def rank(
    keyword: Mapping[int, float],
    cosine: Mapping[int, float],
    legs: Weights,
    *,
    limit: int,
    min_score: float | None = None,
) -> list[Ranked]:
    """Merge the legs' scores and return the best, best first; of equals the latest write first.

    Args:
        keyword: Share of the attainable keyword score by commit, in [0, 1].
        cosine: Cosine by commit, in [-1, 1]; what a leg did not find counts as 0.
        legs: Weights of the legs.
        limit: How many.
        min_score: Leave out what scores below. None: leave out only what no leg speaks for.

    Returns:
        Scores in [0, 1].
    """
    by_word, by_vector = legs.keyword, legs.vector
    # Plain tuples and one pass: this runs over some hundred candidates in every recall.
    scored = [
        (by_word * keyword.get(seq, 0.0) + by_vector * max(cosine.get(seq, 0.0), 0.0), seq)
        for seq in keyword.keys() | cosine.keys()
    ]
    best = heapq.nlargest(limit, scored)
    return [
        Ranked(
            seq,
            min(score, 1.0),
            by_word * keyword.get(seq, 0.0),
            by_vector * max(cosine.get(seq, 0.0), 0.0),
        )
        for score, seq in best
        if (score > 0 if min_score is None else score >= min_score)
    ]


def attainable_bm25(idfs: Sequence[float]) -> float:
    """Return the score that a memory could reach at most for words of these IDFs."""
    return (BM25_K1 + 1) * sum(idfs)
