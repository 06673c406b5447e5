"""Outcomes that are reported again under the same request id, over both engines."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.domain.memory import MemoryDraft, MemoryId, MemoryKind, MemoryRef
from memory_server.domain.requests import first_outcome_digest
from memory_server.usecases import delete, outcome, store
from memory_server.usecases.engine import Engine
from memory_server.usecases.outcome import Outcome
from soma_common.errors import RequestIdReused
from tests.support.engines import ENGINES, an_engine
from tests.support.memories import DIMENSIONS, NOW_US, SCOPE, StoppedClock, a_draft

JUDGED = MemoryRef(id=MemoryId("judged"))


def a_correction(text: str) -> MemoryDraft:
    return a_draft(text=text, kind=MemoryKind.SEMANTIC)


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """Each engine, with a memory that is judged."""
    clock = StoppedClock()
    async with an_engine(request.param, tmp_path, HashEmbedder(DIMENSIONS), clock) as running:
        await store.store(running, SCOPE, store.StoreCommand(a_draft(id="judged")))
        yield running


async def count(engine: Engine) -> int:
    """Return how many memories there are."""
    return (await engine.store.stats(SCOPE, NOW_US)).memory_count


@pytest.mark.parametrize("correction", [None, a_correction("right")])
async def test_an_outcome_is_answered_again_after_its_memory_is_gone(
    engine: Engine, correction: MemoryDraft | None
) -> None:
    """With the same receipt and the same correction, though that may be gone as well; nothing comes back."""
    given = Outcome(JUDGED, -1.0, correction, "r1")
    first = await outcome.report(engine, SCOPE, given)
    for id in filter(None, ("judged", first.correction_id)):
        ref = MemoryRef(id=MemoryId(id))
        await delete.delete(engine, SCOPE, delete.DeleteCommand(ref))

    again = await outcome.report(engine, SCOPE, given)

    assert again.receipt == first.receipt._replace(is_replayed=True)
    assert again.correction_id == first.correction_id
    assert await count(engine) == 0


@pytest.mark.parametrize("first", [None, a_correction("right")])
@pytest.mark.parametrize("then", [None, a_correction("right"), a_correction("better")])
async def test_an_outcome_with_another_correction_is_another_request(
    engine: Engine, first: MemoryDraft | None, then: MemoryDraft | None
) -> None:
    """Under the same request id it is refused, and no correction of it is stored."""
    given = Outcome(JUDGED, -1.0, first, "r1")
    await outcome.report(engine, SCOPE, given)
    there = await count(engine)

    if then == first:
        assert (await outcome.report(engine, SCOPE, given)).receipt.is_replayed
    else:
        with pytest.raises(RequestIdReused):
            await outcome.report(engine, SCOPE, dataclasses.replace(given, correction=then))

    assert await count(engine) == there


@pytest.mark.parametrize("correction", [None, a_correction("right")])
async def test_an_outcome_that_an_earlier_server_knows_is_answered_again(
    engine: Engine, correction: MemoryDraft | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digest told nothing of the correction: one that was not given then is not stored now."""
    given = Outcome(JUDGED, 1.0, correction, "r1")
    with monkeypatch.context() as earlier:
        earlier.setattr(outcome, "outcome_digest", lambda *body: first_outcome_digest(*body[:3]))
        first = await outcome.report(engine, SCOPE, given)
    there = await count(engine)

    again = await outcome.report(engine, SCOPE, given)
    other = dataclasses.replace(given, correction=correction or a_correction("late"))
    late = await outcome.report(engine, SCOPE, other)

    assert again == dataclasses.replace(first, receipt=first.receipt._replace(is_replayed=True))
    assert (late.receipt, late.correction_id) == (again.receipt, first.correction_id)
    assert await count(engine) == there
