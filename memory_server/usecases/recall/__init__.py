"""Recall memories: by words, by vector, by coordinate, or by a string in the payload.

The index proposes, the store disposes: what is returned is read from the store, so that nothing deleted or overwritten
is ever recalled.
"""

import asyncio
from hashlib import blake2b

from memory_server.domain.fields import FieldMatch
from memory_server.domain.limits import MAX_TOP_K
from memory_server.domain.memory import Scope
from memory_server.domain.pages import page_token, read_page_token
from memory_server.domain.ranking import Boosts, ScoreParts
from memory_server.usecases.engine import Engine
from memory_server.usecases.read import fitting
from memory_server.usecases.recall.boxes import range_search
from memory_server.usecases.recall.fields import matching, matching_of, position_of
from memory_server.usecases.recall.query import (
    EVERYTHING,
    RecallAnswer,
    RecallHit,
    RecallMode,
    RecallQuery,
    check_query,
)
from memory_server.usecases.recall.search import Attempt, Prepared, attempt, prepare
from soma_common.errors import Unavailable

__all__ = [
    "FieldMatch",
    "RecallAnswer",
    "RecallHit",
    "RecallMode",
    "RecallQuery",
    "range_search",
    "recall",
]

CATCH_UP_ATTEMPTS = 10
CATCH_UP_S = 0.002
"""How often, and after how long, a search is done again that met a commit which the index is about to hear of."""


async def recall(engine: Engine, scope: Scope, query: RecallQuery) -> RecallAnswer:
    """Find the memories that answer a query best.

    Raises:
        InvalidInput: With every violation; also for a token of another query.
        NotFound: There is no such namespace.
        Unavailable: The server has not reached `min_commit_seq`.
    """
    top_k = check_query(engine, scope, query)
    policy = await engine.store.policy(scope)
    if query.min_commit_seq > engine.store.last_commit_seq:
        raise Unavailable("this server has not reached that commit")
    position = _position(engine, scope, query)
    if query.field_match is not None:
        return await _by_field(engine, scope, query, query.field_match, position, top_k)
    first = int(position) if position else 0
    # One more than is wanted tells whether there is another page.
    limit = min(first + top_k, MAX_TOP_K) + 1
    boosts = _boosts(engine, query, policy.recency_half_life_s)
    prepared = await prepare(engine, query)
    past = None
    if query.as_of_us is not None:
        past = await engine.moments.at(engine.store, engine.index, scope, query.as_of_us)
    made = await attempt(engine, scope, query, prepared, boosts, past, limit)
    for _ in range(CATCH_UP_ATTEMPTS):
        if all(hit.commit_seq in made.records for hit in made.ranked):
            break
        # A commit took one of them away, and the index is about to hear of it.
        await asyncio.sleep(CATCH_UP_S)
        made = await attempt(engine, scope, query, prepared, boosts, past, limit)
    return _answer(engine, scope, query, made, prepared, first, top_k)


def _boosts(engine: Engine, query: RecallQuery, half_life_s: int) -> Boosts:
    options = engine.ranking
    # A caller who asks by vector or by mode wants that leg as it is: only a hybrid recall is lifted.
    is_lifted = query.text is not None and query.mode is RecallMode.HYBRID
    now_us = engine.clock.now_us() if query.as_of_us is None else query.as_of_us
    return Boosts(
        recency=options.recency if is_lifted and half_life_s else 0.0,
        importance=options.importance if is_lifted else 0.0,
        context=options.context,
        half_life_us=1_000_000 * max(half_life_s, 1),
        now_us=now_us,
    )


def _answer(
    engine: Engine,
    scope: Scope,
    query: RecallQuery,
    made: Attempt,
    prepared: Prepared,
    first: int,
    top_k: int,
) -> RecallAnswer:
    ranked = [hit for hit in made.ranked if hit.commit_seq in made.records]
    hits = [
        RecallHit(made.records[hit.commit_seq], hit.score, hit.parts)
        for hit in ranked[first : min(first + top_k, MAX_TOP_K)]
    ]
    kept = len(fitting([hit.record for hit in hits]))
    engine.note_access(scope, [hit.record.id for hit in hits[:kept]])
    next_token = ""
    if first + kept < min(len(ranked), MAX_TOP_K):
        next_token = _token(engine, scope, query, str(first + kept).encode())
    return RecallAnswer(
        hits[:kept],
        made.commit_seq,
        made.is_exact,
        prepared.degraded,
        is_truncated=kept < len(hits),
        next_token=next_token,
    )


async def _by_field(
    engine: Engine,
    scope: Scope,
    query: RecallQuery,
    match: FieldMatch,
    position: bytes,
    top_k: int,
) -> RecallAnswer:
    commit_seq = engine.store.last_commit_seq
    if query.as_of_us is not None:
        past = await engine.moments.at(engine.store, engine.index, scope, query.as_of_us)
        records = matching_of(past.records.values(), match, query.given, query.as_of_us, position)
    else:
        records = await matching(engine, scope, match, query.given, position, top_k + 1)
    records = records[: top_k + 1]
    page = fitting(records[:top_k])
    engine.note_access(scope, [record.id for record in page])
    next_token = ""
    if len(page) < len(records):
        next_token = _token(engine, scope, query, position_of(page[-1]))
    return RecallAnswer(
        [RecallHit(record, 1.0, ScoreParts(keyword=1.0)) for record in page],
        commit_seq,
        is_exact=True,
        is_truncated=len(page) < min(len(records), top_k),
        next_token=next_token,
    )


def _position(engine: Engine, scope: Scope, query: RecallQuery) -> bytes:
    if not query.page_token:
        return b""
    question = _question(scope, query)
    return read_page_token(query.page_token, question=question, key=engine.store.page_key)


def _token(engine: Engine, scope: Scope, query: RecallQuery, position: bytes) -> str:
    return page_token(position, question=_question(scope, query), key=engine.store.page_key)


def _question(scope: Scope, query: RecallQuery) -> str:
    """Return all that must stay the same from page to page; the size of a page may change."""
    given = query.given
    looked_at = (
        None if given == EVERYTHING else (sorted(given.kinds), given._replace(kinds=frozenset()))
    )
    return repr(
        (
            scope.tenant,
            scope.namespace,
            query.text,
            # Its bytes written out would take longer than everything else.
            None if query.vector is None else blake2b(query.vector).digest(),
            query.coordinate,
            query.field_match,
            query.mode,
            looked_at,
            query.min_score,
            query.min_commit_seq,
            query.as_of_us,
            query.context,
        )
    )
