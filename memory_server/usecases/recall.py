"""Recall memories: by words, by vector, or by coordinate.

The index proposes, the store disposes: what is returned is read from the store, so that nothing deleted or overwritten
is ever recalled.
"""

import asyncio
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from memory_server.domain import limits, ranking, validation
from memory_server.domain.filters import Filter
from memory_server.domain.memory import CALLER_MODEL, Coordinate, MemoryRecord, Scope
from memory_server.domain.ranking import ScoreParts
from memory_server.domain.validation import Violations
from memory_server.ports import Allowed, Found, Vector
from memory_server.usecases.engine import Engine
from memory_server.usecases.read import fitting
from soma_common.errors import Unavailable

LEG_FACTOR = 4
LEG_LEAST = 50
"""Each leg proposes this many times `top_k`, at least so many: a memory that is middling in both legs can win."""

CATCH_UP_ATTEMPTS = 10
CATCH_UP_S = 0.002
"""How often, and after how long, a search is done again that met a commit which the index is about to hear of."""


EVERYTHING = Filter()


class RecallMode(enum.Enum):
    """Which legs a text query uses."""

    HYBRID = "hybrid"
    VECTOR = "vector"
    KEYWORD = "keyword"


@dataclass(frozen=True, slots=True)
class RecallQuery:
    """What a caller wants to recall: exactly one of `text`, `vector`, `coordinate`; mode None: one not known."""

    text: str | None = None
    vector: bytes | None = None
    coordinate: Coordinate | None = None
    mode: RecallMode | None = RecallMode.HYBRID
    top_k: int = 0
    given: Filter = EVERYTHING
    min_score: float | None = None
    min_commit_seq: int = 0


@dataclass(frozen=True, slots=True)
class RecallHit:
    """A recalled memory with its score in [0, 1] and the parts of it."""

    record: MemoryRecord
    score: float
    parts: ScoreParts


@dataclass(frozen=True, slots=True)
class RecallAnswer:
    """The hits, best first, and how much was looked at."""

    hits: Sequence[RecallHit]
    commit_seq: int
    is_exact: bool
    degraded: tuple[str, ...] = ()
    is_truncated: bool = False


