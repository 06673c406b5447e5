"""Link-spread: memories pass a share of their score on to those that they are linked with."""

from collections.abc import Sequence

import numpy as np

from memory_server.domain import ranking
from memory_server.domain.memory import MemoryId, MemoryLink, Scope
from memory_server.domain.ranking import LinkedPlaces, Scores
from memory_server.ports import Allowed, Found, Question
from memory_server.usecases.engine import Engine
from memory_server.usecases.recall.joining import joined

MOST_LINKS = 256
"""Links that are followed from the best candidates, the heaviest first."""


async def with_linked(
    engine: Engine,
    scope: Scope,
    question: Question,
    allowed: Allowed,
    found: Found,
    relevant: Scores,
) -> tuple[Found, LinkedPlaces | None]:
    """Return what was found with what the best of it is linked with, and the links among it.

    Both directions count. A link to what the filter leaves out leads nowhere.
    """
    if not len(found.seqs) or not await engine.store.has_links(scope):
        return found, None
    seeds = ranking.best_places(relevant, ranking.SPREAD_FROM)
    records = await engine.store.get_by_seq(scope, found.seqs[seeds].tolist())
    sources = {record.id: record.commit_seq for record in records.values()}
    steps = await _steps(engine, scope, list(sources))
    if not steps:
        return found, None
    others = await engine.store.get_by_id(scope, list({other for _, other, _ in steps}))
    targets = {key: record.commit_seq for key, record in others.items()}
    known = set(found.seqs.tolist())
    new = [seq for seq in targets.values() if seq not in known]
    if new:
        found = joined(found, engine.index.compare(scope, new, question, allowed))
    places = {seq: place for place, seq in enumerate(found.seqs.tolist())}
    edges = [
        (places[sources[start]], places[targets[other]], weight)
        for start, other, weight in steps
        if other in targets and targets[other] in places
    ]
    columns = [np.array(column) for column in zip(*edges, strict=True)] if edges else None
    if columns is None:
        return found, None
    return found, LinkedPlaces(columns[0], columns[1], columns[2].astype(np.float64))


async def _steps(
    engine: Engine, scope: Scope, ids: Sequence[MemoryId]
) -> list[tuple[MemoryId, MemoryId, float]]:
    """Return (from, to, weight) of the heaviest links at these memories, seen from them."""
    steps: list[tuple[MemoryId, MemoryId, float]] = []
    for outgoing in (True, False):
        links = await engine.store.heaviest_links(scope, ids, outgoing=outgoing, limit=MOST_LINKS)
        steps += [_step(link, outgoing=outgoing) for link in links]
    steps.sort(key=lambda step: (-step[2], step[0], step[1]))
    return steps[:MOST_LINKS]


def _step(link: MemoryLink, *, outgoing: bool) -> tuple[MemoryId, MemoryId, float]:
    weight = min(link.weight, 1.0)
    return (link.from_id, link.to_id, weight) if outgoing else (link.to_id, link.from_id, weight)
