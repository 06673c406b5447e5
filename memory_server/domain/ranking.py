"""Ranking: make one score of what speaks for each candidate. Pure, over arrays of candidates; higher is better.

Both legs come in absolute terms, so that the merged score is one too, and `min_score` means the same for every query:
    - keyword: the share of the greatest BM25 score that the query's words could reach, in [0, 1];
    - vector: the cosine, with negative values taken as 0, in [0, 1].

Episodes pass a share of their score on to those beside them, see `spread`, and memories to those that they are linked
with. What happened at a time that the question names has something added. Then recency, importance and context lift a
score, each by a bounded factor, so that relevance dominates.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from memory_server.domain.importance import ImportanceScale, Shape
from memory_server.domain.spans import Span, within
from memory_server.kernels import ranking as kernel

Scores = npt.NDArray[np.float64]
"""Shape (candidates,)."""

EPISODE_GAP_US = 30 * 60 * 1_000_000
"""Episodes that are further apart do not belong to one conversation, microseconds. Half an hour of silence is what web
analytics, too, take for the end of a session. Where memories name their session, that decides, and not the time."""

REACH = 1
"""How many episodes before and after a good one gain from it; a second step changed no answer."""

SPREAD_FROM = 20
"""How many of the best of each leg spread at least: the tail of the list has no score worth passing on."""

BM25_K1 = 1.2
BM25_B = 0.3
"""Saturation and length normalisation of BM25. The usual 0.75 buries long memories; here they are short, of uneven
length, and one that says more is not worse."""

_MEAN_STEP = 1.1
"""The mean length is taken in steps of a tenth, so that one more memory does not move every score."""


@dataclass(frozen=True, slots=True)
class RankingOptions:
    """What recall weighs; the defaults come from sweeps, see docs/benchmarks.md."""

    keyword_weight: float = 1.0
    vector_weight: float = 1.0
    """Weights of the legs of a hybrid recall, dimensionless; only their ratio matters. Cosines of short texts are
    smaller than shares of words, so that words lead at equal weights."""

    after: float = 0.2
    before: float = 0.15
    """Share of an episode's score that goes to the one just after and the one just before, dimensionless. An answer
    often has none of the question's words, but stands beside the turn that has."""

    answer: float = 0.5
    """The same for the one just after, where the episode asks something."""

    session: float = 0.15
    """Share that goes from the best episode of a session to the others in it that anything speaks for."""

    linked: float = 0.7
    """Share of a memory's score that goes to those it is linked with, dimensionless. A link that somebody made means
    more than standing side by side."""

    recency: float = 0.2
    importance: float = 0.1
    context: float = 0.3
    """By how much of its score each lifts a memory at most, dimensionless; recency and importance together by half.
    Recency lifts only where the namespace's policy has a half-life: what is old is not wrong unless its owner says
    so."""

    named_time: float = 0.2
    """What is added to a score, in [0, 1], where the memory's event was at a time that the question names. Added, not
    multiplied: where a question says little else, it is all that speaks for the answer."""

    def weights(self, *, with_keywords: bool, with_vectors: bool) -> "Weights":
        """Return the weights of the legs that are in use; they add up to 1."""
        keyword = self.keyword_weight if with_keywords else 0.0
        vector = self.vector_weight if with_vectors else 0.0
        total = keyword + vector
        return Weights(keyword / total, vector / total) if total else Weights(0.0, 0.0)


class Weights(NamedTuple):
    """How much each leg counts; they add up to 1."""

    keyword: float
    vector: float


