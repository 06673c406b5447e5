"""Moments of the past, turned one into the other: each knows what it would know if it were made anew."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from memory_server.adapters.embedded.index import EmbeddedIndex
from memory_server.adapters.in_memory.index import InMemoryIndex
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryRecord
from memory_server.ports import Allowed, Asked, ExpireWrite, Question, SearchIndex
from memory_server.usecases import moments
from memory_server.usecases.moments import Moments, Past
from soma_common.errors import NotFound
from tests.support.memories import NOW_US, SCOPE, StoppedClock, a_delete, a_store
from tests.support.stores import StoreCase

WORDS = ("tea", "coffee", "milk", "water")
EVERYTHING = 1000
CLOCK = StoppedClock()


@pytest.fixture(params=[InMemoryIndex, EmbeddedIndex], ids=["in_memory", "embedded"])
async def index(request: pytest.FixtureRequest) -> AsyncIterator[SearchIndex]:
    """Each index, of which those of the moments are made."""
    made: SearchIndex = request.param()
    yield made
    await made.close()


def found(past: Past, word: str, moment_us: int) -> set[tuple[str, int]]:
    """Return (id, version) of what a word finds at a moment."""
    allowed = Allowed(Filter(), moment_us)
    (hits,) = past.index.search(SCOPE, [Asked(Question(word), EVERYTHING)], allowed)
    records = [past.records[seq] for seq in hits.seqs.tolist()]
    return {(record.id, record.version) for record in records}


async def test_a_moment_that_another_was_turned_into_is_whole(
    case: StoreCase, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward and back, over writes and deletes in between, in small steps, and however worn it is."""
    monkeypatch.setattr(moments, "AT_ONCE", 3)
    chance = random.Random(3)
    kept = Moments()
    anew = 0
    before: Past | None = None
    for step in range(1, 60):
        now_us = NOW_US + step
        text = " ".join(chance.sample(WORDS, 2))
        name = f"m{chance.randint(0, 12)}"
        later = {"text": text, "now_us": now_us, "update_time_us": now_us, "event_time_us": now_us}
        await case.store.commit([a_store(name, **later)])
        if chance.random() < 0.1:
            await case.store.commit([a_delete(name, now_us=now_us)])
        moment_us = NOW_US + chance.randint(1, step)
        past = await kept.at(case.store, index, CLOCK, SCOPE, moment_us)
        anew += past.index is not (before and before.index)
        before = past
        word = chance.choice(WORDS)

        fresh = await Moments().at(case.store, index, CLOCK, SCOPE, moment_us)
        assert found(past, word, moment_us) == found(fresh, word, moment_us)
        records = await case.store.as_of(SCOPE, moment_us, now_us)
        assert {(record.id, record.version) for record in records} == {
            (record.id, record.version) for record in past.records.values()
        }
        assert past is await kept.at(case.store, index, CLOCK, SCOPE, moment_us)
        assert not any(record.embedding for record in past.records.values())
    assert 1 <= anew < 20


async def test_callers_of_different_moments_wait_for_each_other(
    case: StoreCase, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is given its own moment, whole, before the next one is made of it; a call that goes leaves none half."""
    monkeypatch.setattr(moments, "AT_ONCE", 2)
    for number in range(1, 31):
        at_us = NOW_US + number
        await case.store.commit([a_store(f"m{number}", text="tea", update_time_us=at_us)])
    kept = Moments()
    await kept.at(case.store, index, CLOCK, SCOPE, NOW_US + 30)

    async def count(moment_us: int) -> int:
        past = await kept.at(case.store, index, CLOCK, SCOPE, moment_us)
        return len(found(past, "tea", moment_us))

    gone = asyncio.create_task(count(NOW_US + 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gone.cancel()
    counts = await asyncio.gather(*(count(NOW_US + number) for number in (5, 30, 17, 17, 1)))

    assert counts == [5, 30, 17, 17, 1]
    assert gone.cancelled() or gone.done()


async def test_what_is_kept_of_moments_is_bounded(case: StoreCase, index: SearchIndex) -> None:
    """Few namespaces are kept, the last one in any case; a missing one is said, and an erasure forgets them all."""
    kept = Moments()
    scopes = [SCOPE.__class__(SCOPE.tenant, f"n{number}") for number in range(9)]
    for scope in scopes:
        await case.store.commit([a_store("a", scope=scope)])
        past = await kept.at(case.store, index, CLOCK, scope, NOW_US)
        records: list[MemoryRecord] = list(past.records.values())
        assert [record.id for record in records] == ["a"]
    with pytest.raises(NotFound):
        await kept.at(case.store, index, CLOCK, SCOPE, NOW_US)

    assert list(kept._kept) == scopes[-moments.MOST_NAMESPACES :]
    kept.clear()
    assert not kept._kept


@pytest.mark.parametrize("is_swept", [False, True])
async def test_what_has_expired_has_no_past(
    case: StoreCase, index: SearchIndex, is_swept: bool
) -> None:
    """Swept away or not, its older versions too, also in a moment that was kept; a clock set back brings it back."""
    clock, kept = StoppedClock(NOW_US + 10), Moments()
    await case.store.commit([a_store("stays", text="tea"), a_store("goes", text="tea")])
    later = {"text": "tea", "now_us": NOW_US + 5, "update_time_us": NOW_US + 5}
    await case.store.commit([a_store("goes", **later, expire_time_us=NOW_US + 20)])

    async def seen(moment_us: int) -> set[str]:
        past = await kept.at(case.store, index, clock, SCOPE, moment_us)
        records = await case.store.as_of(SCOPE, moment_us, clock.now_us())
        seqs = await case.store.as_of_seqs(SCOPE, moment_us, clock.now_us())
        by_words = {name for name, _version in found(past, "tea", moment_us)}
        assert by_words == {record.id for record in records}
        assert sorted(seqs) == sorted(record.commit_seq for record in records)
        return by_words

    assert await seen(NOW_US + 7) == await seen(NOW_US + 3) == {"stays", "goes"}
    clock.time_us = NOW_US + 20
    if is_swept:
        await case.store.commit([ExpireWrite(clock.time_us, 10)])
    assert await seen(NOW_US + 3) == await seen(NOW_US + 7) == {"stays"}
    clock.time_us = NOW_US + 19
    assert await seen(NOW_US + 7) == ({"stays"} if is_swept else {"stays", "goes"})
