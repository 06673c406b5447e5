"""Embeddings of what is written: the caller's own, or made from the text."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from memory_server.domain.memory import CALLER_MODEL
from memory_server.kernels.vectors import squared_length
from memory_server.ports import Vector
from memory_server.usecases.engine import Engine
from soma_common.errors import Unavailable

SAME_LENGTH = 1e-6
"""Deviation from unit length that rounding to float32 explains."""


class Embedding(NamedTuple):
    """An embedding as it is kept: little-endian float32 of unit length, and who made it; both empty: there is none."""

    model: str = ""
    vector: bytes = b""


NONE = Embedding()


class Wanted(NamedTuple):
    """What an embedding is wanted for: a text, and the caller's own embedding of it, if any."""

    text: str
    given: bytes = b""


async def embeddings_of(engine: Engine, wanted: Sequence[Wanted]) -> list[Embedding]:
    """Return one embedding each; none where there is nothing to embed, or nobody who does.

    A dead embedder never blocks a write: the memory is found by its words until it is embedded.
    """
    found = [Embedding(CALLER_MODEL, unit(given)) if given else NONE for _text, given in wanted]
    places = [place for place, (text, given) in enumerate(wanted) if text and not given]
    if not places:
        return found
    embedder = engine.embedder
    try:
        vectors = await embedder.embed([wanted[place].text for place in places])
    except Unavailable:
        return found
    model, width = embedder.model, 4 * vectors.shape[1]
    kept = vectors.astype("<f4", copy=False).tobytes()
    nothing = bytes(width)
    for start, place in enumerate(places):
        vector = kept[start * width : (start + 1) * width]
        if vector != nothing:
            found[place] = Embedding(model, vector)
    return found


def unit(given: bytes) -> bytes:
    """Return a vector, little-endian float32, at unit length."""
    # What is of unit length already keeps its bytes, however often it moves from server to server.
    if abs(math.sqrt(squared_length(given)) - 1.0) < SAME_LENGTH:
        return given
    # Through float64, in which no float32 squared overflows or vanishes.
    vector: Vector = np.frombuffer(given, "<f4")
    wide = vector.astype(np.float64)
    return (wide / np.linalg.norm(wide)).astype("<f4").tobytes()