class Candidates(NamedTuple):
    """What recall knows of each candidate, one place per candidate; of equals the later place is the later write."""

    keyword: Scores
    """Share of the attainable keyword score, in [0, 1]."""
    cosine: Scores
    """In [-1, 1]; 0 without an embedding."""
    event_time_us: npt.NDArray[np.int64]
    importance: Scores
    """As the author gave it."""
    scale: ImportanceScale
    """How the importance of the partition's memories is made comparable."""
    session: npt.NDArray[np.int64]
    """Number of the session that it names; 0: none; -1: it is no episode, and takes no part."""
    asks: npt.NDArray[np.bool_]
    """Whether its text asks something."""
    beside: npt.NDArray[np.int64]
    """Shape (candidates, 2, REACH): the places of the episodes before it, the nearest first, and after it; -1: none. It
    is known of the best of each leg."""

    @staticmethod
    def none() -> "Candidates":
        """Return no candidates."""
        nothing = np.empty(0)
        return Candidates(
            nothing,
            nothing,
            np.empty(0, np.int64),
            nothing,
            ImportanceScale(),
            np.empty(0, np.int64),
            np.empty(0, np.bool_),
            no_one_beside(0),
        )


def no_one_beside(count: int) -> npt.NDArray[np.int64]:
    """Return `Candidates.beside` of candidates that stand alone."""
    return np.full((count, 2, REACH), -1, np.int64)


Places = npt.NDArray[np.int64]
_Column = TypeVar("_Column", bound=npt.NDArray[Any])


def joined(one: Candidates, other: Candidates, here: Places, there: Places) -> Candidates:
    """Return two sets of candidates as one; what is in both has one place.

    Args:
        one: First set; its scale is kept.
        other: Second set.
        here: The new place of each of the first.
        there: The same of the second; together they fill all places.
    """
    count = int(max(here.max(initial=-1), there.max(initial=-1))) + 1

    def both(first: _Column, second: _Column) -> _Column:
        made = np.empty((count, *first.shape[1:]), first.dtype)
        made[there], made[here] = second, first
        return made  # type: ignore[return-value] # of the same type

    # -1 points to one place more, which says -1.
    own, others = np.append(here, -1)[one.beside], np.append(there, -1)[other.beside]
    beside = no_one_beside(count)
    beside[there] = others
    beside[here] = np.where(own >= 0, own, beside[here])
    return Candidates(
        both(one.keyword, other.keyword),
        both(one.cosine, other.cosine),
        both(one.event_time_us, other.event_time_us),
        both(one.importance, other.importance),
        one.scale,
        both(one.session, other.session),
        both(one.asks, other.asks),
        beside,
    )


class LinkedPlaces(NamedTuple):
    """Links among candidates, both ways: from, to, and the weight of the link in [0, 1]."""

    sources: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    weights: Scores


class ScoreParts(NamedTuple):
    """What a score is made of: shares that add up to it, but for its bound of 1; or a distance."""

    keyword: float = 0.0
    vector: float = 0.0
    links: float = 0.0
    recency: float = 0.0
    importance: float = 0.0
    context: float = 0.0
    named_time: float = 0.0
    distance: float = 0.0


_NO_FIT: Scores = np.zeros(0)


class Boosts(NamedTuple):
    """What lifts scores beside relevance, dimensionless factors of the score, and the time that recency looks from."""

    recency: float = 0.0
    importance: float = 0.0
    context: float = 0.0
    half_life_us: int = 1
    now_us: int = 0
    fit: Scores = _NO_FIT
    """How well each candidate fits the context, in [0, 1]; empty: no context."""
    named_time: float = 0.0
    times: tuple[Span, ...] = ()
    """The times that the question names."""


class Ranked(NamedTuple):
    """The best places, best first, with their scores in [0, 1] and, where asked for, the parts by the same order."""

    places: list[int]
    scores: list[float]
    parts: list[ScoreParts]


def relevance(candidates: Candidates, legs: Weights) -> Scores:
    """Return the merged scores of the legs, in [0, 1]."""
    return kernel.merged(candidates.keyword, candidates.cosine, legs.keyword, legs.vector)


def spread(
    relevant: Scores, candidates: Candidates, options: RankingOptions, linked: LinkedPlaces | None
) -> Scores:
    """Return what each candidate gets from the best one beside it or linked with it, in [0, 1].

    It is the greatest share, never a sum: many weak neighbours do not make an answer.
    """
    gained = kernel.from_beside(
        relevant,
        candidates.beside,
        candidates.asks,
        options.before,
        options.after,
        options.answer,
    )
    if options.session:
        kernel.from_session(
            relevant,
            candidates.session,
            candidates.event_time_us,
            options.session,
            EPISODE_GAP_US,
            gained,
        )
    if linked is not None and len(linked.sources):
        shares = options.linked * linked.weights * relevant[linked.sources]
        np.maximum.at(gained, linked.targets, shares)
    return gained


