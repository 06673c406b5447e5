"""What the words of a query give each memory."""

import numpy as np
import numpy.typing as npt

_Slots32 = npt.NDArray[np.uint32]
_Scores = npt.NDArray[np.float32]
_Word = tuple[float, list[_Slots32], tuple[_Slots32, _Scores] | None]
"""A word: its gain, the ascending lists of slots that have it, and where and how often it stands more than once."""

class Occurrences:
    """The sums of one query; to be used for one query after the other.

    A word gives a memory its gain times the saturation of BM25, count / (count + norm). Of several words of one term a
    memory gets only the first that it has.
    """

    def begin(self, once: _Scores) -> None:
        """Begin a query; what was found before is forgotten.

        Args:
            once: By slot: what one occurrence counts, 1 / (1 + norm).
        """

    def begin_term(self) -> None:
        """Let the words that follow stand for another word of the query."""

    def add(
        self, gain: float, lists: list[_Slots32], repeats: tuple[_Slots32, _Scores] | None
    ) -> None:
        """Add the next word of the term.

        Args:
            gain: More than 0.
            lists: Slots that have it.
            repeats: Slots in which it stands more than once, ascending, and how often; None: in none.

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

    def of(self, slots: npt.NDArray[np.int64], looked_up: list[_Word]) -> npt.NDArray[np.float64]:
        """Return the scores of slots, at most 1.

        Args:
            slots: Ascending.
            looked_up: Words that add to scores and chose no slot.
        """