@dataclass(frozen=True, slots=True)
class _Legs:
    """The query as the index takes it."""

    text: str | None
    vector: tuple[str, Vector] | None
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Proposal:
    """A memory that the index proposes, named by the commit that wrote it."""

    commit_seq: int
    score: float
    parts: ScoreParts


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One search: what the index proposed, best first, and what the store has of it."""

    ranked: list[_Proposal]
    records: dict[int, MemoryRecord]
    commit_seq: int
    is_exact: bool


async def recall(engine: Engine, scope: Scope, query: RecallQuery) -> RecallAnswer:
    """Find the memories that answer a query best.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace.
        Unavailable: The server has not reached `min_commit_seq`.
    """
    top_k = _check(engine, scope, query)
    await engine.store.require_namespace(scope)
    if query.min_commit_seq > engine.store.last_commit_seq:
        raise Unavailable("this server has not reached that commit")
    legs = await _legs(engine, query)
    attempt = await _attempt(engine, scope, query, legs, top_k)
    for _ in range(CATCH_UP_ATTEMPTS):
        if len(attempt.records) == len(attempt.ranked):
            break
        # A commit took one of them away, and the index is about to hear of it.
        await asyncio.sleep(CATCH_UP_S)
        attempt = await _attempt(engine, scope, query, legs, top_k)
    return _answer(attempt, legs)


async def _attempt(
    engine: Engine, scope: Scope, query: RecallQuery, legs: _Legs, top_k: int
) -> _Attempt:
    commit_seq = engine.store.last_commit_seq
    allowed = Allowed(query.given, engine.clock.now_us())
    if query.coordinate is not None:
        ranked = _nearest(engine, scope, query, query.coordinate, allowed, top_k)
        is_exact = True
    else:
        ranked, is_exact = _best(engine, scope, query, legs, allowed, top_k)
    records = await engine.store.get_by_seq(scope, [hit.commit_seq for hit in ranked])
    return _Attempt(ranked, records, commit_seq, is_exact)


def _answer(attempt: _Attempt, legs: _Legs) -> RecallAnswer:
    hits = [
        RecallHit(attempt.records[hit.commit_seq], hit.score, hit.parts)
        for hit in attempt.ranked
        if hit.commit_seq in attempt.records
    ]
    kept = fitting([hit.record for hit in hits])
    return RecallAnswer(
        hits[: len(kept)],
        attempt.commit_seq,
        attempt.is_exact,
        legs.degraded,
        is_truncated=len(kept) < len(hits),
    )


def _check(engine: Engine, scope: Scope, query: RecallQuery) -> int:
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    _check_query(found, engine, query)
    validation.check_filter(found, query.given)
    top_k = validation.check_count(
        found, "top_k", query.top_k, default=limits.DEFAULT_TOP_K, maximum=limits.MAX_TOP_K
    )
    is_known = query.mode is not None
    found.require(is_known, "mode", "must be hybrid, vector or keyword")
    if query.min_score is not None:
        found.require(0 <= query.min_score <= 1, "min_score", "must be from 0 to 1")
    found.require(query.min_commit_seq >= 0, "min_commit_seq", "must be 0 or more")
    found.raise_if_any()
    return top_k


def _check_query(found: Violations, engine: Engine, query: RecallQuery) -> None:
    if query.text is not None:
        size = len(query.text.encode("utf-8", "surrogatepass"))
        found.require(bool(query.text.strip()), "text", "must not be empty")
        most = limits.MAX_TEXT_BYTES
        found.require(size <= most, "text", f"must be at most {most} bytes of UTF-8")
    elif query.vector is not None:
        dimensions = engine.limits.embedding_dimensions
        validation.check_vector(found, "vector", query.vector, dimensions)
    elif query.coordinate is not None:
        validation.check_coordinate(found, "coordinate", query.coordinate)
    else:
        found.add("query", "must be a text, a vector or a coordinate")


async def _legs(engine: Engine, query: RecallQuery) -> _Legs:
    if query.vector is not None:
        vector = np.frombuffer(query.vector, "<f4").astype(np.float64)
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        return _Legs(None, (CALLER_MODEL, unit))
    if query.text is None:
        return _Legs(None, None)
    text = None if query.mode is RecallMode.VECTOR else query.text
    if query.mode is RecallMode.KEYWORD:
        return _Legs(text, None)
    if engine.embedder.model == "none":
        return _Legs(text, None, ("vector",))
    try:
        embedded = (await engine.embedder.embed([query.text]))[0]
    except Unavailable:
        return _Legs(text, None, ("vector",))
    # A query of unknown words only has no direction: the vector leg has nothing to say about it.
    return _Legs(text, (engine.embedder.model, embedded) if embedded.any() else None)


def _best(
    engine: Engine, scope: Scope, query: RecallQuery, legs: _Legs, allowed: Allowed, top_k: int
) -> tuple[list[_Proposal], bool]:
    found = engine.index.search(
        scope,
        text=legs.text,
        vector=legs.vector,
        allowed=allowed,
        limit=max(LEG_FACTOR * top_k, LEG_LEAST),
    )
    weights = engine.ranking.weights(
        with_keywords=legs.text is not None, with_vectors=legs.vector is not None
    )
    merged = ranking.merge(found.keyword, found.cosine, weights)
    gained: dict[int, float] = {}
    if query.text is not None and query.mode is RecallMode.HYBRID:
        best = ranking.best_of(merged, max(top_k, ranking.SPREAD_FROM))
        gained = ranking.spread(
            merged, engine.index.adjacent(scope, best, allowed), engine.ranking.spread
        )
    ranked = ranking.rank(merged, gained, limit=top_k, min_score=query.min_score)
    proposals = [
        _Proposal(seq, score, _parts(seq, found, weights, gained)) for seq, score in ranked
    ]
    return proposals, found.is_exact


def _parts(
    seq: int, found: Found, weights: ranking.Weights, gained: Mapping[int, float]
) -> ScoreParts:
    return ScoreParts(
        keyword=weights.keyword * found.keyword.get(seq, 0.0),
        vector=weights.vector * min(max(found.cosine.get(seq, 0.0), 0.0), 1.0),
        links=gained.get(seq, 0.0),
    )


def _nearest(
    engine: Engine,
    scope: Scope,
    query: RecallQuery,
    coordinate: Coordinate,
    allowed: Allowed,
    top_k: int,
) -> list[_Proposal]:
    least = query.min_score or 0.0
    near = engine.index.nearest(scope, coordinate, allowed, top_k)
    scored = [
        _Proposal(seq, 1 / (1 + distance), ScoreParts(distance=distance)) for seq, distance in near
    ]
    return [hit for hit in scored if hit.score >= least]
