"""What `ports.SearchIndex` promises, for every adapter."""

import itertools
from typing import Any

import numpy as np
import pytest

from memory_server.adapters.embedded import index
from memory_server.adapters.embedded.index import EmbeddedIndex, vectors
from memory_server.adapters.in_memory.index import InMemoryIndex
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.memory import CALLER_MODEL, MemoryKind, Scope, Tenant
from memory_server.domain.spans import Span
from memory_server.ports import Allowed, Asked, Change, Found, Question, SearchIndex, Vector
from memory_server.usecases.recall.joining import joined
from tests.support.memories import NOW_US, SCOPE, a_direction, a_record

EVERYTHING = Filter()
OTHER = Scope(Tenant("other"), "notes")


class IndexCase:
    """An index under test, with commits numbered by the test."""

    def __init__(self, index: SearchIndex) -> None:
        self.index = index
        self._seqs = itertools.count(1)

    def add(
        self, scope: Scope = SCOPE, *, instead_of: tuple[int, ...] = (), **fields: object
    ) -> int:
        seq = next(self._seqs)
        record = a_record(**fields)._replace(commit_seq=seq)
        self.index.apply([Change(scope, seq, record, instead_of)])
        return seq

    def remove(self, seq: int, scope: Scope = SCOPE) -> None:
        self.index.apply([Change(scope, next(self._seqs), removed_seqs=(seq,))])

    def drop(self, scope: Scope) -> None:
        self.index.apply([Change(scope, next(self._seqs), drops_namespace=True)])

    def ask(
        self,
        question: Question,
        given: Filter = EVERYTHING,
        limit: int = 10,
        scope: Scope = SCOPE,
        **more: bool,
    ) -> Found:
        asked = [Asked(question, limit, **more)]
        (found,) = self.index.search(scope, asked, Allowed(given, NOW_US))
        return found

    def words(
        self, text: str, given: Filter = EVERYTHING, limit: int = 10, scope: Scope = SCOPE
    ) -> set[int]:
        return set(keyword_scores(self.ask(Question(text), given, limit, scope)))

    def near(
        self, seed: int, given: Filter = EVERYTHING, limit: int = 10, scope: Scope = SCOPE
    ) -> dict[int, float]:
        """Return the best `limit` cosines, without those that have none."""
        question = Question(None, (CALLER_MODEL, direction(seed)))
        found = cosines(self.ask(question, given, limit, scope))
        ranked = sorted(found.items(), key=lambda entry: -entry[1])[:limit]
        return {seq: cosine for seq, cosine in ranked if cosine != 0.0}


def keyword_scores(found: Found) -> dict[int, float]:
    """Return the scores above 0 by commit."""
    pairs = zip(found.seqs.tolist(), found.candidates.keyword.tolist(), strict=True)
    return {seq: score for seq, score in pairs if score > 0}


def cosines(found: Found) -> dict[int, float]:
    return dict(zip(found.seqs.tolist(), found.candidates.cosine.tolist(), strict=True))


def direction(seed: int) -> Vector:
    return np.frombuffer(a_direction(seed)["embedding"], "<f4")


@pytest.fixture(params=["in_memory", "embedded", "embedded, hasty"])
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> IndexCase:
    """Each index, empty; the embedded one also with an upkeep that never waits."""
    if request.param == "in_memory":
        return IndexCase(InMemoryIndex())
    if "hasty" in request.param:
        monkeypatch.setattr(index, "COMPACT_LEAST", 1)
        monkeypatch.setattr(index, "COMPACT_SHARE", 0.0)
        monkeypatch.setattr(vectors, "EXACT_ROWS", 32)
        monkeypatch.setattr(vectors, "EXACT_ALONE_ROWS", 32)
        monkeypatch.setattr(vectors, "TAIL_ROWS", 8)
    return IndexCase(EmbeddedIndex())


async def test_a_memory_is_found_as_soon_as_it_is_applied(case: IndexCase) -> None:
    """By its words and by its vector, before and after maintenance."""
    seq = case.add(text="green tea", **a_direction(1))
    before = case.words("tea"), case.near(1)
    await case.index.maintain()

    assert before[0] == case.words("tea") == {seq}
    assert before[1].keys() == case.near(1).keys() == {seq}
    assert case.near(1)[seq] == pytest.approx(1.0, abs=1e-6)


