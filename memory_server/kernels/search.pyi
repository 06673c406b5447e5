"""Searches: what both legs find, the episodes beside the best of it, and what all of that scores.

A search runs without the interpreter's lock. What it reads must not change meanwhile.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from memory_server.kernels.candidates import Facts, Neighbours
from memory_server.kernels.keywords import WordsOf
from memory_server.kernels.vectors import Nearest

_Slots: TypeAlias = npt.NDArray[np.int64]
_Scores: TypeAlias = npt.NDArray[np.float64]

Columns: TypeAlias = tuple[_Scores, _Scores, _Slots, _Scores, _Slots, npt.NDArray[np.bool_]]
"""Of each memory: its score by words, and its cosine, 0 where there is none; when it happened; its importance; the
number of its session; whether it asks something."""

Found: TypeAlias = tuple[_Slots, Columns, _Slots | None, bool]
"""The commits, in the order of their slots; what is known of each; the places of those beside each, shape (memories, 2,
reach), -1: none, known of the best of each leg; and whether every allowed memory was compared."""

class Leg:
    """The vector leg of one search.

    Args:
        nearest: Finds the rows.
        query: Number of the query there.
        slots: By row: its slot.
        rows: By slot: its row; -1: none.

    Raises:
        IndexError: There is no such query.
    """

    def __init__(self, nearest: Nearest, query: int, slots: _Slots, rows: _Slots) -> None: ...

class Search:
    """One search; it is done once.

    Args:
        words: The words of the query. None: no memory has any, or nobody asks for words.
        leg: The same for the vector.
        facts: What ranking looks at.
        neighbours: What stands beside the best is found, too. None: it is not.
        allowed: By slot: whether it may be found. None: all.
        limit: How many each leg finds at most.
        spread_from: How many of the best of each leg have neighbours at most.
    """

    def __init__(
        self,
        words: WordsOf | None,
        leg: Leg | None,
        facts: Facts,
        neighbours: Neighbours | None,
        allowed: npt.NDArray[np.bool_] | None,
        limit: int,
        spread_from: int,
    ) -> None: ...
