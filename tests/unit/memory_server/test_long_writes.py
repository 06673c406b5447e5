"""Writes whose work nobody can bound: done in parts, or not on the loop."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from memory_server.adapters.embedded.store import EmbeddedStore
from memory_server.adapters.embedded.writes import memories
from memory_server.adapters.embedded.writes.erasure import Erasure
from memory_server.adapters.embedded.writes.history import History
from memory_server.domain.memory import MemoryId, MemoryRef, Receipt
from memory_server.ports import DropNamespaceWrite, EraseWrite, LinkWrite, SweepWrite
from tests.support.memories import NOW_US, SCOPE, a_delete, a_store
from tests.support.stores import StoreCase, commit, open_embedded

COUNT = 5


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    opened = await open_embedded(tmp_path / "data")
    yield opened
    await opened.close()


async def test_links_are_swept_in_parts(store: EmbeddedStore) -> None:
    """As memories are: a namespace may have had any number of them."""
    case = StoreCase(store)
    await commit(case, a_store("m"))
    ref = MemoryRef(id=MemoryId("m"))
    for number in range(COUNT):
        await commit(case, LinkWrite(SCOPE, ref, ref, f"t{number}", 1.0, {}, NOW_US))
    await commit(case, DropNamespaceWrite(SCOPE, NOW_US))
    counts = []
    while count := (await commit(case, SweepWrite(2))).version:
        counts.append(count)
    # The memory, the links, and the namespace itself.
    assert counts == [1, 2, 2, 1, 1]


async def test_an_erasure_does_not_hold_the_loop(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at every version and every request id; writes before and after it are what they are without it."""
    threads = []
    erase = Erasure.erase

    def noted(self: Erasure, *arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return erase(self, *arguments)

    monkeypatch.setattr(Erasure, "erase", noted)
    outcomes = await asyncio.gather(
        store.commit([a_store("m", metadata={"who": "ana"})]),
        store.commit([EraseWrite(SCOPE.tenant, "", "who", "ana", NOW_US)]),
        store.commit([a_store("n", metadata={"who": "ana"})]),
    )
    assert threads
    assert threading.get_ident() not in threads
    seqs = [one.commit_seq for (one,) in outcomes if isinstance(one, Receipt)]
    assert seqs == [1, 2, 3]
    found = await store.get_by_id(SCOPE, [MemoryId("m"), MemoryId("n")])
    assert list(found) == ["n"]


@pytest.mark.parametrize("count", [1, COUNT])
async def test_a_memory_of_many_links_is_removed_in_the_thread(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """And what shares its transaction is done all the same, once."""
    monkeypatch.setattr(memories, "LINKS_ON_LOOP", 2)
    case = StoreCase(store)
    await commit(case, a_store("m"))
    ref = MemoryRef(id=MemoryId("m"))
    for number in range(count):
        await commit(case, LinkWrite(SCOPE, ref, ref, f"t{number}", 1.0, {}, NOW_US))
    threads = []
    drop = History.drop

    def noted(self: History, *arguments: Any) -> None:
        threads.append(threading.get_ident())
        drop(self, *arguments)

    monkeypatch.setattr(History, "drop", noted)
    stored, deleted = await store.commit([a_store("n"), a_delete("m")])
    assert [one.commit_seq for one in (stored, deleted) if isinstance(one, Receipt)] == [
        count + 2,
        count + 3,
    ]
    assert (threads == [threading.get_ident()]) == (count == 1)
    found = await store.get_by_id(SCOPE, [MemoryId("m"), MemoryId("n")])
    assert list(found) == ["n"]
