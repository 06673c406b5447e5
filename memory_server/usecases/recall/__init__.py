"""Recall memories: by words, by vector, by coordinate, or by a string in the payload.

The index proposes, the store disposes: what is returned is read from the store, so that nothing deleted or overwritten
is ever recalled.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from memory_server.domain.fields import FieldMatch
from memory_server.domain.limits import MAX_TOP_K
from memory_server.domain.memory import Scope
from memory_server.domain.pages import page_token, read_page_token
from memory_server.domain.ranking import Boosts, ScoreParts
from memory_server.usecases.engine import Engine
from memory_server.usecases.read import fitting
from memory_server.usecases.recall.boxes import range_search
from memory_server.usecases.recall.fields import matching, matching_of, position_of
from memory_server.usecases.recall.pages import NOTHING_SHOWN, digest, packed, shown_of
from memory_server.usecases.recall.query import (
    EVERYTHING,
    RecallAnswer,
    RecallHit,
    RecallMode,
    RecallQuery,
    check_query,
)
from memory_server.usecases.recall.search import (
    Attempt,
    Prepared,
    Searching,
    Task,
    attempt,
    prepare,
)
from soma_common.errors import SomaError, Unavailable

__all__ = [
    "FieldMatch",
    "RecallAnswer",
    "RecallHit",
    "RecallMode",
    "RecallQuery",
    "Recalling",
    "range_search",
    "recall",
    "recall_each",
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
    (answer,) = await recall_each(engine, [(scope, query)])
    if isinstance(answer, SomaError):
        raise answer
    return answer


async def recall_each(
    engine: Engine, asked: Sequence[tuple[Scope, RecallQuery]]
) -> list[RecallAnswer | SomaError]:
    """Answer several queries, each as `recall` does; they are embedded and searched for together."""
    recalling = await Recalling.begin(engine, asked)
    return [await recalling.answer(place) for place in range(len(asked))]


class Recalling:
    """Queries that are being answered; to be made by `begin`."""

    def __init__(
        self,
        engine: Engine,
        plans: Sequence["_Plan | SomaError"],
        searched: Mapping[int, Prepared],
        searching: Searching,
    ) -> None:
        self._engine = engine
        self._plans = plans
        self._searched = searched
        self._searching = searching

    @classmethod
    async def begin(cls, engine: Engine, asked: Sequence[tuple[Scope, RecallQuery]]) -> "Recalling":
        """Embed some queries, and begin to search for them."""
        plans = [await _plan_or_refusal(engine, scope, query) for scope, query in asked]
        searched = {
            place: plan
            for place, plan in enumerate(plans)
            if isinstance(plan, _Plan) and plan.is_searched
        }
        tasks = [plan.task for plan in searched.values()]
        prepared = await prepare(engine, [task.query for task in tasks])
        searching = Searching(engine, tasks, prepared)
        return cls(engine, plans, dict(zip(searched, prepared, strict=True)), searching)

    async def answer(self, place: int) -> RecallAnswer | SomaError:
        """Return the answer to a query; to be asked for each once, and in their order.

        The later ones may still be searched for while it is used.
        """
        plan = self._plans[place]
        if isinstance(plan, SomaError):
            return plan
        if not plan.is_searched:
            return await _looked_up(self._engine, plan)
        prepared = self._searched[place]
        first = await self._searching.next_attempt()
        made = await _caught_up(self._engine, plan.task, prepared, first)
        return _answer(self._engine, plan, made, prepared)


async def _plan_or_refusal(engine: Engine, scope: Scope, query: RecallQuery) -> "_Plan | SomaError":
    try:
        return await _planned(engine, scope, query)
    except SomaError as error:
        return error


async def _looked_up(engine: Engine, plan: "_Plan") -> RecallAnswer | SomaError:
    """Answer a query for a string, or of the past."""
    query = plan.task.query
    try:
        if query.field_match is not None:
            return await _by_field(engine, plan, query.field_match)
        assert query.as_of_us is not None
        return await _of_the_past(engine, plan, query.as_of_us)
    except SomaError as error:
        return error


class _Plan(NamedTuple):
    """A query that was checked; `position` is where its page of a match begins."""

    task: Task
    top_k: int
    position: bytes

    @property
    def is_searched(self) -> bool:
        """Whether the index is asked, as it is now."""
        return self.task.query.field_match is None and self.task.query.as_of_us is None


async def _planned(engine: Engine, scope: Scope, query: RecallQuery) -> _Plan:
    top_k = check_query(engine, scope, query)
    policy = await engine.store.policy(scope)
    if query.min_commit_seq > engine.store.last_commit_seq:
        raise Unavailable("this server has not reached that commit")
    position = _position(engine, scope, query)
    shown = NOTHING_SHOWN if query.field_match is not None else shown_of(position)
    # One more than is wanted tells whether there is another page.
    limit = min(len(shown) + top_k, MAX_TOP_K) + 1
    boosts = _boosts(engine, query, policy.recency_half_life_s)
    return _Plan(Task(scope, query, limit, boosts, shown=shown), top_k, position)


async def _of_the_past(engine: Engine, plan: _Plan, moment_us: int) -> RecallAnswer:
    task = plan.task
    (prepared,) = await prepare(engine, [task.query])
    past = await engine.moments.at(engine.store, engine.index, engine.clock, task.scope, moment_us)
    # From here on nothing is waited for: another question would turn the moment into its own.
    made = await attempt(engine, task._replace(past=past), prepared)
    return _answer(engine, plan, made, prepared)


async def _caught_up(engine: Engine, task: Task, prepared: Prepared, made: Attempt) -> Attempt:
    """Search again while a commit has taken one of them away that the index is about to hear of."""
    for _ in range(CATCH_UP_ATTEMPTS):
        if all(hit.commit_seq in made.records for hit in made.ranked):
            break
        await asyncio.sleep(CATCH_UP_S)
        made = await attempt(engine, task, prepared)
    return made


def _boosts(engine: Engine, query: RecallQuery, half_life_s: int) -> Boosts:
    options = engine.ranking
    # A caller who asks by vector or by mode wants that leg as it is: only a hybrid recall is lifted.
    is_lifted = query.text is not None and query.mode is RecallMode.HYBRID
    now_us = engine.clock.now_us() if query.as_of_us is None else query.as_of_us
    return Boosts(
        recency=options.recency if is_lifted and half_life_s else 0.0,
        importance=options.importance if is_lifted else 0.0,
        context=options.context,
        named_time=options.named_time if is_lifted else 0.0,
        half_life_us=1_000_000 * max(half_life_s, 1),
        now_us=now_us,
    )


def _answer(engine: Engine, plan: _Plan, made: Attempt, prepared: Prepared) -> RecallAnswer:
    scope, query, shown = plan.task.scope, plan.task.query, plan.task.shown
    ranked = [hit for hit in made.ranked if hit.commit_seq in made.records]
    if shown:
        ranked = [hit for hit in ranked if digest(made.records[hit.commit_seq]) not in shown]
    hits = [
        RecallHit(made.records[hit.commit_seq], hit.score, hit.parts)
        for hit in ranked[: min(plan.top_k, MAX_TOP_K - len(shown))]
    ]
    kept = len(fitting([hit.record for hit in hits]))
    engine.note_access(scope, [hit.record.id for hit in hits[:kept]])
    next_token = ""
    if kept < len(ranked) and len(shown) + kept < MAX_TOP_K:
        position = packed(shown, [hit.record for hit in hits[:kept]])
        next_token = _token(engine, scope, query, position)
    return RecallAnswer(
        hits[:kept],
        made.commit_seq,
        made.is_exact,
        prepared.degraded,
        is_truncated=kept < len(hits),
        next_token=next_token,
    )


async def _by_field(engine: Engine, plan: _Plan, match: FieldMatch) -> RecallAnswer:
    scope, query = plan.task.scope, plan.task.query
    top_k, position = plan.top_k, plan.position
    commit_seq = engine.store.last_commit_seq
    if query.as_of_us is not None:
        past = await engine.moments.at(
            engine.store, engine.index, engine.clock, scope, query.as_of_us
        )
        # Taken before anything is waited for: another question would turn the moment into its own.
        known = list(past.records.values())
        records = await matching_of(known, match, query.given, query.as_of_us, position)
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
