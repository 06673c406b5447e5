"""Ranking: merge the legs' scores into one. Pure functions; a score is higher-is-better everywhere.

Both legs come in absolute terms, so that the merged score is one too, and `min_score` means the same for every query:
    - keyword: the share of the greatest BM25 score that the query's words could reach, in [0, 1];
    - vector: the cosine, with negative values taken as 0, in [0, 1].

Then episodes pass a share of their score on to the ones just before and after them, see `spread`.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EPISODE_GAP_US = 30 * 60 * 1_000_000
"""Episodes that are further apart do not belong to one conversation, microseconds. Half an hour of silence is what web
analytics, too, take for the end of a session."""

SPREAD_FROM = 30
"""How many of the best spread at least: the tail of the list has no score worth passing on."""

BM25_K1 = 1.2
BM25_B = 0.75
"""Saturation and length normalisation of BM25: those that tantivy has built in, so that the exactly scanned tail and
the index score alike."""

GENTLE_B = 0.3
"""Length normalisation that is wanted: memories are short and of uneven length, and a long one that says more is not
worse. The strong normalisation of full-text search buries it."""


@dataclass(frozen=True, slots=True)
class RankingOptions:
    """What recall weighs; the defaults come from sweeps, see docs/benchmarks.md."""

    keyword_weight: float = 1.0
    vector_weight: float = 0.5
    """Weights of the legs of a hybrid recall, dimensionless; only their ratio matters. A weak static embedder lowers
    recall when it counts as much as keywords, and raises it at half their weight; a stronger one deserves more."""

    spread: float = 0.3
    """Share of an episode's score that goes to the one just before and the one just after, dimensionless. An answer
    often has none of the question's words, but stands beside the turn that has."""

    def weights(self, *, with_keywords: bool, with_vectors: bool) -> "Weights":
        """Return the weights of the legs that are in use; they add up to 1."""
        keyword = self.keyword_weight if with_keywords else 0.0
        vector = self.vector_weight if with_vectors else 0.0
        total = keyword + vector
        return Weights(keyword / total, vector / total) if total else Weights(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """What a score is made of: the legs' shares after their weights and the share from beside; or a distance."""

    keyword: float = 0.0
    vector: float = 0.0
    links: float = 0.0
    distance: float = 0.0


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each leg counts; they add up to 1."""

    keyword: float
    vector: float


def merge(
    keyword: Mapping[int, float], cosine: Mapping[int, float], legs: Weights
) -> dict[int, float]:
    """Merge the legs' scores.

    Args:
        keyword: Share of the attainable keyword score by commit, in [0, 1].
        cosine: Cosine by commit, in [-1, 1]; what a leg did not find counts as 0.
        legs: Weights of the legs.

    Returns:
        Score by commit, in [0, 1].
    """
    by_word, by_vector = legs.keyword, legs.vector
    return {
        seq: by_word * keyword.get(seq, 0.0) + by_vector * min(max(cosine.get(seq, 0.0), 0.0), 1.0)
        for seq in keyword.keys() | cosine.keys()
    }


def spread(
    merged: Mapping[int, float], adjacent: Mapping[int, Sequence[int]], share: float
) -> dict[int, float]:
    """Return what each commit gets from the best one beside it, in [0, share].

    Args:
        merged: Scores by commit.
        adjacent: For the commits that spread, the commits beside them.
        share: How much of its score each passes on.
    """
    gained: dict[int, float] = {}
    for seq, others in adjacent.items():
        for other in others:
            gained[other] = max(gained.get(other, 0.0), share * merged[seq])
    return gained


def rank(
    merged: Mapping[int, float],
    gained: Mapping[int, float],
    *,
    limit: int,
    min_score: float | None = None,
) -> list[tuple[int, float]]:
    """Return the best (commit, score), best first; of equals the latest write first.

    Args:
        merged: Scores by commit, in [0, 1].
        gained: What commits get from those beside them, in [0, 1]; empty when nothing is spread.
        limit: How many.
        min_score: Leave out what scores below. None: leave out only what nothing speaks for.

    Returns:
        Scores in [0, 1].
    """
    # Plain tuples and one pass: this runs over some hundred candidates in every recall.
    scored = [
        (min(merged.get(seq, 0.0) + gained.get(seq, 0.0), 1.0), seq)
        for seq in merged.keys() | gained.keys()
    ]
    return [
        (seq, score)
        for score, seq in heapq.nlargest(limit, scored)
        if (score > 0 if min_score is None else score >= min_score)
    ]


def best_of(merged: Mapping[int, float], limit: int) -> list[int]:
    """Return the commits with the best scores, best first."""
    return heapq.nlargest(limit, merged, key=lambda seq: (merged[seq], seq))


def length_correction(relative_length: float) -> float:
    """Return the factor that turns a score with `BM25_B` into one with `GENTLE_B`.

    It is exact for words that occur once, which is nearly all of them in a memory.

    Args:
        relative_length: Length of the memory as a multiple of the mean, 0 or more.
    """
    strong = 1 + BM25_K1 * (1 - BM25_B + BM25_B * relative_length)
    gentle = 1 + BM25_K1 * (1 - GENTLE_B + GENTLE_B * relative_length)
    return strong / gentle


def attainable_bm25(idfs: Sequence[float]) -> float:
    """Return the score that a memory could reach at most for words of these IDFs."""
    return (BM25_K1 + 1) * sum(idfs)