async def test_what_is_removed_or_overwritten_is_never_found(case: IndexCase) -> None:
    """By no leg, whatever maintenance has done."""
    first = case.add(text="green tea", coordinate=(1.0,), **a_direction(1))
    await case.index.maintain()
    second = case.add(instead_of=(first,), text="black tea", coordinate=(1.0,), **a_direction(2))
    await case.index.maintain()

    assert case.words("green") == set()
    assert case.words("tea") == {second}
    assert case.near(1).keys() == {second}
    case.remove(second)
    assert case.words("tea") == set()
    assert case.near(2) == {}
    assert case.index.nearest(SCOPE, (1.0,), Allowed(Filter(), NOW_US), 5) == []


async def test_slots_are_used_again_without_mixing(case: IndexCase) -> None:
    """After many removals and additions every memory has its own vector, words and metadata."""
    live: dict[int, int] = {}
    for number in range(300):
        seed = number % 7
        seq = case.add(text=f"word{seed}", metadata={"seed": float(seed)}, **a_direction(seed))
        live[seq] = seed
        if number % 3 == 2:
            gone = next(iter(live))
            del live[gone]
            case.remove(gone)
        if number % 50 == 0:
            await case.index.maintain()

    for seed in range(7):
        mine = {seq for seq, other in live.items() if other == seed}
        test = MetadataTest("seed", any_of=(float(seed),))
        assert case.words(f"word{seed}", limit=500) == mine
        assert case.words(f"word{seed}", Filter(metadata=(test,)), limit=500) == mine
        exact = {seq for seq, cosine in case.near(seed, limit=500).items() if cosine > 0.999}
        assert exact == mine


FILTERS = [
    Filter(kinds=frozenset({2})),
    Filter(metadata=(MetadataTest("t", any_of=("x",)),)),
    Filter(metadata=(MetadataTest("f", any_of=(True,)),)),
    Filter(metadata=(MetadataTest("n", is_range=True, minimum=2.0),)),
    Filter(metadata=(MetadataTest("n", exists=False),)),
    Filter(metadata=(MetadataTest("n", exists=True), MetadataTest("t", exists=True))),
    Filter(event_time_from_us=2, event_time_until_us=3),
    Filter(min_importance=0.7),
]


@pytest.mark.parametrize("given", FILTERS, ids=range(len(FILTERS)))
async def test_filters_apply_before_the_best_are_chosen(case: IndexCase, given: Filter) -> None:
    """One that passes is found among a thousand better ones that do not."""
    better: dict[str, Any] = {"text": "tea tea tea", "kind": MemoryKind.EPISODIC, "importance": 0.1}
    for number in range(1000):
        others = {"n": 1.0, "f": 1.0, "t": "y"} if number % 2 else {"n": 1.0, "f": False}
        case.add(metadata=others, event_time_us=1, **better, **a_direction(1))
    await case.index.maintain()
    fields: dict[str, Any] = {"kind": MemoryKind.SEMANTIC, "importance": 0.9, "event_time_us": 2}
    metadata = {"t": "x", "f": True} | ({} if given is FILTERS[4] else {"n": 2.0})
    one = case.add(
        text="a much longer text that has tea", metadata=metadata, **fields, **a_direction(2)
    )
    record = a_record(metadata=metadata, **fields)
    assert given.passes(record, NOW_US)

    if given is FILTERS[5]:
        assert one in case.words("tea", given, limit=1000)
    else:
        assert case.words("tea", given, limit=1) == {one}
        assert case.near(1, given, limit=1).keys() == {one}


async def test_expired_memories_are_not_found(case: IndexCase) -> None:
    """By time alone."""
    case.add(text="tea", expire_time_us=NOW_US, coordinate=(1.0,), **a_direction(1))
    live = case.add(text="tea", expire_time_us=NOW_US + 1)

    assert case.words("tea") == {live}
    assert case.near(1) == {}
    assert case.index.nearest(SCOPE, (1.0,), Allowed(Filter(), NOW_US), 5) == []


async def test_scopes_never_mix(case: IndexCase) -> None:
    """Neither memories nor the weight of their words."""
    mine = case.add(text="green tea")
    case.add(text="nothing of it")
    alone = case.ask(Question("tea"))
    for _ in range(100):
        case.add(OTHER, text="green tea")
    shared = case.ask(Question("tea"))

    assert keyword_scores(alone)[mine] == keyword_scores(shared)[mine]
    assert case.words("tea") == {mine}
    assert mine not in case.words("tea", limit=200, scope=OTHER)


