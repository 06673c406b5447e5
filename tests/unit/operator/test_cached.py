"""What is remembered is never older than what we did, and what is gone is forgotten."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from soma_common.errors import AlreadyExists, Conflict
from soma_operator.adapters.cached import GONE_KEPT, CachedCluster, Memory, address_of
from soma_operator.adapters.in_memory import InMemoryCluster
from soma_operator.core.kinds import CONFIG_MAP, DEPLOYMENT, SERVICE, STORAGE_CLASS, Kind, Manifest
from soma_operator.core.render.metadata import labels_of
from soma_operator.core.resolve import resolve
from tests.support.somamemories import observed_of

LABELS = labels_of(resolve(observed_of()))


def an_object(name: str, version: int, *, is_ours: bool = True, text: str = "") -> Manifest:
    metadata: Manifest = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-of-{name}",
        "resourceVersion": str(version),
    }
    if is_ours:
        metadata["labels"] = LABELS
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": text}}


def applied(name: str, **content: str) -> Manifest:
    manifest = {**an_object(name, 0), "data": content}
    del manifest["metadata"]["resourceVersion"], manifest["metadata"]["uid"]
    return manifest


class World:
    """A cluster that remembers, over one that counts what it is asked."""

    def __init__(self) -> None:
        self.server = InMemoryCluster()
        self.asked: Counter[str] = Counter()
        self.time = 100.0
        self.memory = Memory()
        self.cluster = CachedCluster(self.server, self.memory, clock=lambda: self.time)
        self.server.before = self._count

    def _count(self, verb: str, kind: Kind) -> None:
        self.asked[f"{verb} {kind.name}"] += 1


@pytest.fixture
def world() -> World:
    """Nothing is known yet."""
    return World()


def test_the_newer_state_stays() -> None:
    """An event that comes late does not undo what a write told before."""
    memory = Memory()
    memory.put(an_object("a", 7, text="new"))

    memory.put(an_object("a", 5, text="old"))
    memory.leave(an_object("a", 5))

    found = memory.get(address_of(an_object("a", 0)))
    assert found is not None
    assert found["data"] == {"text": "new"}


def test_a_list_makes_up_for_lost_events() -> None:
    """What is not in the list is gone, unless it was made after the list was asked for."""
    memory = Memory()
    for name, version in (("gone", 3), ("kept", 4), ("new", 9)):
        memory.put(an_object(name, version))

    memory.replace_all(CONFIG_MAP, None, [an_object("kept", 4), an_object("unheard", 5)], before=8)

    names = {one["metadata"]["name"] for one in memory.find(CONFIG_MAP, "default", "mem")}
    assert names == {"kept", "unheard", "new"}


def test_what_went_while_a_list_was_under_way_stays_gone() -> None:
    """The list was made before the object went, and is read after the event that told so."""
    memory = Memory()
    memory.put(an_object("known", 3))
    listed = [an_object("known", 3), an_object("unheard", 4)]

    memory.leave(an_object("known", 9))
    memory.leave(an_object("unheard", 10))
    memory.replace_all(CONFIG_MAP, None, listed, before=8)

    assert memory.all_of(CONFIG_MAP) == []


class LateLists(InMemoryCluster):
    """A cluster whose lists are made at once, and come when somebody lets them."""

    def __init__(self) -> None:
        super().__init__()
        self.made, self.let = asyncio.Event(), asyncio.Event()

    async def find(
        self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        found = await super().find(kind, namespace, labels)
        if found:
            self.made.set()
            await self.let.wait()
        return found


async def test_a_child_that_went_during_a_resync_is_seen_as_gone() -> None:
    """Else it would be made again at the next resync only, which is minutes later."""
    server, memory = LateLists(), Memory()
    cluster = CachedCluster(server, memory, clock=lambda: 100.0)
    made = await cluster.make(applied("a"))
    resync = asyncio.create_task(cluster.refresh([None]))
    await server.made.wait()

    await server.delete(made)
    memory.leave({**made, "metadata": {**made["metadata"], "resourceVersion": "99"}})
    server.let.set()
    await resync

    assert await cluster.read(CONFIG_MAP, "default", "a") is None


def test_a_write_that_is_answered_late_brings_nothing_back() -> None:
    """Somebody deleted the object after the write, and the event came before the answer."""
    memory = Memory()
    memory.leave(an_object("a", 9))

    memory.put(an_object("a", 8))

    assert memory.all_of(CONFIG_MAP) == []


def test_an_old_answer_hides_nothing_for_ever() -> None:
    """What was not found, or not listed, is believed again when it is seen, changed or not."""
    memory = Memory()
    for name in ("missed", "unlisted"):
        memory.put(an_object(name, 3))
    memory.miss(address_of(an_object("missed", 0)), before=8)
    memory.replace_all(CONFIG_MAP, None, [], before=8)
    assert memory.all_of(CONFIG_MAP) == []

    for name in ("missed", "unlisted"):
        memory.put(an_object(name, 3))

    assert len(memory.all_of(CONFIG_MAP)) == 2


def test_what_came_while_it_was_missed_stays() -> None:
    """That nothing was there says nothing about what was made a moment later, and told first."""
    memory = Memory()
    memory.put(an_object("a", 9))

    memory.miss(address_of(an_object("a", 0)), before=8)

    assert len(memory.all_of(CONFIG_MAP)) == 1


def test_what_gets_our_label_back_comes_back() -> None:
    """A watch tells the loss of the label as the end of the object; it is the same one that comes again."""
    memory = Memory()
    memory.put(an_object("a", 3))
    memory.leave(an_object("a", 5))

    memory.put(an_object("a", 6))

    assert len(memory.all_of(CONFIG_MAP)) == 1


def test_a_namesake_of_what_is_gone_is_another() -> None:
    """A name that was free for a moment may be taken at once."""
    memory = Memory()
    memory.put(an_object("a", 3))
    memory.leave(an_object("a", 8))
    namesake = an_object("a", 7)
    namesake["metadata"]["uid"] = "another"

    memory.put(namesake)

    assert len(memory.all_of(CONFIG_MAP)) == 1


def test_few_of_those_that_are_gone_are_kept() -> None:
    """Resources that come and go leave nothing behind for ever."""
    memory = Memory()
    for number in range(GONE_KEPT + 1):
        memory.leave(an_object(f"gone-{number}", 5))

    memory.put(an_object("gone-0", 5))
    memory.put(an_object("gone-1", 5))

    assert len(memory.all_of(CONFIG_MAP)) == 1


def test_an_object_that_loses_its_label_leaves_its_resource() -> None:
    """The index follows the labels."""
    memory = Memory()
    memory.put(an_object("a", 1))

    memory.put(an_object("a", 2, is_ours=False))

    assert memory.find(CONFIG_MAP, "default", "mem") == []


async def test_what_we_wrote_is_read_without_asking(world: World) -> None:
    """A write's answer is remembered."""
    await world.cluster.apply(applied("a", text="1"))

    read = await world.cluster.read(CONFIG_MAP, "default", "a")

    assert read is not None
    assert read["data"] == {"text": "1"}
    assert world.asked == {"apply ConfigMap": 1}


