"""A rough copy of vectors, a byte for each number, with a bound of how far each row is from the true one.

It is a quarter of what would have to be read, and reading is what takes long.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from memory_server.kernels import vectors as kernel
from memory_server.ports import Vectors

Rough = tuple[npt.NDArray[np.int8], npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""Codes, steps and errors, see `kernels.vectors.best_rows`."""


class RoughRows:
    """Grows with the rows that it is a copy of, in their order.

    Args:
        dimensions: Of the rows.
    """

    def __init__(self, dimensions: int) -> None:
        self.count = 0
        self._codes = np.empty((64, dimensions), np.int8)
        self._steps = np.empty(64, np.float32)
        self._errors = np.empty(64, np.float32)

    @classmethod
    def of(
        cls,
        codes: npt.NDArray[np.int8],
        steps: npt.NDArray[np.float32],
        errors: npt.NDArray[np.float32],
    ) -> "RoughRows":
        """Return the copy that is there already, such as that of a mapped file."""
        made = cls(codes.shape[1])
        made.count = len(codes)
        made._codes, made._steps, made._errors = codes, steps, errors
        return made

    @property
    def arrays(self) -> Rough:
        """What kernels read; of more rows than there are."""
        return self._codes, self._steps, self._errors

    @property
    def frozen(self) -> Rough:
        """The rows that there are now; what is appended later is not among them."""
        count = self.count
        return self._codes[:count], self._steps[:count], self._errors[:count]

    def append(self, rows: Vectors) -> None:
        """Take more rows in."""
        count = self.count + len(rows)
        if count > len(self._codes):
            room = max(count, len(self._codes) + len(self._codes) // 2, 64)
            self._codes = _grown(self._codes, self.count, room)
            self._steps = _grown(self._steps, self.count, room)
            self._errors = _grown(self._errors, self.count, room)
        kernel.roughen(rows, self._codes, self._steps, self._errors, self.count)
        self.count = count


def _grown(array: npt.NDArray[Any], count: int, room: int) -> npt.NDArray[Any]:
    grown = np.empty((room, *array.shape[1:]), array.dtype)
    grown[:count] = array[:count]
    return grown
