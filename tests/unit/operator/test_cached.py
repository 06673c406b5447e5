"""What is remembered is never older than what we did, and what is gone is forgotten."""

from collections import Counter

import pytest

from soma_common.errors import AlreadyExists, Conflict
from soma_operator.adapters.cached import CachedCluster, Memory, address_of
from soma_operator.adapters.in_memory import InMemoryCluster
from soma_operator.core.kinds import CONFIG_MAP, DEPLOYMENT, SERVICE, STORAGE_CLASS, Kind, Manifest
from soma_operator.core.render.metadata import labels_of
from soma_operator.core.resolve import resolve
from tests.support.somamemories import observed_of

LABELS = labels_of(resolve(observed_of()))


def an_object(name: str, version: int, *, is_ours: bool = True, text: str = "") -> Manifest:
    metadata: Manifest = {"name": name, "namespace": "default", "resourceVersion": str(version)}
    if is_ours:
        metadata["labels"] = LABELS
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": text}}


def applied(name: str, **content: str) -> Manifest:
    manifest = {**an_object(name, 0), "data": content}
    del manifest["metadata"]["resourceVersion"]
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
    memory.drop(address_of(an_object("a", 5)), 5)

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
