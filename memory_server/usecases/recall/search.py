"""Searching: the index proposes candidates, ranking decides, the store or the past has the records."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from memory_server.domain import ranking
from memory_server.domain.limits import MAX_RESPONSE_BYTES
from memory_server.domain.memory import CALLER_MODEL, Coordinate, MemoryRecord, Scope
from memory_server.domain.ranking import Boosts, ScoreParts, Scores
from memory_server.domain.spans import Span
from memory_server.ports import Allowed, Asked, Found, Question, SearchIndex, Vector
from memory_server.usecases.embedding import embed_each, unit
from memory_server.usecases.engine import Engine
from memory_server.usecases.moments import Past
from memory_server.usecases.recall.joining import joined
from memory_server.usecases.recall.links import with_linked
from memory_server.usecases.recall.pages import NOTHING_SHOWN, Shown, digest
from memory_server.usecases.recall.query import EVERYTHING, RecallMode, RecallQuery
from memory_server.usecases.recall.times import named_times

LEG_FACTOR = 4
LEG_LEAST = 50
"""Each leg proposes so many times what is wanted, at least so many: a memory that is middling in both can win."""

READ_AT_ONCE = 32
"""Memories that are read before it is known how large they are."""

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


class Task(NamedTuple):
    """A query that is searched for.

    Attributes:
        limit: How many hits are wanted.
        shown: Which of them earlier pages have shown: they need only be there still.
        past: What there was at the query's moment; None: it asks for what there is.
    """

    scope: Scope
    query: RecallQuery
    limit: int
    boosts: Boosts
    past: Past | None = None
    shown: Shown = NOTHING_SHOWN


async def prepare(engine: Engine, queries: Sequence[RecallQuery]) -> list[Prepared]:
    """Embed what is to be embedded, all at once; a model that does not answer leaves the keywords."""
    texts = [text for query in queries for text in _embedded_texts(query)]
    embedder = engine.embedder
    vectors: Mapping[str, Vector | None] = {}
    if texts and embedder.model != "none":
        made = await embed_each(embedder, texts, for_query=True)
        vectors = dict(zip(texts, made, strict=True))
    return [_prepared(query, embedder.model, vectors) for query in queries]


def _embedded_texts(query: RecallQuery) -> Iterator[str]:
    if query.context:
        yield query.context
    if query.text is not None and query.mode is not RecallMode.KEYWORD:
        yield query.text


def _prepared(query: RecallQuery, model: str, vectors: Mapping[str, Vector | None]) -> Prepared:
    context = None
    degraded: tuple[str, ...] = ()
    if query.context:
        context = _question(query.context, RecallMode.HYBRID, model, vectors)
    if query.vector is not None:
        vector = np.frombuffer(unit(query.vector), "<f4")
        return Prepared(Question(None, (CALLER_MODEL, vector)), context)
    question = Question()
    if query.text is not None:
        question = _question(query.text, query.mode, model, vectors)
        if query.mode is not RecallMode.KEYWORD and vectors.get(query.text) is None:
            degraded = ("vector",)
    return Prepared(question, context, degraded)


def _question(
    text: str, mode: RecallMode | None, model: str, vectors: Mapping[str, Vector | None]
) -> Question:
    words = None if mode is RecallMode.VECTOR else text
    vector = None if mode is RecallMode.KEYWORD else vectors.get(text)
    # A query of unknown words only has no direction: the vector leg has nothing to say about it.
    return Question(words, (model, vector) if vector is not None and vector.any() else None)


async def attempt(engine: Engine, task: Task, prepared: Prepared) -> Attempt:
    """Search once; for a query of the past this waits for nothing."""
    return await Searching(engine, [task], [prepared]).next_attempt()


class Searching:
    """Searches, one for each task; those that look at the same memories are one for the index.

    A question that names a time is searched for once more among what was then: so the answer is found, too, where the
    time is all that tells it from a thousand others. One of the past is to be the only one.
    """

    def __init__(self, engine: Engine, tasks: Sequence[Task], prepared: Sequence[Prepared]) -> None:
        self._engine = engine
        groups: dict[_Key, list[tuple[Task, Prepared]]] = {}
        keys = []
        for task, ready in zip(tasks, prepared, strict=True):
            given = task.query.given
            # Written out: true and 1 are the same to Python, but not to a filter.
            key = _Key(task.scope, "" if given == EVERYTHING else repr(given))
            times = _times(engine, task)
            keys.append([key, key._replace(times=times)] if times else [key])
            for each in keys[-1]:
                groups.setdefault(each, []).append((task, ready))
        begun = {key: _begun(engine, key, some) for key, some in groups.items()}
        own = [[begun[key] for key in some] for some in keys]
        self._turns = zip(tasks, prepared, own, strict=True)

    async def next_attempt(self) -> Attempt:
        """Return what the search for the next task has found."""
        engine = self._engine
        task, prepared, groups = next(self._turns)
        ranked, is_exact = await _ranked(engine, task, prepared, groups)
        group = groups[0]
        records: Mapping[int, MemoryRecord]
        if task.past is not None:
            records = task.past.records
        else:
            records, looked_at = await _read(engine, task, ranked)
            ranked = ranked[:looked_at]
        return Attempt(ranked, records, group.commit_seq, is_exact)


async def _read(
    engine: Engine, task: Task, ranked: Sequence[Proposal]
) -> tuple[Mapping[int, MemoryRecord], int]:
    """Read what was proposed, no more of it than an answer can carry; return the records, and how many were looked for.

    The largest page of the largest memories is a thousand times as much as one answer.
    """
    records: dict[int, MemoryRecord] = {}
    size = looked_at = 0
    while looked_at < len(ranked) and size <= MAX_RESPONSE_BYTES:
        seqs = [hit.commit_seq for hit in ranked[looked_at : looked_at + READ_AT_ONCE]]
        found = await engine.store.get_by_seq(task.scope, seqs)
        for seq, record in found.items():
            if task.shown and digest(record) in task.shown:
                records[seq] = record._replace(payload_json=b"", text="")
            else:
                records[seq] = record
                size += len(record.payload_json) + len(record.text)
        looked_at += len(seqs)
    return records, looked_at


class _Key(NamedTuple):
    """The memories that are looked at: where, by which filter, and of which times; none: of any."""

    scope: Scope
    given: str
    times: tuple[Span, ...] = ()


class _Group(NamedTuple):
    """Searches of the same memories: the commits that they know of, and what they find, one after the other."""

    commit_seq: int
    allowed: Allowed
    found: Iterator[Found]


def _times(engine: Engine, task: Task) -> tuple[Span, ...]:
    text, boosts = task.query.text, task.boosts
    if text is None or not boosts.named_time:
        return ()
    return named_times(_index(engine, task), task.scope, text, boosts.now_us)


def _index(engine: Engine, task: Task) -> SearchIndex:
    return engine.index if task.past is None else task.past.index


def _begun(engine: Engine, key: _Key, tasks: Sequence[tuple[Task, Prepared]]) -> _Group:
    first = tasks[0][0]
    # A moment does not have what was committed since it was looked at.
    commit_seq = engine.store.last_commit_seq if first.past is None else first.past.is_of[1]
    moment_us = first.query.as_of_us
    now_us = engine.clock.now_us() if moment_us is None else moment_us
    allowed = Allowed(first.query.given, now_us, key.times)
    asked = [
        Asked(prepared.question, max(LEG_FACTOR * task.limit, LEG_LEAST), _is_hybrid(task.query))
        for task, prepared in tasks
        if task.query.coordinate is None
    ]
    found = _index(engine, first).search(key.scope, asked, allowed) if asked else iter(())
    return _Group(commit_seq, allowed, found)


async def _ranked(
    engine: Engine, task: Task, prepared: Prepared, groups: Sequence[_Group]
) -> tuple[list[Proposal], bool]:
    """Return what is proposed for a query, best first, and whether everything was looked at.

    Args:
        engine: The server's.
        task: The query.
        prepared: The same for the index.
        groups: The searches that it has part in: among all that it may find, and among what was at the times it names.
    """
    if task.past is not None:
        engine = dataclasses.replace(engine, index=task.past.index)
    everything, *timely = groups
    if task.query.coordinate is not None:
        return _nearest(engine, task, task.query.coordinate, everything.allowed), True
    found = next(everything.found)
    for group in timely:
        found = joined(found, next(group.found))
        boosts = task.boosts._replace(times=group.allowed.times)
        task = task._replace(boosts=boosts)
    return await _best(engine, task, prepared, everything.allowed, found)


def _is_hybrid(query: RecallQuery) -> bool:
    return query.text is not None and query.mode is RecallMode.HYBRID


async def _best(
    engine: Engine, task: Task, prepared: Prepared, allowed: Allowed, found: Found
) -> tuple[list[Proposal], bool]:
    options, question, query = engine.ranking, prepared.question, task.query
    weights = options.weights(
        with_keywords=question.text is not None, with_vectors=question.vector is not None
    )
    relevant = ranking.relevance(found.candidates, weights)
    gained: Scores = np.zeros(len(found.seqs))
    if _is_hybrid(query):
        linked = None
        # Links of the past are not kept: only what stood beside counts there.
        if task.past is None:
            found, linked = await with_linked(
                engine, task.scope, question, allowed, found, relevant
            )
            if len(relevant) < len(found.seqs):
                relevant = ranking.relevance(found.candidates, weights)
        gained = ranking.spread(relevant, found.candidates, options, linked)
    ranked = ranking.rank(
        found.candidates,
        weights,
        relevant,
        gained,
        _with_context(engine, task.scope, prepared, allowed, found, task.boosts),
        limit=task.limit,
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
    engine: Engine, task: Task, coordinate: Coordinate, allowed: Allowed
) -> list[Proposal]:
    least = task.query.min_score or 0.0
    near = engine.index.nearest(task.scope, coordinate, allowed, task.limit)
    scored = [
        Proposal(seq, 1 / (1 + distance), ScoreParts(distance=distance)) for seq, distance in near
    ]
    return [hit for hit in scored if hit.score >= least]
