"""The arithmetic of ranking, see `memory_server.domain.ranking`; every array has one place per candidate."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

_Scores: TypeAlias = npt.NDArray[np.float64]

def merged(keyword: _Scores, cosine: _Scores, words: float, vectors: float) -> _Scores:
    """Return the weighted sums of both legs, at most 1; a negative cosine counts as 0."""

def best_places(scores: npt.NDArray[np.floating[Any]], limit: int) -> npt.NDArray[np.int64]:
    """Return the places of the best scores, ascending; of equals the later place."""

def ranked(
    base: _Scores, factor: _Scores, limit: int, min_score: float | None
) -> tuple[list[int], list[float]]:
    """Return the places with the greatest products, the best first, of equals the later; and these, at most 1.

    Args:
        base: _Scores.
        factor: What each is multiplied by.
        limit: How many at most.
        min_score: What scores below is left out. None: what does not score above 0.
    """

def from_beside(
    relevant: _Scores,
    beside: npt.NDArray[np.int64],
    asks: npt.NDArray[np.bool_],
    before: float,
    after: float,
    answer: float,
) -> _Scores:
    """Return the greatest share that each gets from those that it stands beside.

    Args:
        relevant: _Scores.
        beside: Shape (candidates, 2, reach): the places before and after it, the nearest first; -1: none.
        asks: Whether it asks something.
        before: Share for those before it.
        after: Share for those after it.
        answer: The same for the one just after what asks.
    """

def from_session(
    relevant: _Scores,
    sessions: npt.NDArray[np.int64],
    times_us: npt.NDArray[np.int64],
    share: float,
    gap_us: int,
    gained: _Scores,
) -> None:
    """Raise what each gained to its share of the best other candidate of its conversation.

    Candidates that are neither relevant nor gained anything take no part.

    Args:
        relevant: _Scores.
        sessions: Number of the session; 0: it names none; negative: it takes no part.
        times_us: When it happened, microseconds.
        share: Share of the best one's score.
        gap_us: Where no session is named, a longer silence ends a conversation, microseconds.
        gained: What each gained so far; written.
    """