def rank(
    candidates: Candidates,
    legs: Weights,
    relevant: Scores,
    gained: Scores,
    boosts: Boosts,
    *,
    limit: int,
    min_score: float | None = None,
    with_parts: bool = True,
) -> Ranked:
    """Return the best candidates, best first; of equals the latest write first.

    Args:
        candidates: What the index found.
        legs: Weights of the legs.
        relevant: What `relevance` says.
        gained: What `spread` says.
        boosts: What lifts scores.
        limit: How many.
        min_score: Leave out what scores below. None: leave out only what nothing speaks for.
        with_parts: Tell what each score is made of.
    """
    timely = _timely(candidates, boosts)
    base = relevant + gained + timely
    lifts = _lifts(candidates, boosts)
    factor: Scores = np.ones(len(base))
    for lift in lifts.values():
        factor += lift
    # By what is above 1 too: of two that answer fully, the lifts decide.
    places, scores = kernel.ranked(base, factor, limit, min_score)
    parts = _parts(candidates, legs, gained, timely, base, lifts, places) if with_parts else []
    return Ranked(places, scores, parts)


def best_places(scores: npt.NDArray[np.floating[Any]], limit: int) -> npt.NDArray[np.int64]:
    """Return the places with the best scores, ascending."""
    return kernel.best_places(scores, limit)


def _timely(candidates: Candidates, boosts: Boosts) -> Scores:
    if not boosts.times:
        return np.zeros(len(candidates.keyword))
    was_then = within(candidates.event_time_us, boosts.times)
    return boosts.named_time * was_then.astype(np.float64)


def _lifts(candidates: Candidates, boosts: Boosts) -> dict[str, Scores]:
    lifts: dict[str, Scores] = {}
    if boosts.recency:
        # What has not happened yet is as recent as can be.
        ages_us = np.maximum(boosts.now_us - candidates.event_time_us, 0)
        lifts["recency"] = boosts.recency * np.exp2(-ages_us / boosts.half_life_us)
    if boosts.importance and candidates.scale.shape is not Shape.EQUAL:
        lifts["importance"] = boosts.importance * candidates.scale.of(candidates.importance)
    if boosts.context and len(boosts.fit):
        lifts["context"] = boosts.context * boosts.fit
    return lifts


def _parts(
    candidates: Candidates,
    legs: Weights,
    gained: Scores,
    timely: Scores,
    base: Scores,
    lifts: dict[str, Scores],
    places: list[int],
) -> list[ScoreParts]:
    columns = {
        "keyword": legs.keyword * candidates.keyword[places],
        "vector": legs.vector * np.maximum(candidates.cosine[places], 0.0),
        "links": gained[places],
        "named_time": timely[places],
        **{name: (base * lift)[places] for name, lift in lifts.items()},
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [ScoreParts(**dict(zip(columns, row, strict=True))) for row in rows]


def mean_length(total: int, count: int) -> float:
    """Return the mean length of memories, in words, in steps."""
    if total == 0:
        return 1.0
    return float(_MEAN_STEP ** round(math.log(total / count, _MEAN_STEP)))


def length_norm(lengths: npt.NDArray[np.int32], mean: float) -> npt.NDArray[np.float32]:
    """Return BM25's normalisation of memories of these lengths; a word that occurs n times counts n / (n + norm)."""
    norms: npt.NDArray[np.float32] = (
        BM25_K1 * (1 - BM25_B + BM25_B / mean * lengths.astype(np.float32))
    ).astype(np.float32)
    return norms


def attainable_bm25(idfs: Sequence[float]) -> float:
    """Return the score that a memory could reach at most for words of these IDFs."""
    return (BM25_K1 + 1) * sum(idfs)