async def test_what_is_not_watched_is_asked_for_each_time(world: World) -> None:
    """An object without our label changes without an event."""
    manifest = applied("a")
    del manifest["metadata"]["labels"]
    await world.cluster.apply(manifest)
    await world.server.apply({**manifest, "data": {"text": "theirs"}})

    read = await world.cluster.read(CONFIG_MAP, "default", "a")

    assert read is not None
    assert read["data"] == {"text": "theirs"}


async def test_a_conflict_refreshes_the_memory(world: World) -> None:
    """Whoever wrote in between is seen by the next read."""
    known = await world.cluster.apply(applied("a", text="1"))
    await world.server.apply(applied("a", text="2"))

    with pytest.raises(Conflict):
        await world.cluster.replace({**known, "data": {"text": "3"}})

    read = await world.cluster.read(CONFIG_MAP, "default", "a")
    assert read is not None
    assert read["data"] == {"text": "2"}


async def test_what_we_deleted_is_gone(world: World) -> None:
    """A delete is seen by the next read."""
    known = await world.cluster.apply(applied("a"))

    await world.cluster.delete(known)

    assert await world.cluster.read(CONFIG_MAP, "default", "a") is None


async def test_who_has_the_name_is_known_after_the_first_try(world: World) -> None:
    """A read believes the memory; a thing that cannot be made because it is there is remembered."""
    await world.server.apply(applied("a", text="theirs"))

    assert await world.cluster.read(CONFIG_MAP, "default", "a") is None
    with pytest.raises(AlreadyExists):
        await world.cluster.make(applied("a", text="ours"))

    found = await world.cluster.read(CONFIG_MAP, "default", "a")
    assert found is not None
    assert found["data"] == {"text": "theirs"}


async def test_a_new_thing_takes_one_request(world: World) -> None:
    """Nobody looks before something is made, and nobody asks for it afterwards."""
    await world.cluster.make(applied("a", text="1"))

    assert await world.cluster.read(CONFIG_MAP, "default", "a") is not None
    assert world.asked == {"apply ConfigMap": 1}


async def test_everything_is_listed_once(world: World) -> None:
    """A refresh takes one list of each kind, and later reads and searches take none."""
    await world.server.apply(applied("a"))
    await world.cluster.refresh([None])
    world.asked.clear()

    assert len(await world.cluster.find(CONFIG_MAP, "default", LABELS)) == 1
    assert await world.cluster.read(SERVICE, "default", "mem") is None
    assert await world.cluster.find(DEPLOYMENT, "default", LABELS) == []
    assert world.asked == {}


async def test_storage_classes_are_good_for_a_while(world: World) -> None:
    """Many resources that wait for volumes ask together, not one by one."""
    for seconds in (0, 5, 20):
        world.time = 100.0 + seconds
        await world.cluster.find(STORAGE_CLASS)

    assert world.asked == {"list StorageClass": 2}


async def test_who_asks_while_storage_classes_are_listed_waits_for_the_list(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a start all workers ask in the same moment."""
    listed = world.server.find

    async def slowly(*given: Any) -> list[Manifest]:
        await asyncio.sleep(0)
        return await listed(*given)

    monkeypatch.setattr(world.server, "find", slowly)
    await asyncio.gather(*(world.cluster.find(STORAGE_CLASS) for _ in range(3)))

    assert world.asked == {"list StorageClass": 1}
