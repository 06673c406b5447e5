"""Recall over both engines, the in-memory one and the embedded one: the same answers from each."""

import asyncio
import dataclasses
import itertools
import json
import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.memory import MemoryDraft, MemoryId, MemoryKind, MemoryRef
from memory_server.domain.policy import NamespacePolicy
from memory_server.domain.ranking import Boosts
from memory_server.ports import CreateNamespaceWrite
from memory_server.usecases import delete, lifecycle, link, read, recall, store
from memory_server.usecases.engine import Engine
from memory_server.usecases.recall import FieldMatch, RecallAnswer, RecallMode, RecallQuery, search
from memory_server.usecases.recall.search import Task
from memory_server.usecases.recall.times import MOST_YEARS, YEARS_AHEAD, named_times
from soma_common.errors import InvalidInput, NotFound, Unavailable
from tests.support.engines import ENGINES, an_engine
from tests.support.memories import DIMENSIONS, NOW_US, SCOPE, StoppedClock

DAY_US = 86_400_000_000


class RecallCase:
    """An engine under test with a clock that the test turns."""

    def __init__(self, engine: Engine, clock: StoppedClock) -> None:
        self.engine = engine
        self.clock = clock

    async def add(self, id: str, text: str, **fields: Any) -> None:
        payload = json.dumps(fields.pop("payload", {"text": text})).encode()
        draft = MemoryDraft(payload_json=payload, id=id, text=text, **fields)
        await store.store(self.engine, SCOPE, store.StoreCommand(draft))

    async def delete(self, id: str) -> None:
        ref = MemoryRef(id=MemoryId(id))
        await delete.delete(self.engine, SCOPE, delete.DeleteCommand(ref))

    async def link(self, start: str, end: str, weight: float = 1.0) -> None:
        refs = [MemoryRef(id=MemoryId(name)) for name in (start, end)]
        command = link.LinkCommand(refs[0], refs[1], "about", weight, {})
        await link.link(self.engine, SCOPE, command)

    async def recall(self, text: str | None = None, **fields: Any) -> RecallAnswer:
        return await recall.recall(self.engine, SCOPE, RecallQuery(text=text, **fields))

    async def ids(self, text: str | None = None, **fields: Any) -> list[str]:
        return [hit.record.id for hit in (await self.recall(text, **fields)).hits]

    async def pages(self, query: RecallQuery) -> list[str]:
        """Return the ids of all pages."""
        found: list[str] = []
        while True:
            answer = await recall.recall(self.engine, SCOPE, query)
            found += [hit.record.id for hit in answer.hits]
            if not answer.next_token:
                return found
            query = query._replace(page_token=answer.next_token)


@pytest.fixture(params=ENGINES)
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecallCase]:
    """Each engine, empty."""
    clock = StoppedClock()
    async with an_engine(request.param, tmp_path, HashEmbedder(DIMENSIONS), clock) as engine:
        yield RecallCase(engine, clock)


async def test_a_linked_memory_is_recalled_without_a_word_of_the_query(case: RecallCase) -> None:
    """In either direction, below the one it is linked with, and told as `links`; never where the filter forbids it."""
    await case.add("trip", "the train to Lisbon", kind=MemoryKind.SEMANTIC)
    for number in range(60):
        await case.add(f"other-{number}", f"something else {number}", kind=MemoryKind.SEMANTIC)
    await case.add("hotel", "a room with blue tiles", kind=MemoryKind.SEMANTIC)
    await case.add("secret", "key 77", kind=MemoryKind.SEMANTIC, metadata={"hidden": True})
    before = await case.ids("Lisbon", mode=RecallMode.KEYWORD)
    await case.link("trip", "hotel")
    await case.link("secret", "trip")

    answer = await case.recall("Lisbon", top_k=3)
    visible = Filter(metadata=(MetadataTest("hidden", exists=False),))

    parts = {str(hit.record.id): hit.parts for hit in answer.hits}
    assert before == ["trip"]
    assert answer.hits[0].record.id == "trip"
    assert set(parts) == {"trip", "hotel", "secret"}
    assert parts["hotel"].links == parts["secret"].links > 0
    assert "secret" not in await case.ids("Lisbon", top_k=100, given=visible)


