"""Consolidations and their undoing over both engines, the in-memory one and the embedded one."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.domain import limits
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryDraft, MemoryId, MemoryRef
from memory_server.domain.policy import NamespacePolicy
from memory_server.ports import CreateNamespaceWrite
from memory_server.usecases import consolidate, delete, erase, lifecycle, read, store, walk
from memory_server.usecases.consolidate import Order, Result, Summary
from memory_server.usecases.engine import Engine
from soma_common.errors import Conflict, InvalidInput
from tests.support.engines import ENGINES, an_engine
from tests.support.memories import DIMENSIONS, NOW_US, SCOPE, StoppedClock


@dataclass(frozen=True)
class Case:
    """An engine under test with a clock that the test turns."""

    engine: Engine
    clock: StoppedClock

    async def add(self, *ids: str, **fields: Any) -> None:
        for id in ids:
            draft = MemoryDraft(payload_json=b'{"text": "tea"}', id=id, **fields)
            await store.store(self.engine, SCOPE, store.StoreCommand(draft))

    async def delete(self, *ids: str) -> None:
        for id in ids:
            await delete.delete(self.engine, SCOPE, delete.DeleteCommand(a_ref(id)))

    async def consolidate(self, *summaries: Summary, dry_run: bool = False) -> Result:
        order = Order(Filter(), summaries=summaries, dry_run=dry_run)
        return await consolidate.consolidate(self.engine, SCOPE, order)

    async def texts(self, *ids: str) -> list[str]:
        return [(await read.get(self.engine, SCOPE, a_ref(id))).text for id in ids]

    async def linked(self, id: str) -> list[str]:
        ways = walk.Ways(("consolidated_from",), walk.Direction.OUTGOING)
        found, _ = await walk.neighbors(
            self.engine, SCOPE, walk.NeighborQuery(a_ref(id), ways, 1, 10)
        )
        return sorted(one.record.id for one in found)


@pytest.fixture(params=ENGINES)
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    clock = StoppedClock(NOW_US)
    async with an_engine(request.param, tmp_path, HashEmbedder(DIMENSIONS), clock) as engine:
        yield Case(engine, clock)


def a_ref(id: str) -> MemoryRef:
    return MemoryRef(id=MemoryId(id))


def a_summary(id: str, *sources: str, text: str = "tea", **fields: Any) -> Summary:
    payload = json.dumps({"summary": text}).encode()
    draft = MemoryDraft(payload_json=payload, id=id, text=text, **fields)
    return Summary(draft, [a_ref(source) for source in sources])


async def test_others_have_their_turn_while_sources_are_looked_up(case: Case) -> None:
    """Neither many sources of one summary nor many summaries hold up other calls."""
    names = [f"m{number}" for number in range(100)]
    await case.add(*names)
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    many = [a_summary(f"s{number}", *names) for number in range(100)]
    await case.consolidate(*many, dry_run=True)
    others.cancel()

    assert turns >= 2 * 100 * 100 / consolidate.LOOKED_UP_AT_ONCE


async def test_an_order_of_too_many_sources_is_refused(case: Case) -> None:
    """All together, not only those of one summary."""
    count = limits.MAX_ALL_SOURCES // limits.MAX_SOURCES + 1
    many = [a_summary(f"s{number}", *["m"] * limits.MAX_SOURCES) for number in range(count)]
    await case.add("m")

    fitting = await case.consolidate(*many[:-1], dry_run=True)
    with pytest.raises(InvalidInput) as refused:
        await case.consolidate(*many, dry_run=True)

    assert len(fitting.memories) == count - 1
    assert [one.field for one in refused.value.violations] == ["summaries"]


async def test_an_undoing_brings_nothing_back_that_would_be_gone_at_once(case: Case) -> None:
    """It is refused as restoring such a version is, before anything is written: all versions would be lost."""
    await case.add("m")
    await case.add("note", expire_time_us=NOW_US + 1000)
    made = await case.consolidate(*(a_summary(one, "m", text="sum") for one in ("new", "note")))
    case.clock.time_us = NOW_US + 2000

    with pytest.raises(InvalidInput) as refused:
        await consolidate.undo(case.engine, SCOPE, made.consolidation_id)

    assert [one.field for one in refused.value.violations] == ["consolidation_id"]
    assert await case.texts("new", "note") == ["sum", "sum"]


@pytest.mark.parametrize("text", ["sum", "another"])
async def test_a_summary_that_has_expired_is_written_anew(case: Case, text: str) -> None:
    """Also with the same payload, and with its links, though nothing has swept the old one away."""
    await case.add("m", "n")
    await case.consolidate(a_summary("s", "m", "n", text="sum", expire_time_us=NOW_US + 1000))
    case.clock.time_us = NOW_US + 2000

    again = await case.consolidate(a_summary("s", "m", "n", text=text))

    assert [one.is_created for one in again.memories] == [True]
    assert await case.texts("s") == [text]
    assert await case.linked("s") == ["m", "n"]


async def test_a_summary_without_room_for_its_consolidation_is_refused_first(case: Case) -> None:
    """Before another summary is written; one value less fits."""
    most = limits.MAX_METADATA_ITEMS - 1
    full, fuller = ({f"k{number}": 1.0 for number in range(count)} for count in (most, most + 1))
    await case.add("m")
    first, second = (a_summary(id, "m", metadata=full) for id in ("first", "second"))
    too_full = a_summary("second", "m", metadata=fuller)

    with pytest.raises(InvalidInput) as refused:
        await case.consolidate(first, too_full)
    made = await case.consolidate(first, second)

    assert [one.field for one in refused.value.violations] == ["summaries[1].memory.metadata"]
    assert [one.is_created for one in made.memories] == [True, True]


async def test_an_erasure_takes_the_summaries_of_what_it_erases(case: Case) -> None:
    """They say what it said; also a summary of a summary, but none of somebody else, and no source."""
    await case.add("a1", "a2", metadata={"user": "alice"})
    await case.add("b1", "b2", metadata={"user": "bob"})
    drafts = [
        MemoryDraft(payload_json=b'{"text": "a secret of alice"}', id=name)
        for name in ("both", "bobs")
    ]
    await case.consolidate(
        Summary(drafts[0], tuple(map(a_ref, ("a1", "b1")))),
        Summary(drafts[1], tuple(map(a_ref, ("b1", "b2")))),
    )
    above = MemoryDraft(payload_json=b'{"text": "the same again"}', id="above")
    await case.consolidate(Summary(above, (a_ref("both"),)))
    alice = erase.Subject("user", "alice")

    erased = await erase.erase(case.engine, SCOPE.tenant, alice)

    assert erased.memory_count == 4
    left = await read.list_memories(case.engine, SCOPE, Filter(), page_size=10, token="")
    assert {record.id for record in left.records} == {"b1", "b2", "bobs"}
    remains = await erase.remaining(case.engine, SCOPE.tenant, alice, erased.commit_seq)
    assert remains.memory_count == 0


@pytest.mark.parametrize("way", ["deleted", "overwritten", "expired"])
async def test_an_erasure_takes_summaries_whose_sources_are_gone(case: Case, way: str) -> None:
    """They still say what those said; also one that was made of such a summary, which is gone as well."""
    unversioned = NamespacePolicy(max_versions=0)
    await case.engine.commit_one(CreateNamespaceWrite(SCOPE, unversioned, NOW_US))
    expiring = {"expire_time_us": NOW_US + 10} if way == "expired" else {}
    await case.add("a", "b", metadata={"user": "alice", "n": 1.0}, **expiring)
    await case.add("c", metadata={"user": "bob", "n": 2.0})
    await case.consolidate(*(a_summary(f"of {one}", one, text=f"said {one}") for one in "abc"))
    await case.consolidate(a_summary("above", "of b", text="said b"))
    await case.delete("of b")
    if way == "overwritten":
        await case.add("a", "b")
    elif way == "deleted":
        await case.delete("a", "b")
    case.clock.time_us += 10
    await lifecycle.expire_once(case.engine)
    alice = erase.Subject("user", "alice")
    before = await erase.remaining(case.engine, SCOPE.tenant, alice, 0)

    erased = await erase.erase(case.engine, SCOPE.tenant, alice)

    assert before.memory_count == erased.memory_count == 2
    left = await read.list_memories(case.engine, SCOPE, Filter(), page_size=10, token="")
    stays = {"a", "b"} if way == "overwritten" else set()
    assert {record.id for record in left.records} == {"c", "of c"} | stays
    after = await erase.remaining(case.engine, SCOPE.tenant, alice, erased.commit_seq)
    assert after.memory_count == 0


async def test_an_erasure_finds_the_summary_of_a_conversation_that_is_longer_than_its_links(
    case: Case,
) -> None:
    """A summary has links to so many of its sources, and says nothing of others."""
    count = limits.MAX_SOURCES + 1
    drafts = [
        MemoryDraft(
            b"{}",
            id=f"m{number}",
            text=f"Tea is fine, says number{number}.",
            event_time_us=NOW_US + number,
            metadata={"session": "s", "number": float(number)},
        )
        for number in range(count)
    ]
    for start in range(0, count, limits.MAX_BATCH_ITEMS):
        some = drafts[start : start + limits.MAX_BATCH_ITEMS]
        await store.store_batch(case.engine, SCOPE, [store.StoreCommand(one) for one in some])
    order = Order(Filter(), max_summary_bytes=limits.MAX_TEXT_BYTES)
    (made,) = (await consolidate.consolidate(case.engine, SCOPE, order)).memories
    assert "number0." not in made.text
    subject = erase.Subject("number", float(count - 1))
    assert (await erase.erase(case.engine, SCOPE.tenant, subject)).memory_count == 2


async def test_an_erasure_takes_summaries_that_took_the_place_of_their_sources(case: Case) -> None:
    """The limit of the namespace lets a source go with the very write of its summary."""
    policy = NamespacePolicy(max_memories=2)
    await case.engine.store.commit([CreateNamespaceWrite(SCOPE, policy, NOW_US)])
    await case.add("m", metadata={"who": "ana"}, importance=0.5)
    await case.add("n")
    await case.consolidate(a_summary("s", "m", "n"))
    assert await case.linked("s") == ["n"]
    erased = await erase.erase(case.engine, SCOPE.tenant, erase.Subject("who", "ana"))
    assert erased.memory_count == 1


async def test_a_summary_that_is_not_written_gets_no_links(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one was written over it meanwhile, which says nothing of these sources."""
    await case.add("m", "n")
    await case.consolidate(a_summary("s", "m", text="one"))
    writes_of = store.writes_of

    async def late(engine: Engine, asked: Any) -> Any:
        monkeypatch.setattr(store, "writes_of", writes_of)
        await case.add("s")
        await case.add("s")
        return await writes_of(engine, asked)

    monkeypatch.setattr(store, "writes_of", late)
    with pytest.raises(Conflict):
        await case.consolidate(a_summary("s", "m", "n", text="two"))
    assert await case.linked("s") == ["m"]


async def test_an_erasure_takes_a_summary_that_was_overwritten(case: Case) -> None:
    """Its kept version says what its sources said, though the memory is none any more."""
    await case.add("m", metadata={"who": "ana"})
    await case.consolidate(a_summary("s", "m", text="ana drinks tea"))
    await case.add("s")
    erased = await erase.erase(case.engine, SCOPE.tenant, erase.Subject("who", "ana"))
    assert erased.memory_count == 2
