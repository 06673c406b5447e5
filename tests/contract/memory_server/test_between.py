"""What happens between the reading of a memory and the writing of what follows from it, over both engines."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from memory_server.adapters.embedded.store import EmbeddedStore
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.memory import (
    MemoryDraft,
    MemoryId,
    MemoryRecord,
    MemoryRef,
    Scope,
    Tenant,
)
from memory_server.domain.policy import DecayLevel, NamespacePolicy
from memory_server.ports import Vectors
from memory_server.usecases import (
    consolidate,
    delete,
    erase,
    lifecycle,
    namespaces,
    read,
    store,
    update,
    watch,
)
from memory_server.usecases.engine import Engine
from memory_server.usecases.movement import (
    ConflictPolicy,
    Importer,
    ImportOptions,
    MovedMemory,
    share,
)
from soma_common.errors import InvalidInput, NotFound
from tests.support.engines import ENGINES, an_engine
from tests.support.memories import DIMENSIONS, SCOPE, StoppedClock

X = MemoryRef(id=MemoryId("x"))


class SlowEmbedder:
    """Answers at once, but for the texts that wait for `go`."""

    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.model = "slow"
        self.waits = False
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def embed(self, texts: Sequence[str], *, for_query: bool = False) -> Vectors:
        if self.waits:
            self.asked.set()
            await self.go.wait()
        return np.tile(np.eye(1, DIMENSIONS, dtype=np.float32), (len(texts), 1))


class Between:
    """An engine whose embedder can be made to wait."""

    def __init__(self, engine: Engine, embedder: SlowEmbedder, clock: StoppedClock) -> None:
        self.engine, self.embedder, self.clock = engine, embedder, clock

    async def store(self, payload: dict[str, Any], **draft: Any) -> None:
        made = MemoryDraft(json.dumps(payload).encode(), id="x", **draft)
        await store.store(self.engine, SCOPE, store.StoreCommand(made))

    async def get(self) -> MemoryRecord:
        return await read.get(self.engine, SCOPE, X)

    async def begun(self, work: Any) -> "asyncio.Task[Any]":
        """Begin what embeds, and return when it waits for the embedder; nobody else waits for it."""
        self.embedder.waits = True
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        await self.embedder.asked.wait()
        self.embedder.waits = False
        return task


@pytest.fixture(params=ENGINES)
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Between]:
    embedder, clock = SlowEmbedder(), StoppedClock()
    async with an_engine(request.param, tmp_path, embedder, clock) as engine:
        yield Between(engine, embedder, clock)


def of(user: str) -> dict[str, Any]:
    return {"metadata": {"user": user}}


async def test_an_update_does_not_bring_back_what_was_erased(case: Between) -> None:
    """Another memory took the id meanwhile, whose versions are counted from 1 as well."""
    await case.store({"text": "a secret of ana"}, **of("ana"))
    command = update.UpdateCommand(X, MemoryDraft(b"{}", text="another text"), ("text",))
    updating = await case.begun(update.update(case.engine, SCOPE, command))
    ana = erase.Subject("user", "ana")
    erased = await erase.erase(case.engine, SCOPE.tenant, ana)
    await case.store({"text": "bob's"}, **of("bob"))

    case.embedder.go.set()

    await updating
    now = await case.get()
    assert (json.loads(now.payload_json), now.metadata) == ({"text": "bob's"}, {"user": "bob"})
    left = await erase.remaining(case.engine, SCOPE.tenant, ana, erased.commit_seq)
    assert left.memory_count == 0


async def test_decay_does_not_undo_a_newer_memory(case: Between) -> None:
    """It was deleted and stored anew while the reduced text was embedded."""
    policy = NamespacePolicy(decay_levels=(DecayLevel(10, ("raw",)),))
    await namespaces.create(case.engine, SCOPE, policy)
    await case.store({"text": "old", "raw": "r"})
    case.clock.time_us += 20_000_000
    decaying = await case.begun(lifecycle.decay(case.engine))
    await delete.delete(case.engine, SCOPE, delete.DeleteCommand(X))
    await case.store({"text": "new"})

    case.embedder.go.set()
    await decaying

    assert json.loads((await case.get()).payload_json) == {"text": "new"}


async def test_a_purge_spares_what_its_filter_never_saw(
    case: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its page names a memory in whose place another one is by now."""
    await case.store({"text": "spam"}, metadata={"is_spam": True})
    pages = read.every_page

    async def slow_pages(*given: Any) -> AsyncIterator[Any]:
        async for page in pages(*given):
            await delete.delete(case.engine, SCOPE, delete.DeleteCommand(X))
            await case.store({"text": "no spam"})
            yield page

    monkeypatch.setattr(delete, "every_page", slow_pages)
    spam = Filter(metadata=(MetadataTest("is_spam", any_of=(True,)),))

    purged = await delete.purge(case.engine, SCOPE, spam, dry_run=False, everything=False)

    assert purged.deleted_count == 0
    assert json.loads((await case.get()).payload_json) == {"text": "no spam"}


async def test_an_update_for_a_version_to_come_does_not_undo_it(case: Between) -> None:
    """It would write what it read over the version that it expects, which it has not read."""
    await case.store({"text": "one"})
    command = update.UpdateCommand(
        X, MemoryDraft(b"{}", importance=5.0), ("importance",), expected_version=2
    )
    await asyncio.gather(
        case.store({"text": "two"}),
        update.update(case.engine, SCOPE, command),
        return_exceptions=True,
    )

    assert json.loads((await case.get()).payload_json) == {"text": "two"}


