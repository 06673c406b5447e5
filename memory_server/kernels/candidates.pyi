"""Which memories are ranked: what the legs found, and the episodes beside the best of it."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_Slots: TypeAlias = npt.NDArray[np.int64]

def ascending(parts: list[_Slots]) -> _Slots:
    """Return the slots of all parts, each once, in order; negative ones are left out."""

def beside(
    before: _Slots,
    after: _Slots,
    times_us: _Slots,
    sessions: npt.NDArray[np.int32],
    slots: _Slots,
    allowed: npt.NDArray[np.bool_] | None,
    gap_us: int,
    reach: int,
) -> _Slots:
    """Return the slots of the same conversation beside each, shape (slots, 2, reach): before and after it; -1: none.

    Args:
        before: By slot: the episode just before; -1: none.
        after: The same after it.
        times_us: By slot: when it happened, microseconds.
        sessions: By slot: the number of its session; up to 0: it names none.
        slots: Episodes.
        allowed: By slot: whether it may be returned. None: all.
        gap_us: Where no session is named, those that are further apart do not belong together, microseconds.
        reach: How many steps to either side.
    """

def placed(slots: _Slots, sources: _Slots, steps: _Slots) -> _Slots:
    """Return what is beside each slot as places among the slots, shape (slots, 2, reach); -1: none.

    Args:
        slots: Ascending.
        sources: Some of them.
        steps: The slots beside the sources, shape (sources, 2, reach), all among `slots`; -1: none.

    Raises:
        ValueError: One is not among the slots.
    """
