"""From watch events to keys, and the watchdog over the watches."""

import asyncio
from typing import Any

import kopf
import pytest

from soma_operator.adapters.access import Access
from soma_operator.adapters.cached import Memory
from soma_operator.core.kinds import CONFIG_MAP, OWN_KINDS
from soma_operator.core.observed import ObjectKey
from soma_operator.core.render.metadata import labels_of
from soma_operator.core.resolve import resolve
from soma_operator.handlers import WATCHED_CHILDREN, Informers, _settings
from soma_operator.queue import Pace, WorkQueue
from tests.support.somamemories import NOW, a_somamemory, observed_of

KEY = ObjectKey("default", "mem")
MEMORY = resolve(observed_of())


@pytest.fixture
def informers() -> Informers:
    """Informers that were never started."""
    queue, backups = (
        WorkQueue(Pace(1.0, 0.5, 300.0), lambda: 100.0, lambda: 1.0) for _ in range(2)
    )
    return Informers(queue, backups, Memory(), Access("https://api.test"), (), lambda: NOW)


def a_resource_event(kind: str | None, version: str = "7") -> dict[str, Any]:
    body: Any = {
        "metadata": {
            "name": KEY.name,
            "namespace": KEY.namespace,
            "uid": "uid-of-mem",
            "resourceVersion": version,
            "generation": 2,
        }
    }
    told = {"event": {"type": kind, "object": body}, "type": kind}
    meta = kopf.Meta(kopf.Body(body))
    return {**told, "name": KEY.name, "namespace": KEY.namespace, "meta": meta}


@pytest.mark.parametrize("kind", [None, "ADDED", "MODIFIED", "DELETED"])
async def test_every_event_of_a_resource_is_the_same_trigger(
    informers: Informers, kind: str | None
) -> None:
    """Listed, added, changed or deleted: the key is looked at."""
    await informers._resource_changed(**a_resource_event(kind))

    assert await informers.queue.get() == KEY


async def test_what_the_watch_told_is_remembered_until_the_end(informers: Informers) -> None:
    """The version of each living resource, for the comparison with lists."""
    await informers._resource_changed(**a_resource_event("ADDED"))
    assert informers.seen == informers.memory.versions() == {KEY: "7"}

    await informers._resource_changed(**a_resource_event("DELETED"))
    assert informers.seen == informers.memory.versions() == {}


async def test_a_child_wakes_its_resource(informers: Informers) -> None:
    """The label names the resource; an object without it wakes nobody."""
    changed = informers._told_of(CONFIG_MAP)
    for name, labels in (("foreign", {}), ("mem-config", labels_of(MEMORY))):
        metadata = {
            "name": name,
            "namespace": "default",
            "uid": f"uid-of-{name}",
            "labels": labels,
            "resourceVersion": "3",
        }
        event = {"type": "ADDED", "object": {"metadata": metadata}}
        await changed(event=event, namespace="default", labels=labels)

    assert await informers.queue.get() == KEY
    assert len(informers.queue) == 0
    found = informers.memory.find(CONFIG_MAP, "default", "mem")
    assert [one["metadata"]["name"] for one in found] == ["mem-config"]


async def test_a_dead_watch_is_found_out(informers: Informers) -> None:
    """One watch that ended makes the process look dead, so that it is started anew."""
    informers._started.set()
    watches = [
        asyncio.create_task(asyncio.sleep(60), name=f"watcher for {number}")
        for number in range(len(OWN_KINDS) + len(WATCHED_CHILDREN))
    ]
    assert informers.problem() is None

    watches[0].cancel()
    await asyncio.wait({watches[0]})

    wished = len(OWN_KINDS) + len(WATCHED_CHILDREN)
    assert informers.problem() == f"{wished - 1} of {wished} watches are alive"
    for watch in watches:
        watch.cancel()


def test_children_are_filtered_by_the_api_server() -> None:
    """No list or watch of a child's kind goes without our label; nothing is posted or scanned by kopf itself."""
    settings = _settings()

    assert len(settings.watching.label_selectors) == len(WATCHED_CHILDREN)
    assert set(settings.watching.label_selectors.values()) == {
        "app.kubernetes.io/managed-by=soma-operator"
    }
    assert settings.scanning.disabled
    assert not settings.posting.enabled


async def test_a_renewed_token_is_asked_for(informers: Informers) -> None:
    """A token from a file is given for a while; one that does not change, for ever."""
    assert (await informers._login()).expiration is None


async def test_a_class_wakes_the_memories_that_name_it(informers: Informers) -> None:
    """And no others."""
    specs = {"mem": {"className": "gold"}, "other": {"className": "tin"}, "free": {}}
    for name, spec in specs.items():
        resource = a_somamemory(name, spec=spec)
        informers.memory.put({**resource, "metadata": {**resource["metadata"], "uid": name}})
    metadata = {"name": "gold", "uid": "uid-of-gold", "resourceVersion": "9"}
    told: Any = {"type": "MODIFIED", "object": {"metadata": metadata}}

    await informers._class_changed(event=told, name="gold")

    assert await informers.queue.get() == KEY
    assert len(informers.queue) == 0