async def test_a_weaker_link_passes_less_on(case: RecallCase) -> None:
    """By its weight, and heavier than 1 is 1."""
    for name in ("strong", "weak", "heavy"):
        await case.add(name, f"unlike {name}", kind=MemoryKind.SEMANTIC)
    await case.add("tea", "green tea", kind=MemoryKind.SEMANTIC)
    await case.link("tea", "strong", 1.0)
    await case.link("tea", "weak", 0.25)
    await case.link("heavy", "tea", 50.0)

    links = {str(h.record.id): h.parts.links for h in (await case.recall("green tea")).hits}

    assert links["weak"] == pytest.approx(links["strong"] / 4)
    assert links["heavy"] == links["strong"]


async def test_importance_decides_among_equals(case: RecallCase) -> None:
    """Whatever scale its author uses; where all are equal it changes nothing."""
    await case.add("one", "green tea", kind=MemoryKind.SEMANTIC, importance=400.0)
    equal = (await case.recall("green tea")).hits[0]
    await case.add("two", "green tea", kind=MemoryKind.SEMANTIC, importance=9000.0)
    await case.add("three", "green tea", kind=MemoryKind.SEMANTIC, importance=-3.0)

    hits = (await case.recall("green tea")).hits

    assert equal.parts.importance == 0.0
    assert [hit.record.id for hit in hits] == ["two", "one", "three"]
    assert [hit.parts.importance > 0 for hit in hits] == [True, True, False]


async def test_recency_counts_where_the_namespace_has_a_half_life(case: RecallCase) -> None:
    """A memory as old as the half-life gains half; without one, age is nothing."""
    ranking = dataclasses.replace(case.engine.ranking, recency=0.2)
    case.engine = dataclasses.replace(case.engine, ranking=ranking)
    await case.add("elsewhere", "x")
    plain = (await case.recall("x")).hits[0].parts.recency
    scope = SCOPE._replace(namespace="with-half-life")
    policy = NamespacePolicy(recency_half_life_s=7 * 86_400)
    await case.engine.commit_one(CreateNamespaceWrite(scope, policy, NOW_US))
    for name, age in (("old", 7), ("new", 0)):
        draft = MemoryDraft(b"{}", id=name, text="tea", event_time_us=NOW_US - age * DAY_US)
        await store.store(case.engine, scope, store.StoreCommand(draft))

    hits = (await recall.recall(case.engine, scope, RecallQuery(text="tea"))).hits

    assert plain == 0.0
    assert [hit.record.id for hit in hits] == ["new", "old"]
    assert hits[1].parts.recency == pytest.approx(hits[0].parts.recency / 2, rel=1e-3)


async def a_diary(case: RecallCase) -> None:
    """Store what was eaten on each of 400 days: the same words every day, and a dish that no question names."""
    first = datetime(2023, 1, 1, 20, tzinfo=UTC)
    for number in range(400):
        day = first + timedelta(number)
        await case.add(
            f"{day:%Y-%m-%d}",
            f"We ate dish{number}.",
            event_time_us=int(day.timestamp()) * 1_000_000,
        )
    case.clock.time_us = int((first + timedelta(399)).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What did we eat on May 4th?", ["2023-05-04"]),
        ("What did we eat on January 5th?", ["2024-01-05", "2023-01-05"]),
        ("What did we eat on January 5th, 2023?", ["2023-01-05"]),
        ("What did we eat yesterday?", ["2024-02-03"]),
        ("What did we eat between the 3rd of May and the 5th of May?", ["2023-05-05", "2023-05-04", "2023-05-03"]),
    ],
)  # fmt: skip
async def test_what_was_at_a_time_that_is_named_comes_first(
    case: RecallCase, question: str, expected: list[str]
) -> None:
    """Though hundreds answer as well, but for their time; the parts of the score tell why."""
    await a_diary(case)

    hits = (await case.recall(question, top_k=len(expected) + 3)).hits

    assert {hit.record.id for hit in hits[: len(expected)]} == set(expected)
    added = case.engine.ranking.named_time
    wanted = [added] * len(expected) + [0.0] * 3
    assert [hit.parts.named_time for hit in hits] == wanted
    for hit in hits:
        of = hit.parts
        assert hit.score == pytest.approx(of.keyword + of.vector + of.links + of.named_time)


