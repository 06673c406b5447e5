"""Ranking: merge the legs' scores into one. Pure functions; a score is higher-is-better everywhere.

Both legs come in absolute terms, so that the merged score is one too, and `min_score` means the same for every query:
    - keyword: the share of the greatest BM25 score that the query's words could reach, in [0, 1];
    - vector: the cosine, with negative values taken as 0, in [0, 1].
"""

from collections.abc import Iterable, Sequence
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
class Candidate:
    """A memory that at least one leg found, named by the commit that wrote it."""

    commit_seq: int
    keyword: float = 0.0
    cosine: float | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score and the parts that add up to it."""

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


def rank(candidates: Iterable[Candidate], legs: Weights, min_score: float | None) -> list[Ranked]:
    """Order candidates by their merged score, best first; of equals the latest write first.

    Args:
        candidates: Each memory once.
        legs: Weights of the legs.
        min_score: Leave out what scores below. None: leave out only what no leg speaks for.

    Returns:
        Scores in [0, 1].
    """
    ranked = (_score(candidate, legs) for candidate in candidates)
    kept = [
        entry
        for entry in ranked
        if (entry.score > 0 if min_score is None else entry.score >= min_score)
    ]
    return sorted(kept, key=lambda entry: (-entry.score, -entry.commit_seq))


def _score(candidate: Candidate, legs: Weights) -> Ranked:
    keyword = legs.keyword * min(candidate.keyword, 1.0)
    vector = legs.vector * min(max(candidate.cosine or 0.0, 0.0), 1.0)
    return Ranked(candidate.commit_seq, keyword + vector, keyword, vector)


def attainable_bm25(idfs: Sequence[float]) -> float:
    """Return the score that a memory could reach at most for words of these IDFs."""
    return (BM25_K1 + 1) * sum(idfs)
