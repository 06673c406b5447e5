"""Calls that run at the same time are answered together, and none of them notices."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.domain.memory import MemoryDraft, Receipt, Scope
from memory_server.ports import Vectors, Write
from memory_server.usecases import recall
from memory_server.usecases.engine import Engine
from memory_server.usecases.recall import FieldMatch, RecallAnswer, RecallMode, RecallQuery
from memory_server.usecases.recall.together import RecallTogether
from memory_server.usecases.store import StoreCommand
from memory_server.usecases.store_together import StoreTogether
from soma_common.errors import Conflict, InvalidInput, Overloaded, TextRefused
from tests.support.engines import ENGINES, an_engine
from tests.support.memories import DIMENSIONS, SCOPE, StoppedClock

VECTOR = np.eye(DIMENSIONS, dtype="<f4")[1].tobytes()
OTHER = SCOPE._replace(namespace="other")


class FussyEmbedder(HashEmbedder):
    """Refuses a text with `forbidden` in it, breaks on one with `bug`, and waits for the gate with `slow`."""

    def __init__(self) -> None:
        super().__init__(DIMENSIONS)
        self.gate = asyncio.Event()
        self.calls: list[int] = []
        """How many texts each call had."""

    async def embed(self, texts: Sequence[str], *, for_query: bool = False) -> Vectors:
        """See the port."""
        self.calls.append(len(texts))
        if any("slow" in text for text in texts):
            await self.gate.wait()
        if any("forbidden" in text for text in texts):
            raise TextRefused("not this one", dependency="embedder")
        if any("bug" in text for text in texts):
            raise ZeroDivisionError
        return await super().embed(texts, for_query=for_query)


class Case:
    """An engine, and what gathers its calls."""

    def __init__(self, engine: Engine, embedder: FussyEmbedder) -> None:
        self.engine = engine
        self.embedder = embedder
        self.recalls = RecallTogether(engine)
        self.stores = StoreTogether(engine)

    async def store(self, text: str, scope: Scope = SCOPE, **fields: Any) -> Receipt:
        draft = MemoryDraft(payload_json=b"{}", text=text)._replace(**fields)
        return await self.stores.store(scope, StoreCommand(draft))

    async def alone(self, query: RecallQuery) -> RecallAnswer:
        return await recall.recall(self.engine, SCOPE, query)


@pytest.fixture(params=ENGINES)
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    """Each engine, empty."""
    embedder = FussyEmbedder()
    async with an_engine(request.param, tmp_path, embedder, StoppedClock()) as engine:
        yield Case(engine, embedder)


async def test_memories_stored_at_once_are_all_there(case: Case) -> None:
    """In two namespaces, each with its own receipt, acknowledged when it can be recalled; few are embedded alone."""

    async def stored(number: int) -> tuple[Receipt, RecallAnswer]:
        scope = OTHER if number % 3 == 0 else SCOPE
        receipt = await case.store(f"tea number n{number}", scope, id=f"m{number}")
        query = RecallQuery(text=f"n{number}", mode=RecallMode.KEYWORD)
        return receipt, await recall.recall(case.engine, scope, query)

    made = await asyncio.gather(*(stored(number) for number in range(150)))

    assert [receipt.memory_id for receipt, _ in made] == [f"m{number}" for number in range(150)]
    assert len({receipt.commit_seq for receipt, _ in made}) == 150
    for receipt, answer in made:
        assert [hit.record.id for hit in answer.hits] == [receipt.memory_id]
    assert sum(case.embedder.calls) == 150
    assert len(case.embedder.calls) <= 10


async def test_a_memory_that_cannot_be_stored_fails_alone(case: Case) -> None:
    """What is wrong with it, what the store refuses, what the model refuses, and a bug: the others are stored."""
    await case.store("green tea", id="taken")
    drafts = [
        MemoryDraft(payload_json=b"{}", text="one", id="one"),
        MemoryDraft(payload_json=b"no json", text="two", id="two"),
        MemoryDraft(payload_json=b"{}", text="three", id="taken"),
        MemoryDraft(payload_json=b"{}", text="forbidden", id="four"),
        MemoryDraft(payload_json=b"{}", text="bug", id="five"),
        MemoryDraft(payload_json=b"{}", text="six", id="six"),
    ]

    made = await asyncio.gather(
        *(
            case.stores.store(
                SCOPE, StoreCommand(draft, expected_version=9 if place == 2 else None)
            )
            for place, draft in enumerate(drafts)
        ),
        return_exceptions=True,
    )

    assert [type(one) for one in made] == [
        Receipt, InvalidInput, Conflict, Receipt, ZeroDivisionError, Receipt,
    ]  # fmt: skip
    by_vector = await case.alone(RecallQuery(text="one", mode=RecallMode.VECTOR))
    assert by_vector.hits[0].record.id == "one"
    assert by_vector.hits[0].score == pytest.approx(1.0, abs=1e-5)
    refused = await case.alone(RecallQuery(text="forbidden", mode=RecallMode.KEYWORD))
    assert [hit.record.embedding for hit in refused.hits] == [b""]


async def test_a_slow_model_holds_nobody_up(case: Case) -> None:
    """Who brings a vector is acknowledged, and found, while another one's text is being embedded."""
    await case.store("green tea")
    slow = asyncio.create_task(case.store("slow tea"))
    asked = asyncio.create_task(case.recalls.recall(SCOPE, RecallQuery(text="slow tea")))
    await asyncio.sleep(0.01)

    await asyncio.wait_for(case.store("quick", id="quick", embedding=VECTOR), 5)
    query = RecallQuery(vector=VECTOR)
    answer = await asyncio.wait_for(case.recalls.recall(SCOPE, query), 5)

    assert [hit.record.id for hit in answer.hits] == ["quick"]
    assert not slow.done()
    assert not asked.done()
    case.embedder.gate.set()
    await slow
    await asked