@pytest.mark.parametrize("ends", [(9999,), (1, 9999), (1,)])
async def test_dates_are_found_beside_memories_that_are_dated_far_away(
    case: RecallCase, ends: tuple[int, ...]
) -> None:
    """Those of the years around now and of the last ones; in how many years is bounded, however far apart they are."""
    await a_diary(case)
    for year in (*ends, 2027):
        moment = datetime(year, 5, 4, tzinfo=UTC)
        await case.add(f"{year}", "We ate.", event_time_us=int(moment.timestamp()) * 1_000_000)

    hits = (await case.recall("What did we eat on May 4th?", top_k=9)).hits

    found = {hit.record.id for hit in hits if hit.parts.named_time}
    assert found == {"2023-05-04", "2027"} | {"9999"} & set(map(str, ends))
    spans = named_times(case.engine.index, SCOPE, "on May 4th", case.clock.time_us)
    assert len(spans) <= 2 * MOST_YEARS + YEARS_AHEAD


async def test_a_named_time_is_one_of_the_moment_that_is_asked_for(case: RecallCase) -> None:
    """Relative to it, and among what was known then; a filter holds all the same, and other modes name no times."""
    await a_diary(case)
    moment_us = case.clock.time_us
    case.clock.time_us += 7 * DAY_US
    await case.add("later", "We ate dish400.", event_time_us=moment_us - DAY_US)
    question = "What did we eat yesterday?"

    then = await case.recall(question, as_of_us=moment_us, top_k=1)
    assert [hit.record.id for hit in then.hits] == ["2024-02-03"]
    before = await case.recall(
        question, as_of_us=moment_us, given=Filter(event_time_until_us=moment_us - 2 * DAY_US)
    )
    assert before.hits
    assert all(hit.parts.named_time == 0 for hit in before.hits)
    for mode in (RecallMode.KEYWORD, RecallMode.VECTOR):
        plain = await case.recall("What did we eat on May 4th?", mode=mode)
        assert all(hit.parts.named_time == 0 for hit in plain.hits)


async def test_questions_with_and_without_times_are_answered_together(case: RecallCase) -> None:
    """Each as if it were alone."""
    await a_diary(case)
    texts = [
        "What did we eat on May 4th?",
        "dish7",
        "What did we eat in June 2023?",
        "What did we eat on May 4th?",
    ]
    queries = [RecallQuery(text=text, top_k=5) for text in texts * 5]

    together = await recall.recall_each(case.engine, [(SCOPE, query) for query in queries])

    alone = [await recall.recall(case.engine, SCOPE, query) for query in queries]
    assert together == alone


async def test_pages_show_each_memory_once(case: RecallCase) -> None:
    """Also where sessions and neighbours lift what the candidates of a single page would not know."""
    source = random.Random(1)
    for number in range(900):
        words = " ".join(source.choices([f"word{other}" for other in range(60)], k=8))
        await case.add(f"m{number}", words, metadata={"session": f"s{number % 100}"})

    query = RecallQuery(text="word1 word2 word3", mode=RecallMode.KEYWORD, top_k=10)
    for mode in (RecallMode.HYBRID, RecallMode.KEYWORD):
        found = await case.pages(query._replace(mode=mode))
        assert len(found) == len(set(found))
        assert len(found) >= 250