async def test_only_embeddings_of_the_asked_model_are_compared(case: IndexCase) -> None:
    """Vectors of two models have no angle."""
    case.add(**(a_direction(1) | {"embedding_model": "other"}))
    mine = case.add(**a_direction(1))

    assert case.near(1).keys() == {mine}


async def test_both_scores_are_told_for_what_either_leg_finds(case: IndexCase) -> None:
    """A memory found by its words has its cosine too, however far it is."""
    for _ in range(20):
        case.add(text="other", **a_direction(1))
    seq = case.add(text="tea", **a_direction(2))

    found = case.ask(Question("tea", (CALLER_MODEL, direction(1))), limit=1)

    assert keyword_scores(found)[seq] > 0
    assert cosines(found)[seq] == pytest.approx(float(direction(1) @ direction(2)), abs=1e-6)


async def test_the_nearest_coordinates_come_first(case: IndexCase) -> None:
    """Only those of the same length, by Euclidean distance, the latest write first among equals."""
    far = case.add(coordinate=(10.0, 0.0))
    near = case.add(coordinate=(1.0, 0.0))
    same = case.add(coordinate=(-1.0, 0.0))
    case.add(coordinate=(0.0,))
    case.add()

    found = case.index.nearest(SCOPE, (0.0, 0.0), Allowed(Filter(), NOW_US), 10)

    assert found == [(same, 1.0), (near, 1.0), (far, 10.0)]
    assert case.index.nearest(SCOPE, (0.0, 0.0), Allowed(Filter(), NOW_US), 1) == [(same, 1.0)]
    huge = case.index.nearest(SCOPE, (1e308, -1e308), Allowed(Filter(), NOW_US), 10)
    assert len(huge) == 3


async def test_an_unknown_scope_finds_nothing(case: IndexCase) -> None:
    """No error: whether a namespace exists is the store's to say."""
    assert case.words("tea") == set()
    assert case.near(1) == {}


MINUTE_US = 60_000_000


class Beside:
    """Reads who stands beside whom."""

    def __init__(self, case: IndexCase) -> None:
        self._case = case

    def of(self, seq: int, given: Filter = EVERYTHING) -> tuple[list[int], list[int]]:
        """Return the commits before, the nearest first, and after."""
        found = self._case.ask(Question("tea"), given, with_beside=True)
        seqs = found.seqs.tolist()
        if seq not in seqs:
            return [], []
        sides = found.candidates.beside[seqs.index(seq)].tolist()
        before, after = ([seqs[place] for place in side if place >= 0] for side in sides)
        return before, after


async def test_episodes_know_what_came_just_before_and_after(case: IndexCase) -> None:
    """By event time, within half an hour, allowed ones only, and never facts."""
    tea: dict[str, Any] = {"text": "tea"}
    third = case.add(event_time_us=3 * MINUTE_US, metadata={"hidden": True}, **tea)
    first = case.add(event_time_us=1 * MINUTE_US, **tea)
    second = case.add(event_time_us=2 * MINUTE_US, **tea)
    fact = case.add(event_time_us=2 * MINUTE_US, kind=MemoryKind.SEMANTIC, **tea)
    much_later = case.add(event_time_us=99 * MINUTE_US, **tea)
    beside = Beside(case)

    assert beside.of(first) == ([], [second])
    assert beside.of(second) == ([first], [third])
    assert beside.of(third) == ([second], [])
    assert beside.of(fact) == beside.of(much_later) == ([], [])
    visible = Filter(metadata=(MetadataTest("hidden", exists=False),))
    assert beside.of(second, visible) == ([first], [])
    seqs = [first, second, fact]
    adjacent = case.index.adjacent(SCOPE, seqs, Allowed(EVERYTHING, NOW_US))
    assert {seq: sorted(others) for seq, others in adjacent.items()} == {
        first: [second],
        second: sorted([first, third]),
    }
    assert case.index.adjacent(SCOPE, seqs, Allowed(visible, NOW_US))[second] == [first]
    case.remove(second)
    assert beside.of(first) == ([], [third])


async def test_what_stands_beside_is_found_without_a_word_of_the_query(case: IndexCase) -> None:
    """Only where it is asked for."""
    before, middle, after = (
        case.add(text=text, event_time_us=place * MINUTE_US)
        for place, text in enumerate(("other", "tea", "other"))
    )

    found = case.ask(Question("tea"), with_beside=True)

    assert {before, middle, after} <= set(found.seqs.tolist())
    assert Beside(case).of(middle) == ([before], [after])


