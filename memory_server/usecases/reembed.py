"""Embeddings of what is stored already: those that an embedder owes since it was away, and all, for another model.

Theory of operation:
    What lacks an embedding of the wanted model is walked in the order of commits, and only once: the walk remembers how
    far it has come, and new commits come behind it. While the present model still serves, new embeddings are kept
    beside the present ones, and callers see nothing of them. When the walk finds nothing more, the wanted model
    serves: that is one assignment, between two calls. Then its embeddings are moved into the places of the old ones.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from memory_server.domain.memory import Scope
from memory_server.ports import Embedder, Lacking, PromoteWrite, ReembedWrite, Vector
from memory_server.usecases.engine import Engine
from soma_common.errors import TextRefused, Unavailable

log = logging.getLogger(__name__)

BATCH = 128
"""Texts that are embedded and written at once, so that callers' writes go on between."""


class Reembedding:
    """Brings every memory to the wanted model; `once` is called again and again by the maintainer."""

    def __init__(self) -> None:
        self._walked_to = 0
        self._walked_for = ""
        self._may_promote = True
        """Whether there may be embeddings beside others; asking the store needs a turn of its writer."""

    async def once(self, engine: Engine) -> int:
        """Embed one batch, or move one; return how many, 0: there is nothing to do now.

        Raises:
            SomaError: The store does not take the write now.
        """
        wanted = engine.wanted_embedder
        if wanted.model == "none":
            return 0
        if self._walked_for != wanted.model:
            self._walked_for, self._walked_to = wanted.model, 0
        upto = engine.store.last_commit_seq
        lacking = await engine.store.lacking(wanted.model, self._walked_to, BATCH)
        if lacking:
            return await self._embed(engine, wanted, lacking)
        self._walked_to = max(self._walked_to, upto)
        if engine.model_change.previous is not None:
            if upto != engine.store.last_commit_seq:
                return 0  # more was stored meanwhile; another round looks at it
            engine.model_change.previous = None
            log.info("every memory is embedded anew", extra={"embedding_model": wanted.model})
        if not self._may_promote:
            return 0
        promoted = (await engine.commit_one(PromoteWrite(wanted.model, BATCH))).version
        self._may_promote = promoted > 0
        return promoted

    async def _embed(self, engine: Engine, wanted: Embedder, lacking: Sequence[Lacking]) -> int:
        try:
            embeddings = await _embedded(wanted, lacking)
        except Unavailable:
            return 0  # another round; the breaker of the embedder says how soon
        is_beside = engine.model_change.previous is not None
        await engine.commit_one(ReembedWrite(wanted.model, embeddings, is_beside))
        self._may_promote |= is_beside
        self._walked_to = lacking[-1].commit_seq
        return len(lacking)


async def _embedded(
    embedder: Embedder, lacking: Sequence[Lacking]
) -> Mapping[tuple[Scope, int], bytes]:
    try:
        vectors: Sequence[Vector] = list(await embedder.embed([one.text for one in lacking]))
    except TextRefused:
        # One of them is to blame; the others must not wait for it for ever.
        vectors = [await _embedded_alone(embedder, one.text) for one in lacking]
    return {
        (one.scope, one.commit_seq): vector.astype("<f4").tobytes() if vector.any() else b""
        for one, vector in zip(lacking, vectors, strict=True)
    }


async def _embedded_alone(embedder: Embedder, text: str) -> Vector:
    try:
        vector: Vector = (await embedder.embed([text]))[0]
    except TextRefused:
        return np.zeros(embedder.dimensions, np.float32)
    return vector
