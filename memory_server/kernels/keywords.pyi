"""What the words of a query give each memory."""

from array import array
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_Slots32: TypeAlias = npt.NDArray[np.uint32]
_Scores: TypeAlias = npt.NDArray[np.float32]
_Repeats: TypeAlias = tuple[array[int], array[float]]
"""The slots in which a word stands more than once, ascending, and how often."""

_Lists: TypeAlias = tuple[
    dict[str, int],
    array[int],
    npt.NDArray[np.int64],
    _Slots32,
    list[array[int] | None],
    dict[int, _Repeats],
    _Slots32,
    _Slots32,
]
"""By word, its number. By number: how many memories have it; where its slots begin in the next array, and one more;
these slots; those that came since; where it stands more than once. The other way round: the numbers of the words of all
slots, slot by slot, and where those of each slot end."""

class WordsOf:
    """The words of a query, and where they stand; it is true if any memory has any of them.

    A word counts by its IDF, one that stands for another by its share of that; of the words that stand for one, the one
    that gives most counts. The words choose memories from the rarest on; those that are left only add to the scores of
    these. Nothing may be added to the lists while this is used.

    Args:
        words: The query's, each once.
        others: By word, those that stand for it, each with its worth, above 0 and at most 1; of other words, too.
        lists: Where they are.
        once: By slot: what one occurrence counts, 1 / (1 + norm).
        count: How many memories there are.
        enough: So many occurrences are enough: a word without others that comes after chooses no memory.
        common: And so does one that more memories have than this.
    """

    def __init__(
        self,
        words: list[str],
        others: dict[str, tuple[tuple[str, float], ...]],
        lists: _Lists,
        once: _Scores,
        count: int,
        enough: int,
        common: float,
    ) -> None: ...
    def __bool__(self) -> bool: ...

class Occurrences:
    """The sums of one query; to be used for one query after the other, of any partition.

    A word gives a memory its gain times the saturation of BM25, count / (count + norm). Of several words of one term a
    memory gets only the first that it has.

    Args:
        most_numbers: After so many words, those of all queries, the marks begin anew; below 2 to the 32nd.
    """

    def __init__(self, most_numbers: int = ...) -> None: ...
    def search(self, query: WordsOf) -> None:
        """Give each memory what the words of a query give it, as shares of what is attainable.

        Raises:
            IndexError: A slot is beyond those there are.
        """

    def best(
        self, query: WordsOf, allowed: npt.NDArray[np.bool_] | None, limit: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return the slots with the best scores, ascending, and these; of equals the later slot.

        Args:
            query: The last one that was searched for.
            allowed: By slot: whether it may be returned. None: all.
            limit: How many at most.
        """

    def of(self, query: WordsOf, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the scores of slots, at most 1.

        Args:
            query: The last one that was searched for.
            slots: Ascending.
        """
