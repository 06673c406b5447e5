"""Growable arrays: the columns of a partition, by slot.

Slots are given out in the order of the commits and never used twice, so that every list of slots is sorted by itself;
what is removed leaves a hole until the partition is compacted.
"""

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Slots = npt.NDArray[np.int64]
"""Slots, ascending unless said otherwise."""

Mask = npt.NDArray[np.bool_]
"""One truth value per slot."""

Arrays = dict[str, npt.NDArray[Any]]
"""By name: a part of the index as plain arrays, see `frozen`."""

_FIRST_CAPACITY = 64


def grown(array: npt.NDArray[Any], least: int, *, factor: float = 2.0) -> npt.NDArray[Any]:
    """Return the same array if it has room for so many rows, else one with room for more, and the same rows first.

    Args:
        array: Shape (rows, ...).
        least: How many rows it must have room for.
        factor: How many times as large it becomes at least.
    """
    if least <= len(array):
        return array
    room = max(least, round(factor * len(array)), _FIRST_CAPACITY)
    made = np.empty((room, *array.shape[1:]), array.dtype)
    made[: len(array)] = array
    return made


class Column:
    """An array that grows at its end; `view` is what has been written."""

    __slots__ = ("_array", "view")

    def __init__(self, dtype: npt.DTypeLike, given: npt.NDArray[Any] | None = None) -> None:
        self._array: npt.NDArray[Any] = (
            np.zeros(_FIRST_CAPACITY, dtype) if given is None else np.array(given, dtype)
        )
        self.view: npt.NDArray[Any] = self._array[: 0 if given is None else len(given)]

    def append(self, value: float) -> None:
        """Write one more value."""
        count = len(self.view)
        self._array = grown(self._array, count + 1)
        self._array[count] = value
        self.view = self._array[: count + 1]

    def extend(self, values: Sequence[float]) -> None:
        """Write more values."""
        count = len(self.view)
        end = count + len(values)
        self._array = grown(self._array, end)
        self._array[count:end] = values
        self.view = self._array[:end]

    def __len__(self) -> int:
        return len(self.view)


def renumbered(flat: "array[int]", new_slots: Slots) -> tuple[Slots, npt.NDArray[np.bool_]]:
    """Return the new numbers of slots that are kept, and which those are among the slots of the freeze."""
    slots = np.frombuffer(flat.tobytes(), np.uint32).astype(np.int64)
    slots = slots[slots < len(new_slots)]
    made = new_slots[slots]
    return made[made >= 0], made >= 0
