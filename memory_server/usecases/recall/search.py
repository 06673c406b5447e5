"""One search: the index proposes candidates, ranking decides, the store or the past has the records."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from memory_server.domain import ranking
from memory_server.domain.memory import CALLER_MODEL, Coordinate, MemoryRecord, Scope
from memory_server.domain.ranking import Boosts, ScoreParts, Scores
from memory_server.ports import Allowed, Found, Question
from memory_server.usecases.engine import Engine
from memory_server.usecases.moments import Past
from memory_server.usecases.recall.links import with_linked
from memory_server.usecases.recall.query import RecallMode, RecallQuery
from soma_common.errors import Unavailable

LEG_FACTOR = 4
LEG_LEAST = 50
"""Each leg proposes so many times what is wanted, at least so many: a memory that is middling in both can win."""

_UNEXPLAINED = ScoreParts()


class Prepared(NamedTuple):
    """A query as the index takes it."""

    question: Question
    context: Question | None = None
    degraded: tuple[str, ...] = ()


class Proposal(NamedTuple):
    """A memory that the index proposes, named by the commit that wrote it."""

    commit_seq: int
    score: float
    parts: ScoreParts


class Attempt(NamedTuple):
    """One search: what was proposed, best first, and what there is of it."""

    ranked: list[Proposal]
    records: Mapping[int, MemoryRecord]
    commit_seq: int
    is_exact: bool


async def prepare(engine: Engine, query: RecallQuery) -> Prepared:
    """Embed what is to be embedded; a model that does not answer leaves the keywords."""
    context = None
    degraded: tuple[str, ...] = ()
    if query.context:
        context, _ = await _asked(engine, query.context, RecallMode.HYBRID)
    if query.vector is not None:
        # Through float64, in which no float32 squared overflows or vanishes.
        vector = np.frombuffer(query.vector, "<f4").astype(np.float64)
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        return Prepared(Question(None, (CALLER_MODEL, unit)), context)
    question = Question()
    if query.text is not None:
        question, degraded = await _asked(engine, query.text, query.mode)
    return Prepared(question, context, degraded)


async def _asked(
    engine: Engine, text: str, mode: RecallMode | None
) -> tuple[Question, tuple[str, ...]]:
    words = None if mode is RecallMode.VECTOR else text
    if mode is RecallMode.KEYWORD:
        return Question(words), ()
    embedder = engine.embedder
    if embedder.model == "none":
        return Question(words), ("vector",)
    try:
        embedded = (await embedder.embed([text], for_query=True))[0]
    except Unavailable:
        return Question(words), ("vector",)
    # A query of unknown words only has no direction: the vector leg has nothing to say about it.
    vector = (embedder.model, embedded) if embedded.any() else None
    return Question(words, vector), ()


async def attempt(
    engine: Engine,
    scope: Scope,
    query: RecallQuery,
    prepared: Prepared,
    boosts: Boosts,
    past: Past | None,
    limit: int,
) -> Attempt:
    """Search once."""
    commit_seq = engine.store.last_commit_seq
    now_us = engine.clock.now_us() if query.as_of_us is None else query.as_of_us
    allowed = Allowed(query.given, now_us)
    if past is not None:
        engine = dataclasses.replace(engine, index=past.index)
    if query.coordinate is not None:
        ranked = _nearest(engine, scope, query, query.coordinate, allowed, limit)
        is_exact = True
    else:
        ranked, is_exact = await _best(
            engine, scope, query, prepared, allowed, boosts, limit, is_past=past is not None
        )
    if past is not None:
        return Attempt(ranked, past.records, commit_seq, is_exact)
    records = await engine.store.get_by_seq(scope, [hit.commit_seq for hit in ranked])
    return Attempt(ranked, records, commit_seq, is_exact)


async def _best(
    engine: Engine,
    scope: Scope,
    query: RecallQuery,
    prepared: Prepared,
    allowed: Allowed,
    boosts: Boosts,
    limit: int,
    *,
    is_past: bool,
) -> tuple[list[Proposal], bool]:
    options, question = engine.ranking, prepared.question
    is_hybrid = query.text is not None and query.mode is RecallMode.HYBRID
    found = engine.index.search(
        scope, question, allowed, max(LEG_FACTOR * limit, LEG_LEAST), with_beside=is_hybrid
    )
    weights = options.weights(
        with_keywords=question.text is not None, with_vectors=question.vector is not None
    )
    gained: Scores = np.zeros(len(found.seqs))
    if is_hybrid:
        relevant = ranking.relevance(found.candidates, weights)
        linked = None
        # Links of the past are not kept: only what stood beside counts there.
        if not is_past:
            found, linked = await with_linked(engine, scope, question, allowed, found, relevant)
            if len(relevant) < len(found.seqs):
                relevant = ranking.relevance(found.candidates, weights)
        gained = ranking.spread(relevant, found.candidates, options, linked)
    boosts = _with_context(engine, scope, prepared, allowed, found, boosts)
    ranked = ranking.rank(
        found.candidates,
        weights,
        gained,
        boosts,
        limit=limit,
        min_score=query.min_score,
        with_parts=query.explain,
    )
    seqs = found.seqs[ranked.places].tolist()
    parts = ranked.parts if query.explain else itertools.repeat(_UNEXPLAINED, len(seqs))
    proposals = [Proposal(*each) for each in zip(seqs, ranked.scores, parts, strict=True)]
    return proposals, found.is_exact


def _with_context(
    engine: Engine,
    scope: Scope,
    prepared: Prepared,
    allowed: Allowed,
    found: Found,
    boosts: Boosts,
) -> Boosts:
    context = prepared.context
    if context is None or not len(found.seqs):
        return boosts
    weights = engine.ranking.weights(
        with_keywords=context.text is not None, with_vectors=context.vector is not None
    )
    compared = engine.index.compare(scope, found.seqs.tolist(), context, allowed)
    fit = np.zeros(len(found.seqs))
    fit[np.searchsorted(found.seqs, compared.seqs)] = ranking.relevance(
        compared.candidates, weights
    )
    return boosts._replace(fit=fit)


def _nearest(
    engine: Engine,
    scope: Scope,
    query: RecallQuery,
    coordinate: Coordinate,
    allowed: Allowed,
    limit: int,
) -> list[Proposal]:
    least = query.min_score or 0.0
    near = engine.index.nearest(scope, coordinate, allowed, limit)
    scored = [
        Proposal(seq, 1 / (1 + distance), ScoreParts(distance=distance)) for seq, distance in near
    ]
    return [hit for hit in scored if hit.score >= least]
