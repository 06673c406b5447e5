"""A rough copy of vectors, a byte for each number, with a bound of how far each row is from the true one.

It is a quarter of what would have to be read, and reading is what takes long.
"""

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.columns import grown
from memory_server.kernels import vectors as kernel
from memory_server.ports import Vectors

Rough = tuple[npt.NDArray[np.int8], npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""Codes, steps and errors, see `kernels.vectors.nearest_in_rows`."""


_GROWTH = 1.5


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
        self._codes = grown(self._codes, count, factor=_GROWTH)
        self._steps = grown(self._steps, count, factor=_GROWTH)
        self._errors = grown(self._errors, count, factor=_GROWTH)
        kernel.roughen(rows, self._codes, self._steps, self._errors, self.count)
        self.count = count