async def test_an_import_is_a_write_of_now(case: Between) -> None:
    """However old the memories are that it brings: what has expired is gone, and the namespace is as old as it is."""
    made_us = case.clock.time_us
    await case.store({"text": "a secret"}, expire_time_us=made_us + 10_000_000)
    case.clock.time_us += 60_000_000
    importer = Importer(case.engine, SCOPE, ImportOptions(ConflictPolicy.REFUSE))
    old_us = made_us - 86_400_000_000

    old = MovedMemory(MemoryDraft(b'{"text":"a copy"}', id="x"), update_time_us=old_us)
    progress = await importer.take([old], [])

    assert (progress.stored_count, list(progress.rejects)) == (1, [])
    found = await read.list_versions(case.engine, SCOPE, X, page_size=10, token="")
    assert [json.loads(one.record.payload_json) for one in found.versions] == [{"text": "a copy"}]
    assert (await case.get()).create_time_us == old_us
    other = SCOPE._replace(namespace="new")
    await Importer(case.engine, other, ImportOptions()).take([old], [])
    assert (await namespaces.describe(case.engine, other)).create_time_us == case.clock.time_us


async def test_updates_keep_the_limit_of_metadata(case: Between) -> None:
    """Value by value no more come together than a draft may have."""
    await case.store({"text": "tea"}, metadata={f"a{number}": True for number in range(60)})
    more = {f"b{number}": True for number in range(5)}
    draft = MemoryDraft(b"{}", metadata=more)
    command = update.UpdateCommand(X, draft, tuple(f"metadata.{name}" for name in more))

    with pytest.raises(InvalidInput):
        await update.update(case.engine, SCOPE, command)
    assert len((await case.get()).metadata) == 60


async def test_a_watch_shows_no_memory_that_has_expired(case: Between) -> None:
    """Though nobody has swept it away; that it was stored is told."""
    made_us = case.clock.time_us
    await case.store({"text": "tea"})
    watching = watch.watch(case.engine, SCOPE, token="", include_memory=True)
    token = (await anext(watching)).token
    await watching.aclose()
    await case.store({"text": "a secret"}, expire_time_us=made_us + 10_000_000)
    case.clock.time_us += 60_000_000

    again = watch.watch(case.engine, SCOPE, token=token, include_memory=True)
    await anext(again)
    told = await anext(again)
    await again.aclose()

    assert told.change is not None
    assert told.record is None


async def test_a_reader_of_a_dropped_namespace_never_sees_the_next_one(tmp_path: Path) -> None:
    """It waits behind slower reads while the namespace is dropped and swept, and another tenant makes one."""
    alice, bob = Scope(Tenant("alice"), "notes"), Scope(Tenant("bob"), "notes")
    embedder, clock = SlowEmbedder(), StoppedClock()
    async with an_engine("embedded", tmp_path, embedder, clock) as engine:
        mine, secret = (
            store.StoreCommand(MemoryDraft(b"{}", id=name)) for name in ("mine", "secret")
        )
        await store.store(engine, alice, mine)
        gate = threading.Event()
        reads = cast("EmbeddedStore", engine.store)
        slow = asyncio.ensure_future(reads._in_thread(gate.wait))
        listing = asyncio.ensure_future(
            read.list_memories(engine, alice, Filter(), page_size=10, token="")
        )
        await asyncio.sleep(0.01)
        await namespaces.drop(engine, alice)
        while await lifecycle.sweep_once(engine):
            pass
        await store.store(engine, bob, secret)

        gate.set()

        await slow
        assert (await listing).records == []


@pytest.mark.parametrize("way", ["erased", "deleted"])
async def test_a_summary_does_not_bring_back_what_is_gone(case: Between, way: str) -> None:
    """It was summed up before, and embedded meanwhile."""
    await case.store({"text": "a secret of ana"}, **of("ana"))
    order = consolidate.Order(Filter(), min_episodes=1)
    making = await case.begun(consolidate.consolidate(case.engine, SCOPE, order))
    if way == "erased":
        await erase.erase(case.engine, SCOPE.tenant, erase.Subject("user", "ana"))
    else:
        await delete.delete(case.engine, SCOPE, delete.DeleteCommand(X))

    case.embedder.go.set()

    with pytest.raises(NotFound):
        await making
    assert (await namespaces.stats(case.engine, SCOPE)).memory_count == 0


async def test_a_share_does_not_bring_back_what_was_erased(case: Between) -> None:
    """It was read before, and embedded by another model meanwhile."""
    await case.store({"text": "a secret of ana"}, **of("ana"))
    other = MemoryDraft(b'{"text": "of nobody"}', id="y")
    await store.store(case.engine, SCOPE, store.StoreCommand(other))
    case.embedder.model = "another"
    to_scope = Scope(SCOPE.tenant, "another")
    sharing = await case.begun(share(case.engine, SCOPE, to_scope, Filter(), ImportOptions()))
    ana = erase.Subject("user", "ana")
    await erase.erase(case.engine, SCOPE.tenant, ana)

    case.embedder.go.set()

    progress = await sharing
    assert (progress.stored_count, progress.rejected_count) == (1, 1)
    assert (await erase.remaining(case.engine, SCOPE.tenant, ana, 0)).memory_count == 0


async def test_a_watcher_keeps_what_takes_the_id_of_what_has_expired(case: Between) -> None:
    """Whoever follows the changes has at the end what the store has."""
    await case.store({"text": "one"}, expire_time_us=case.clock.time_us + 1000)
    watching = watch.watch(case.engine, SCOPE, token="", include_memory=False)
    await anext(watching)
    case.clock.time_us += 2000
    await case.store({"text": "two"})
    await store.store(case.engine, SCOPE, store.StoreCommand(MemoryDraft(b"{}", id="y")))
    told = [(await anext(watching)).change for _ in range(2)]
    await watching.aclose()
    assert [(one.type.name, one.id) for one in told if one] == [("STORED", "x"), ("STORED", "y")]