async def test_sessions_that_are_named_decide_who_stands_beside_whom(case: IndexCase) -> None:
    """However long the silence in one, and however close two are in time."""
    tea: dict[str, Any] = {"text": "tea"}
    one = case.add(event_time_us=1 * MINUTE_US, metadata={"session": "a"}, **tea)
    other = case.add(event_time_us=2 * MINUTE_US, metadata={"session": "b"}, **tea)
    later = case.add(event_time_us=900 * MINUTE_US, metadata={"session": "a"}, **tea)
    beside = Beside(case)

    assert beside.of(one) == ([], [later])
    assert beside.of(other) == ([], [])


async def test_coordinates_within_a_box_are_found(case: IndexCase) -> None:
    """Its sides included, of the same length only, in the order of the commits."""
    corner = case.add(coordinate=(0.0, 0.0))
    inside = case.add(coordinate=(1.0, 5.0), metadata={"hidden": True})
    case.add(coordinate=(1.0, 5.1))
    case.add(coordinate=(1.0,))
    gone = case.add(coordinate=(1.0, 1.0))
    case.remove(gone)

    def within(given: Filter = EVERYTHING) -> list[int]:
        return case.index.within(SCOPE, (0.0, 0.0), (2.0, 5.0), Allowed(given, NOW_US))

    assert within() == [corner, inside]
    assert within(Filter(metadata=(MetadataTest("hidden", exists=False),))) == [corner]
    assert case.index.within(OTHER, (0.0,), (2.0,), Allowed(EVERYTHING, NOW_US)) == []


async def test_only_what_was_at_the_allowed_times_is_found(case: IndexCase) -> None:
    """By words, by vector and among given commits; together with the filter, before and after maintenance."""
    seqs = [
        case.add(text="tea", event_time_us=time_us, **a_direction(1))
        for time_us in (10, 20, 30, 40)
    ]
    case.remove(case.add(text="tea", event_time_us=20, **a_direction(1)))
    allowed = Allowed(EVERYTHING, NOW_US, (Span(5, 20), Span(30, 31), Span(99, 100)))
    narrow = allowed._replace(given=Filter(event_time_from_us=11))

    def found(question: Question, given: Allowed = allowed) -> list[int]:
        (one,) = case.index.search(SCOPE, [Asked(question, 1)], given)
        seqs: list[int] = one.seqs.tolist()
        return seqs

    for _ in range(2):
        assert set(found(Question("tea"))) <= {seqs[0], seqs[2]}
        assert found(Question("tea"), narrow) == [seqs[2]]
        assert set(found(Question(None, (CALLER_MODEL, direction(1))))) <= {seqs[0], seqs[2]}
        compared = case.index.compare(SCOPE, seqs, Question("tea"), allowed)
        assert compared.seqs.tolist() == [seqs[0], seqs[2]]
        await case.index.maintain()


async def test_the_times_of_a_scope_are_those_of_its_live_memories(case: IndexCase) -> None:
    """Another scope's do not count; without memories there are none."""
    assert case.index.event_times(SCOPE) is None
    first, *_ = [case.add(text="tea", event_time_us=time_us) for time_us in (-5, 30, 20)]
    case.add(OTHER, text="tea", event_time_us=7)
    assert case.index.event_times(SCOPE) == Span(-5, 31)

    case.remove(first)
    assert case.index.event_times(SCOPE) == Span(20, 31)
    assert case.index.event_times(OTHER) == Span(7, 8)


@pytest.mark.parametrize("times", [(Span(0, 90 * MINUTE_US),), (Span(0, 1),), (Span(-2, -1),)])
async def test_two_findings_are_joined_to_one(case: IndexCase, times: tuple[Span, ...]) -> None:
    """What both found is there once; the neighbours are those that either knows."""
    asked = [each._replace(limit=1000, with_beside=True) for each in many_questions(case)[:8]]
    everything = list(case.index.search(SCOPE, asked, Allowed(EVERYTHING, NOW_US)))
    of_times = list(case.index.search(SCOPE, asked, Allowed(EVERYTHING, NOW_US, times)))

    for whole, part in zip(everything, of_times, strict=True):
        assert told(joined(whole, part))[:-1] == told(joined(part, whole))[:-1] == told(whole)[:-1]
        assert told(joined(part, part)) == told(part)
        # Which are the best, of whom the neighbours are known, differs among fewer.
        assert neighbours(joined(whole, part)) >= neighbours(part) | neighbours(whole)


