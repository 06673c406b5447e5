"""Embeddings that were made before, the least recently used dropped first."""

import hashlib
import unicodedata
from collections import OrderedDict

from memory_server.ports import Vector

Key = bytes


def key_of(model: str, prefix: str, text: str) -> Key:
    """Return what an embedding depends on, as a digest.

    Args:
        model: With its dimension.
        prefix: What the model wants before a text of this kind.
        text: Forms of the same characters (Unicode NFC) are one text.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in (model, prefix, unicodedata.normalize("NFC", text)):
        encoded = part.encode("utf-8", "replace")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.digest()


class EmbeddingCache:
    """Keeps up to `size` embeddings; each takes 4 bytes a dimension and about 200 more."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Key, Vector] = OrderedDict()

    def get(self, key: Key) -> Vector | None:
        """Return an embedding, and keep it for longer."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: Key, vector: Vector) -> None:
        """Keep an embedding; the one that was not asked for the longest gives way."""
        self._kept[key] = vector
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
