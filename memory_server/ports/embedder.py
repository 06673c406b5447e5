"""What turns texts into vectors."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
"""Shape (dimensions,), unit length."""

Vectors = npt.NDArray[np.float32]
"""Shape (count, dimensions), each row of unit length or all zeros: nothing to embed."""


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def model(self) -> str:
        """Name and version of the model; stored with every embedding it makes."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of its vectors."""
        ...

    async def embed(self, texts: Sequence[str], *, for_query: bool = False) -> Vectors:
        """Return one row per text, in their order.

        Args:
            texts: What to embed.
            for_query: They are what is asked, not what is stored; some models tell the two apart.

        Raises:
            TextRefused: It does not take one of them.
            Unavailable: The model does not answer. A store goes on without; recall says that it is degraded.
        """
        ...


class WordVectors(Protocol):
    """Vectors of single words: what the keyword leg finds related words by."""

    @property
    def dimensions(self) -> int:
        """Length of its vectors."""
        ...

    def of(self, words: Sequence[str]) -> Vectors:
        """Return one row per word, in their order; some microseconds a word, on the event loop."""
        ...