@pytest.mark.parametrize("is_listed", [False, True], ids=["recall", "list"])
async def test_no_more_is_read_than_an_answer_can_carry(
    case: RecallCase, monkeypatch: pytest.MonkeyPatch, is_listed: bool
) -> None:
    """However many memories are asked for, and however large they are; page by page each is there, once."""
    for number in range(150):
        await case.add(f"m{number}", "tea", payload={"blob": "x" * 200_000})
    read_bytes: list[int] = []
    name = "list_page" if is_listed else "get_by_seq"
    reads = getattr(case.engine.store, name)

    async def counted(*given: Any) -> Any:
        found = await reads(*given)
        records = found if is_listed else found.values()
        read_bytes.append(sum(len(record.payload_json) for record in records))
        return found

    monkeypatch.setattr(case.engine.store, name, counted)
    found: list[str] = []
    token, most = "", 0
    while not found or token:
        read_bytes.clear()
        if is_listed:
            page = await read.list_memories(
                case.engine, SCOPE, Filter(), page_size=1000, token=token
            )
            found += [record.id for record in page.records]
            token = page.next_token
        else:
            answer = await case.recall("tea", top_k=1000, page_token=token)
            assert answer.is_truncated == bool(answer.next_token)
            found += [hit.record.id for hit in answer.hits]
            token = answer.next_token
        most = max(most, read_bytes[-1])

    assert sorted(found) == sorted(f"m{number}" for number in range(150))
    assert most <= 50 * 200_100


async def test_context_lifts_what_fits_it_and_adds_nothing(case: RecallCase) -> None:
    """It is no filter: the same memories, in another order."""
    await case.add("hot", "tea with ginger, hot", kind=MemoryKind.SEMANTIC)
    await case.add("iced", "tea with lemon, iced", kind=MemoryKind.SEMANTIC)
    await case.add("far", "summer is hot", kind=MemoryKind.SEMANTIC)

    keyword = {"mode": RecallMode.KEYWORD}
    iced = await case.ids("tea", context="something iced for the summer", **keyword)
    hot = await case.ids("tea", context="something hot for the winter", **keyword)

    assert iced == ["iced", "hot"]
    assert hot == ["hot", "iced"]


async def test_recall_as_of_a_moment_knows_what_was_known_then(case: RecallCase) -> None:
    """Overwritten versions with their own words; nothing newer; what was deleted since is not among it."""
    await case.add("tea", "green tea")
    await case.add("gone", "green door")
    case.clock.time_us += 10
    then = case.clock.time_us
    case.clock.time_us += 10
    await case.add("tea", "black coffee")
    await case.add("new", "green grass")
    before = await case.ids("green", as_of_us=then)
    await case.delete("gone")

    past = await case.recall("green", as_of_us=then)

    assert set(before) == {"tea", "gone"}
    assert [hit.record.id for hit in past.hits] == ["tea"]
    assert past.hits[0].record.text == "green tea"
    assert await case.ids("green", mode=RecallMode.KEYWORD) == ["new"]
    assert await case.ids("green", as_of_us=NOW_US - 1) == []
    matched = await case.ids(field_match=FieldMatch("green tea"), as_of_us=then)
    assert matched == ["tea"]


@pytest.mark.parametrize("is_swept", [False, True])
async def test_what_has_expired_since_is_not_in_the_past(case: RecallCase, is_swept: bool) -> None:
    """Whether it was swept away or not; neither recalled nor read, by whichever address."""
    await case.add("stays", "green tea")
    expiring = {"expire_time_us": NOW_US + 20, "coordinate": (1.0,)}
    await case.add("goes", "green door", **expiring)
    then, by_id = case.clock.time_us + 1, MemoryRef(id=MemoryId("goes"))
    case.clock.time_us += 10
    assert set(await case.ids("green", as_of_us=then)) == {"stays", "goes"}
    case.clock.time_us += 10
    if is_swept:
        await lifecycle.expire_once(case.engine)

    assert await case.ids("green", as_of_us=then) == ["stays"]
    assert await case.ids(field_match=FieldMatch("green door"), as_of_us=then) == []
    for gone in (by_id, MemoryRef(coordinate=(1.0,))):
        with pytest.raises(NotFound):
            await read.get(case.engine, SCOPE, gone, as_of_us=then)


