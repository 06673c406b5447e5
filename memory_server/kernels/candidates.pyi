"""Which memories are ranked: what the legs found, and the episodes beside the best of it."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_Slots: TypeAlias = npt.NDArray[np.int64]

class Facts:
    """What ranking looks at.

    Args:
        seqs: By slot: the commit that wrote it.
        times_us: When it happened, microseconds.
        importance: As the author gave it.
        sessions: The number of its session; up to 0: it names none.
        asks: Whether its text asks something.
    """

    def __init__(
        self,
        seqs: _Slots,
        times_us: _Slots,
        importance: npt.NDArray[np.float64],
        sessions: npt.NDArray[np.int32],
        asks: npt.NDArray[np.bool_],
    ) -> None: ...

class Neighbours:
    """The episodes of the same conversation beside each slot.

    Args:
        facts: By which a conversation is told.
        before: By slot: the episode just before; -1: none.
        after: The same after it.
        allowed: By slot: whether it may be returned. None: all.
        gap_us: Where no session is named, those that are further apart do not belong together, microseconds.
        reach: How many steps to either side.
    """

    def __init__(
        self,
        facts: Facts,
        before: _Slots,
        after: _Slots,
        allowed: npt.NDArray[np.bool_] | None,
        gap_us: int,
        reach: int,
    ) -> None: ...
    def of(self, slots: _Slots) -> _Slots:
        """Return the slots beside each of some, shape (slots, 2, reach): before and after it; -1: none.

        Raises:
            IndexError: There is no such slot.
        """