async def test_who_has_gone_before_the_group_began_has_written_nothing(case: Case) -> None:
    """And the others of the group do not notice."""
    gone, staying = (asyncio.create_task(case.store(name, id=name)) for name in ("gone", "staying"))
    await asyncio.sleep(0)
    gone.cancel()

    await staying

    assert gone.cancelled() or await asyncio.gather(gone, return_exceptions=True)
    found = await case.alone(RecallQuery(text="gone staying", mode=RecallMode.KEYWORD))
    assert [hit.record.id for hit in found.hits] == ["staying"]


class FullStore:
    """Takes no writes."""

    async def commit(self, writes: Sequence[Write]) -> list[Receipt | Exception]:
        raise Overloaded("too many writes are waiting", retry_after_s=0.1, waiting=len(writes))


async def test_a_store_that_takes_none_tells_everybody(case: Case) -> None:
    """Nobody waits for ever, and the next group is tried again."""
    full: Any = FullStore()
    together = StoreTogether(dataclasses.replace(case.engine, store=full))
    command = StoreCommand(MemoryDraft(payload_json=b"{}", text="tea"))

    for _ in range(2):
        made = await asyncio.gather(
            *(together.store(SCOPE, command) for _ in range(5)), return_exceptions=True
        )

        assert [type(one) for one in made] == [Overloaded] * 5


async def test_recalls_at_once_answer_what_each_answers_alone(case: Case) -> None:
    """Whatever they ask; their texts are embedded in a few calls."""
    for number in range(40):
        await case.store(f"tea of day {number}", id=f"m{number}", coordinate=(float(number),))
    queries = [
        *(RecallQuery(text=f"tea of day {number}", top_k=3) for number in range(40)),
        RecallQuery(text="day 7", mode=RecallMode.KEYWORD),
        RecallQuery(text="day 7", mode=RecallMode.VECTOR),
        RecallQuery(vector=np.ones(DIMENSIONS, "<f4").tobytes()),
        RecallQuery(coordinate=(3.0,)),
        RecallQuery(field_match=FieldMatch("tea")),
        RecallQuery(text="day 3", as_of_us=case.engine.clock.now_us()),
    ]
    expected = [await case.alone(query) for query in queries]
    case.embedder.calls.clear()

    answers = await asyncio.gather(*(case.recalls.recall(SCOPE, query) for query in queries))

    assert answers == expected
    assert len(case.embedder.calls) <= 4


async def test_a_recall_that_fails_fails_alone(case: Case) -> None:
    """What is wrong with it, a bug, one that nobody waits for any more; a text that the model refuses is degraded."""
    await case.store("green tea", id="tea")
    texts = ["tea", " ", "bug", "forbidden tea", "gone", "green"]
    asked = [
        asyncio.create_task(case.recalls.recall(SCOPE, RecallQuery(text=text))) for text in texts
    ]
    await asyncio.sleep(0)
    asked[4].cancel()

    made = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(one) for one in made] == [
        RecallAnswer, InvalidInput, ZeroDivisionError, RecallAnswer, asyncio.CancelledError, RecallAnswer,
    ]  # fmt: skip
    degraded = [one.degraded for one in made if isinstance(one, RecallAnswer)]
    assert degraded == [(), ("vector",), ()]


async def test_a_query_that_the_index_breaks_on_does_not_break_the_others(case: Case) -> None:
    """A bug in the search itself, which looks at all of them at once."""
    await case.store("green tea", id="tea")
    index = case.engine.index
    search = index.search

    class Breaking(type(index)):  # type: ignore[misc] # the class of whichever index
        def search(self, scope, asked, allowed):  # type: ignore[no-untyped-def]
            if any(one.question.text == "broken" for one in asked):
                raise IndexError
            return search(scope, asked, allowed)

    together = RecallTogether(dataclasses.replace(case.engine, index=Breaking()))
    asked = [together.recall(SCOPE, RecallQuery(text=text)) for text in ("tea", "broken", "green")]

    made = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(one) for one in made] == [RecallAnswer, IndexError, RecallAnswer]