async def test_a_string_in_the_payload_is_found_newest_first(case: RecallCase) -> None:
    """By pages, also over more memories than are read at once, and only what passes the filter."""
    for number in range(300):
        payload = {"a": [{"b": f"order {number % 3}_{number}%"}]}
        await case.add(
            f"m{number:03}",
            "",
            payload=payload,
            event_time_us=number,
            metadata={"n": float(number)},
        )

    match = FieldMatch("0_", is_substring=True)
    found = await case.pages(RecallQuery(field_match=match, top_k=7))
    given = Filter(metadata=(MetadataTest("n", is_range=True, maximum=100.0),))
    fewer = await case.pages(RecallQuery(field_match=match, top_k=7, given=given))

    expected = [f"m{number:03}" for number in range(297, -1, -3)]
    assert found == expected
    assert fewer == [name for name in expected if name <= "m100"]
    assert await case.ids(field_match=FieldMatch("order 1_1%")) == ["m001"]
    assert await case.ids(field_match=FieldMatch("ORDER 1_1%", is_case_sensitive=True)) == []


async def test_an_answer_of_the_past_names_the_commit_that_its_moment_knows(
    case: RecallCase,
) -> None:
    """What is committed while the moment is looked at is not in the answer, so the answer does not claim it."""
    await case.add("early", "green tea")
    moment_us = case.clock.time_us
    engine = case.engine
    past = await engine.moments.at(engine.store, engine.index, engine.clock, SCOPE, moment_us)
    known = case.engine.store.last_commit_seq
    await case.add("late", "green tea")
    query = RecallQuery(text="tea", as_of_us=moment_us)
    (prepared,) = await search.prepare(case.engine, [query])

    made = await search.attempt(case.engine, Task(SCOPE, query, 10, Boosts(), past), prepared)

    assert [past.records[hit.commit_seq].id for hit in made.ranked] == ["early"]
    assert made.commit_seq == known


@pytest.mark.parametrize("is_past", [False, True])
async def test_others_have_their_turn_while_payloads_are_matched(
    case: RecallCase, is_past: bool
) -> None:
    """Large payloads of letters with accents take long to compare; nobody waits for more than a part of it."""
    for number in range(24):
        await case.add(f"m{number}", "", payload={"blob": "é" * 120_000, "n": str(number)})
    asked: dict[str, Any] = {"as_of_us": case.clock.time_us} if is_past else {}
    await case.ids(text="tea", **asked)
    turns = [time.perf_counter()]

    async def take_turns() -> None:
        while True:
            turns.append(time.perf_counter())
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    found = await case.ids(field_match=FieldMatch("7"), **asked)
    others.cancel()
    turns.append(time.perf_counter())

    longest = max(later - earlier for earlier, later in itertools.pairwise(turns))
    assert found == ["m7"]
    assert longest < (turns[-1] - turns[0]) / 4


async def test_pages_of_a_recall_are_its_hits_in_order(case: RecallCase) -> None:
    """Without gap or repetition; a token serves its own query only."""
    for number in range(25):
        await case.add(f"m{number}", "tea " * (number % 5 + 1), kind=MemoryKind.SEMANTIC)

    whole = await case.ids("tea", top_k=1000)
    paged = await case.pages(RecallQuery(text="tea", top_k=4))

    assert paged == whole
    assert len(set(paged)) == 25
    token = (await case.recall("tea", top_k=4)).next_token
    with pytest.raises(InvalidInput):
        await case.recall("coffee", top_k=4, page_token=token)


async def test_a_box_returns_what_lies_in_it_by_pages(case: RecallCase) -> None:
    """Its sides included, in the order of the writes; a box upside down is refused."""
    for number in range(10):
        await case.add(f"m{number}", "x", coordinate=(float(number), 1.0))
    await case.add("flat", "x", coordinate=(3.0,))

    async def box(least: float, greatest: float, token: str = "") -> tuple[list[str], str]:
        page = await recall.range_search(
            case.engine, SCOPE, (least, 1.0), (greatest, 1.0), Filter(), page_size=3, token=token
        )
        return [record.id for record in page.records], page.next_token

    first, token = await box(2.0, 7.0)
    second, end = await box(2.0, 7.0, token)

    assert first + second == [f"m{number}" for number in range(2, 8)]
    assert end == ""
    with pytest.raises(InvalidInput):
        await box(2.0, 6.0, token)
    with pytest.raises(InvalidInput):
        await box(3.0, 2.0)


