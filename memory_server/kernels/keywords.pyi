"""What the words of a query give each memory."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_Slots32: TypeAlias = npt.NDArray[np.uint32]
_Scores: TypeAlias = npt.NDArray[np.float32]
_Repeats: TypeAlias = tuple[_Slots32, _Scores]
"""The slots in which a word stands more than once, ascending, and how often."""

class Occurrences:
    """The sums of one query; to be used for one query after the other.

    A word gives a memory its gain times the saturation of BM25, count / (count + norm). Of several words of one term a
    memory gets only the first that it has.

    Args:
        most_numbers: After so many words, those of all queries, the marks begin anew; below 2 to the 32nd.
    """

    def __init__(self, most_numbers: int = ...) -> None: ...
    def begin(self, once: _Scores) -> None:
        """Begin a query; what was found before is forgotten.

        Args:
            once: By slot: what one occurrence counts, 1 / (1 + norm).
        """

    def begin_term(self) -> None:
        """Let the words that follow stand for another word of the query."""

    def add(self, gain: float, lists: list[_Slots32], repeats: _Repeats | None) -> None:
        """Add the next word of the term.

        Args:
            gain: More than 0.
            lists: The slots that have it.
            repeats: Where it stands more than once; None: nowhere.

        Raises:
            IndexError: A slot is beyond those of `begin`.
        """

    def best(
        self, allowed: npt.NDArray[np.bool_] | None, limit: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return the slots with the best scores, ascending, and these; of equals the later slot.

        Args:
            allowed: By slot: whether it may be returned. None: all.
            limit: How many at most.
        """

    def of(
        self,
        slots: npt.NDArray[np.int64],
        looked_up: list[tuple[float, int, _Repeats | None]],
        words: npt.NDArray[np.uint32],
        ends: npt.NDArray[np.uint32],
    ) -> npt.NDArray[np.float64]:
        """Return the scores of slots, at most 1.

        Args:
            slots: Ascending.
            looked_up: Words that add to scores and chose no slot: gain, number, and where it stands more than once.
            words: The numbers of the words of all slots, slot by slot.
            ends: By slot: where its words end.
        """
