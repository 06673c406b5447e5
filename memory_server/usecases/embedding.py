"""Embeddings of what is written: the caller's own, or made from the text."""

import asyncio
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from memory_server.domain.memory import CALLER_MODEL
from memory_server.kernels.vectors import squared_length
from memory_server.ports import Embedder, Vector
from memory_server.usecases.engine import Engine
from soma_common.errors import TextRefused, Unavailable

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
    model, nothing = embedder.model, bytes(4 * embedder.dimensions)
    vectors = await embed_each(embedder, [wanted[place].text for place in places])
    for place, vector in zip(places, vectors, strict=True):
        kept = b"" if vector is None else vector.astype("<f4", copy=False).tobytes()
        if kept and kept != nothing:
            found[place] = Embedding(model, kept)
    return found


async def embed_each(
    embedder: Embedder, texts: Sequence[str], *, for_query: bool = False
) -> Sequence[Vector | None]:
    """Return the vector of each text; None: nobody embeds it now. A text that is refused takes no other one with it."""
    try:
        return list(await embedder.embed(texts, for_query=for_query))
    except TextRefused:
        if len(texts) == 1:
            return [None]
        alone = [embed_each(embedder, [text], for_query=for_query) for text in texts]
        return [vectors[0] for vectors in await asyncio.gather(*alone)]
    except Unavailable:
        return [None] * len(texts)


def unit(given: bytes) -> bytes:
    """Return a vector, little-endian float32, at unit length."""
    # What is of unit length already keeps its bytes, however often it moves from server to server.
    if abs(math.sqrt(squared_length(given)) - 1.0) < SAME_LENGTH:
        return given
    # Through float64, in which no float32 squared overflows or vanishes.
    vector: Vector = np.frombuffer(given, "<f4")
    wide = vector.astype(np.float64)
    return (wide / np.linalg.norm(wide)).astype("<f4").tobytes()
