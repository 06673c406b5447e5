"""What `ports.SearchIndex` promises, for every adapter."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from memory_server.adapters.embedded import keywords
from memory_server.adapters.embedded.index import EmbeddedIndex
from memory_server.adapters.in_memory.index import InMemoryIndex
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.memory import CALLER_MODEL, MemoryKind, Scope, Tenant
from memory_server.ports import Allowed, Change, SearchIndex, Vector
from tests.support.memories import DIMENSIONS, NOW_US, SCOPE, a_direction, a_record

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
        record = dataclasses.replace(a_record(**fields), commit_seq=seq)
        self.index.apply([Change(scope, seq, record, instead_of)])
        return seq

    def remove(self, seq: int, scope: Scope = SCOPE) -> None:
        self.index.apply([Change(scope, next(self._seqs), removed_seqs=(seq,))])

    def words(
        self, text: str, given: Filter = EVERYTHING, limit: int = 10, scope: Scope = SCOPE
    ) -> set[int]:
        found = self.index.search(
            scope, text=text, vector=None, allowed=Allowed(given, NOW_US), limit=limit
        )
        return set(found.keyword)

    def near(
        self, seed: int, given: Filter = EVERYTHING, limit: int = 10, scope: Scope = SCOPE
    ) -> dict[int, float]:
        query = direction(seed)
        found = self.index.search(
            scope,
            text=None,
            vector=(CALLER_MODEL, query),
            allowed=Allowed(given, NOW_US),
            limit=limit,
        )
        return dict(found.cosine)


def direction(seed: int) -> Vector:
    return np.frombuffer(a_direction(seed)["embedding"], "<f4")


@pytest.fixture(params=["in_memory", "embedded", "embedded, all flushed"])
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexCase]:
    """Each index, empty; the embedded one also with a tail that never waits."""
    if request.param == "in_memory":
        yield IndexCase(InMemoryIndex())
        return
    if "flushed" in request.param:
        monkeypatch.setattr(keywords, "FLUSH_AT", 1)
    yield IndexCase(EmbeddedIndex(DIMENSIONS))


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
    alone = case.index.search(
        SCOPE, text="tea", vector=None, allowed=Allowed(Filter(), NOW_US), limit=5
    )
    for _ in range(100):
        case.add(OTHER, text="green tea")
    shared = case.index.search(
        SCOPE, text="tea", vector=None, allowed=Allowed(Filter(), NOW_US), limit=5
    )

    assert alone.keyword[mine] == shared.keyword[mine]
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

    found = case.index.search(
        SCOPE, text="tea", vector=(CALLER_MODEL, direction(1)), allowed=Allowed(Filter(), NOW_US), limit=1
    )  # fmt: skip

    assert found.keyword[seq] > 0
    assert found.cosine[seq] == pytest.approx(float(direction(1) @ direction(2)), abs=1e-6)


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


async def test_episodes_know_what_came_just_before_and_after(case: IndexCase) -> None:
    """By event time, within half an hour, allowed ones only, and never facts."""
    third = case.add(event_time_us=3 * MINUTE_US, metadata={"hidden": True})
    first = case.add(event_time_us=1 * MINUTE_US)
    second = case.add(event_time_us=2 * MINUTE_US)
    fact = case.add(event_time_us=2 * MINUTE_US, kind=MemoryKind.SEMANTIC)
    much_later = case.add(event_time_us=99 * MINUTE_US)
    everyone = [first, second, third, fact, much_later]

    def adjacent(given: Filter = EVERYTHING) -> dict[int, list[int]]:
        found = case.index.adjacent(SCOPE, everyone, Allowed(given, NOW_US))
        return {seq: sorted(others) for seq, others in found.items()}

    assert adjacent() == {first: [second], second: sorted([first, third]), third: [second]}
    visible = Filter(metadata=(MetadataTest("hidden", exists=False),))
    assert adjacent(visible) == {first: [second], second: [first], third: [second]}
    case.remove(second)
    everyone.remove(second)
    assert adjacent() == {first: [third], third: [first]}
