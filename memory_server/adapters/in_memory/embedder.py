"""Embedders without a model."""

import hashlib
from collections.abc import Sequence

import numpy as np

from memory_server.ports import Vectors


class NoEmbedder:
    """Embeds nothing: recall works by keywords, and by the vectors that callers bring."""

    model = "none"

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions

    async def embed(self, texts: Sequence[str], *, for_query: bool = False) -> Vectors:
        """Return rows of zeros, which stand for no embedding."""
        return np.zeros((len(texts), self.dimensions), np.float32)


class HashEmbedder:
    """Gives each word a fixed random direction: equal texts are equal, and nothing is understood. For tests."""

    model = "hash"

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions

    async def embed(self, texts: Sequence[str], *, for_query: bool = False) -> Vectors:
        """See the port."""
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for place, text in enumerate(texts):
            for word in text.lower().split():
                seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
                rows[place] += np.random.default_rng(seed).standard_normal(self.dimensions)
            rows[place] /= np.linalg.norm(rows[place]) or 1.0
        return rows