async def test_given_commits_are_compared(case: IndexCase) -> None:
    """Those that are allowed and live, whatever speaks for them."""
    tea = case.add(text="green tea", **a_direction(1))
    other = case.add(text="nothing of it", importance=7.0)
    gone = case.add(text="tea")
    case.remove(gone)
    case.add(text="tea")

    question = Question("tea", (CALLER_MODEL, direction(1)))
    found = case.index.compare(SCOPE, [other, gone, tea], question, Allowed(EVERYTHING, NOW_US))

    assert found.seqs.tolist() == [tea, other]
    assert found.candidates.keyword[0] > found.candidates.keyword[1] == 0
    assert found.candidates.cosine.tolist() == pytest.approx([1.0, 0.0], abs=1e-6)
    assert found.candidates.importance.tolist() == [1.0, 7.0]


async def test_an_index_of_given_records_searches_as_this_one_does(case: IndexCase) -> None:
    """The same scores, and only over those records."""
    records = [
        a_record(text=text)._replace(commit_seq=case.add(text=text))
        for text in ("green tea", "black coffee", "tea and coffee")
    ]
    present = case.ask(Question("tea"))
    case.add(text="tea of a later time")

    past = case.index.of_records(SCOPE, records)

    (found,) = past.search(SCOPE, [Asked(Question("tea"), 10)], Allowed(EVERYTHING, NOW_US))
    assert keyword_scores(found) == keyword_scores(present)


async def test_a_dropped_namespace_is_found_no_more(case: IndexCase) -> None:
    """And its name can be used again."""
    case.add(text="tea")
    case.drop(SCOPE)
    before = case.words("tea")
    again = case.add(text="tea")

    assert before == set()
    assert case.words("tea") == {again}


def many_questions(case: IndexCase) -> list[Asked]:
    """Store memories that are about several things each, and return questions for some of them."""
    for number in range(400):
        text = f"word{number % 7} word{number % 11} word{number % 13}"
        case.add(text=text, event_time_us=number * MINUTE_US, **a_direction(number))
    return [
        Asked(
            Question(f"word{number % 13} word2", (CALLER_MODEL, direction(number))),
            10 + number % 3,
            with_beside=number % 4 > 0,
        )
        for number in range(60)
    ]


def neighbours(found: Found) -> set[tuple[int, int]]:
    """Return (commit, commit beside it) of all that are known."""
    seqs = found.seqs.tolist()
    beside = found.candidates.beside
    rows = beside.reshape(len(seqs), beside[:1].size or 1).tolist()
    return {
        (seq, seqs[place])
        for seq, row in zip(seqs, rows, strict=True)
        for place in row
        if place >= 0
    }


def told(found: Found) -> list[object]:
    """Return all that was found as what can be compared."""
    columns = [column for column in found.candidates if isinstance(column, np.ndarray)]
    return [found.seqs.tolist(), found.is_exact, *(column.tolist() for column in columns)]


async def test_many_questions_at_once_find_what_each_finds_alone(case: IndexCase) -> None:
    """Whoever looks for it, and in whatever company."""
    asked = many_questions(case)
    await case.index.maintain()
    allowed = Allowed(EVERYTHING, NOW_US)

    together = [told(found) for found in case.index.search(SCOPE, asked, allowed)]

    alone = [told(found) for each in asked for found in case.index.search(SCOPE, [each], allowed)]
    assert together == alone


async def test_a_change_does_not_disturb_what_is_still_looked_for(case: IndexCase) -> None:
    """What is found is as of the question, whatever is added, removed or dropped before it is looked at."""
    asked = many_questions(case)
    allowed = Allowed(EVERYTHING, NOW_US)
    before = [told(found)[0] for found in case.index.search(SCOPE, asked, allowed)]
    seqs = case.ask(Question("word1"), limit=500).seqs.tolist()

    one, other = (case.index.search(SCOPE, asked, allowed) for _ in range(2))
    first = [told(next(one))[0] for _ in range(3)]
    for seq in seqs[:5]:
        case.remove(seq)
    for _ in range(2000):
        case.add(text="word1 word2 word3", **a_direction(3))
    await case.index.maintain()
    second = [told(next(one))[0] for _ in range(20)]
    case.drop(SCOPE)
    rest = [told(found)[0] for found in one]

    assert first + second + rest == before
    assert [told(found)[0] for found in other] == before
    assert all(not told(found)[0] for found in case.index.search(SCOPE, asked, allowed))