async def test_several_queries_answer_what_each_answers_alone(case: RecallCase) -> None:
    """Of every kind and mode, with filters, pages, moments and mistakes among them; each in its own place."""
    for number in range(30):
        metadata = {"even": number % 2 == 0}
        case.clock.time_us += DAY_US
        await case.add(
            f"m{number}", f"tea of day {number} " + "green " * (number % 4), metadata=metadata,
            coordinate=(float(number), 1.0), kind=MemoryKind.EPISODIC,
        )  # fmt: skip
    # True and 1.0 are the same to Python, and are not to a filter.
    even = Filter(metadata=(MetadataTest("even", any_of=(True,)),))
    token = (await case.recall("green tea", top_k=4)).next_token
    queries = [
        RecallQuery(text="green tea", top_k=4),
        RecallQuery(text="green tea", top_k=4, page_token=token),
        RecallQuery(text="tea of day 7", given=even),
        RecallQuery(text="day 9", mode=RecallMode.KEYWORD, explain=False),
        RecallQuery(text="day 9", mode=RecallMode.VECTOR, min_score=0.2),
        RecallQuery(text=" "),
        RecallQuery(coordinate=(3.0, 1.0), given=even),
        RecallQuery(field_match=FieldMatch("day 1"), top_k=3),
        RecallQuery(text="green", as_of_us=case.clock.time_us - 20 * DAY_US),
        RecallQuery(text="green", as_of_us=case.clock.time_us - 10 * DAY_US),
        RecallQuery(field_match=FieldMatch("green"), as_of_us=case.clock.time_us - 15 * DAY_US),
        RecallQuery(text="tea", given=Filter(metadata=(MetadataTest("even", any_of=(1.0,)),))),
        RecallQuery(text="green tea", context="day 11 and day 12", top_k=4),
        RecallQuery(text="tea", min_commit_seq=1_000_000),
        RecallQuery(text="words that no memory has"),
    ]
    absent = SCOPE._replace(namespace="absent")
    asked = [*((SCOPE, query) for query in queries), (absent, queries[0])]

    answers = await recall.recall_each(case.engine, asked)

    kinds = [type(answer) for answer in answers]
    assert kinds[5] is InvalidInput
    assert kinds[13] is Unavailable
    assert kinds[15] is NotFound
    assert kinds.count(RecallAnswer) == 13
    for (scope, query), answer in zip(asked, answers, strict=True):
        if isinstance(answer, RecallAnswer):
            assert answer == await recall.recall(case.engine, scope, query)


async def test_a_query_must_ask_for_something_in_a_namespace_that_exists(case: RecallCase) -> None:
    """Every violation is named."""
    await case.add("tea", "tea")

    with pytest.raises(InvalidInput):
        await case.recall()
    with pytest.raises(InvalidInput):
        await case.recall(field_match=FieldMatch(""))
    scope = SCOPE._replace(namespace="absent")
    with pytest.raises(NotFound):
        await recall.recall(case.engine, scope, RecallQuery(text="tea"))


async def test_a_conversation_lifts_nothing_that_nothing_speaks_for(case: RecallCase) -> None:
    """What has no word of the question, no vector and nobody beside it is no answer, however near in time."""
    minute_us = 60_000_000
    for place, (name, text) in enumerate(
        (("mute", ""), ("tea", "green tea"), ("more", "tea again"))
    ):
        time_us = NOW_US + 2 * place * minute_us
        payload = {"text": text} if text else {"right": 1}
        await case.add(name, text, payload=payload, event_time_us=time_us)
    between_us = NOW_US + minute_us
    await case.add("between", "", payload={"wrong": 1}, event_time_us=between_us)

    found = await case.ids("green", top_k=100)

    assert found[0] == "tea"
    assert "between" in found
    assert "mute" not in found
