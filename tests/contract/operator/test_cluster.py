"""Every Cluster keeps the promises of the port: the one in memory as the one on a real API server."""

import itertools
import os
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from soma_common.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from soma_dev.control_plane import ControlPlane
from soma_operator.adapters.access import find_access
from soma_operator.adapters.cached import CachedCluster, Memory
from soma_operator.adapters.in_memory import InMemoryCluster
from soma_operator.adapters.kubernetes import connect
from soma_operator.core.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    LEASE,
    SERVICE,
    SOMA_MEMORY,
    Kind,
    Manifest,
)
from soma_operator.core.render.metadata import FIELD_MANAGER
from soma_operator.metrics import Metrics
from soma_operator.ports import Cluster
from tests.support.kube_api import KubeApi
from tests.support.operator_rooms import a_room, install

_names = (f"thing-{number}" for number in itertools.count(1))


class Bench:
    """One adapter under test, with a second writer beside it."""

    def __init__(self, cluster: Cluster, namespace: str, other: "Writer") -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.other = other

    def config_map(self, name: str, **data: str) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace, "labels": {"app": name}},
            "data": data,
        }

    def deployment(self, name: str, **container: object) -> Manifest:
        pod = {"containers": [{"name": "main", "image": "registry.test/a", **container}]}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
            },
        }

    def somamemory(self, name: str, **spec: object) -> Manifest:
        return {
            "apiVersion": SOMA_MEMORY.api_version,
            "kind": SOMA_MEMORY.name,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }


class Writer(Protocol):
    """Another field manager."""

    async def apply(self, manifest: Manifest) -> None: ...


class InMemoryWriter(Writer):
    def __init__(self, cluster: InMemoryCluster) -> None:
        self.cluster = cluster

    async def apply(self, manifest: Manifest) -> None:
        await self.cluster.apply_as(manifest, "other")


class ApiWriter(Writer):
    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def apply(self, manifest: Manifest) -> None:
        self._api.apply(manifest, "other")


class Impatient(CachedCluster):
    """Remembers, and lists everything before it answers: what a watch would have told."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster, Memory(), clock=lambda: 0.0)
        self._asked = cluster

    async def read(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        await self.refresh([namespace])
        known = await super().read(kind, namespace, name)
        return known or await self._asked.read(kind, namespace, name)


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> KubeApi:
    """The real API server, with our kind."""
    return install(control_plane)


@pytest.fixture(params=["in memory", "remembered", "API server", "API server, remembered"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Each adapter in turn; one that remembers is asked anew by every read, for no watch runs."""
    is_remembering = "remembered" in request.param
    if "API server" not in request.param:
        cluster = InMemoryCluster()
        adapter = Impatient(cluster) if is_remembering else cluster
        yield Bench(adapter, "default", InMemoryWriter(cluster))
        return
    api: KubeApi = request.getfixturevalue("installed")
    access = find_access(api.plane.kubeconfig, os.environ)
    async with connect(access, Metrics(), timeout_s=10) as real:
        chosen: Cluster = Impatient(real) if is_remembering else real
        yield Bench(chosen, a_room(api).namespace, ApiWriter(api))


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return next(_names)


async def test_what_is_not_there_is_none(bench: Bench, name: str) -> None:
    """Reading a missing object is an answer, not an error."""
    assert await bench.cluster.read(CONFIG_MAP, bench.namespace, name) is None


async def test_existence_is_asked_without_content(bench: Bench, name: str) -> None:
    """An object is there once it was made; nothing of it is handed out."""
    assert await bench.cluster.exists(CONFIG_MAP, bench.namespace, name) is False
    await bench.cluster.apply(bench.config_map(name, a="1"))

    assert await bench.cluster.exists(CONFIG_MAP, bench.namespace, name) is True


async def test_conditions_of_others_can_be_dropped(bench: Bench, name: str) -> None:
    """A condition that another writer owns goes by its type, and the others stay; an old look at it is a conflict."""
    made = await bench.cluster.apply(bench.somamemory(name))
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": "Because",
            "message": "so",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind in ("Stalled", "TeamApproved", "Paused")
    ]
    status = {"observedGeneration": 1, "conditions": conditions}
    told = await bench.cluster.apply_status({**made, "status": status, "metadata": bare(made)})

    left = await bench.cluster.drop_conditions(told, frozenset({"Stalled", "Paused"}))

    assert [one["type"] for one in left["status"]["conditions"]] == ["TeamApproved"]
    assert left["status"]["observedGeneration"] == 1
    with pytest.raises(Conflict):
        await bench.cluster.drop_conditions(told, frozenset({"TeamApproved"}))


async def test_marks_of_others_can_be_taken_away(bench: Bench, name: str) -> None:
    """A finalizer goes whoever set it, and those beside it stay; an old look at it is a conflict."""
    marked = bench.somamemory(name)
    marked["metadata"] = {**marked["metadata"], "finalizers": ["a.test/one", "a.test/two"]}
    made = await bench.cluster.create(marked)

    left = await bench.cluster.set_mark(made, "finalizers", ["a.test/two"])

    assert left["metadata"]["finalizers"] == ["a.test/two"]
    with pytest.raises(Conflict):
        await bench.cluster.set_mark(made, "finalizers", [])
    gone = await bench.cluster.set_mark(left, "finalizers", [])
    assert not gone["metadata"].get("finalizers")
    absent = {**gone, "metadata": {**gone["metadata"], "name": f"{name}-none"}}
    with pytest.raises(NotFound):
        await bench.cluster.set_mark(absent, "finalizers", [])


def bare(manifest: Manifest) -> Manifest:
    return {key: manifest["metadata"][key] for key in ("name", "namespace")}


async def test_kinds_are_known_or_not(bench: Bench) -> None:
    """A kind that the cluster serves is told from one that it does not."""
    unknown = Kind("nobody.test", "v1", "Stranger", "strangers")
    if isinstance(bench.other, InMemoryWriter):
        bench.other.cluster.unserved.add(unknown)

    assert await bench.cluster.serves(SOMA_MEMORY)
    assert not await bench.cluster.serves(unknown)


async def test_apply_makes_and_read_sees(bench: Bench, name: str) -> None:
    """What was applied is read at once, with the server's own fields."""
    applied = await bench.cluster.apply(bench.config_map(name, a="1"))

    read = await bench.cluster.read(CONFIG_MAP, bench.namespace, name)

    assert read is not None
    assert (read["data"], read["kind"]) == ({"a": "1"}, "ConfigMap")
    assert read["metadata"]["uid"] == applied["metadata"]["uid"]


async def test_applied_twice_changes_nothing(bench: Bench, name: str) -> None:
    """The second apply of the same manifest leaves even the resource version."""
    first = await bench.cluster.apply(bench.config_map(name, a="1"))

    second = await bench.cluster.apply(bench.config_map(name, a="1"))

    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_field_that_left_the_manifest_goes(bench: Bench, name: str) -> None:
    """A field that we set once and no longer name is removed, also inside a shared list."""
    await bench.cluster.apply(bench.config_map(name, a="1", b="2"))
    await bench.cluster.apply(bench.deployment(name, env=[{"name": "A", "value": "1"}]))

    config = await bench.cluster.apply(bench.config_map(name, b="2"))
    deployment = await bench.cluster.apply(bench.deployment(name))

    assert config["data"] == {"b": "2"}
    assert "env" not in deployment["spec"]["template"]["spec"]["containers"][0]


async def test_fields_of_others_are_kept(bench: Bench, name: str) -> None:
    """What another writer added stays: a field of a map, an item of a shared list."""
    await bench.cluster.apply(bench.config_map(name, a="1"))
    await bench.other.apply(bench.config_map(name, theirs="x"))
    await bench.cluster.apply(bench.deployment(name, env=[{"name": "A", "value": "1"}]))
    await bench.other.apply(bench.deployment(name, env=[{"name": "B", "value": "2"}]))

    config = await bench.cluster.apply(bench.config_map(name, a="2"))
    deployment = await bench.cluster.apply(
        bench.deployment(name, env=[{"name": "A", "value": "3"}])
    )

    assert config["data"] == {"a": "2", "theirs": "x"}
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {one["name"]: one["value"] for one in env} == {"A": "3", "B": "2"}


async def test_a_shared_field_stays_for_the_other_owner(bench: Bench, name: str) -> None:
    """A field that two writers set stays when one of them lets go."""
    await bench.cluster.apply(bench.config_map(name, a="1"))
    await bench.other.apply(bench.config_map(name, a="1"))

    config = await bench.cluster.apply(bench.config_map(name, b="2"))

    assert config["data"] == {"a": "1", "b": "2"}


async def test_made_is_what_was_not_there(bench: Bench, name: str) -> None:
    """What `make` made is as if applied; where anybody's object is, nothing is written and it is known afterwards."""
    for kind, manifest in (
        (CONFIG_MAP, bench.config_map(name, a="1", b="2")),
        (SOMA_MEMORY, bench.somamemory(name, replicas=1)),
        (DEPLOYMENT, bench.deployment(name)),
    ):
        made = await bench.cluster.make(manifest)
        with pytest.raises(AlreadyExists):
            await bench.cluster.make(manifest)
        known = await bench.cluster.read(kind, bench.namespace, name)
        assert known is not None
        assert known["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    less = await bench.cluster.apply(bench.config_map(name, b="2"))
    assert less["data"] == {"b": "2"}

    await bench.other.apply(bench.config_map(f"{name}-theirs", c="3"))
    with pytest.raises(AlreadyExists):
        await bench.cluster.make(bench.config_map(f"{name}-theirs", c="4"))
    theirs = await bench.cluster.read(CONFIG_MAP, bench.namespace, f"{name}-theirs")
    assert theirs is not None
    assert theirs["data"] == {"c": "3"}


async def test_our_value_wins_by_force(bench: Bench, name: str) -> None:
    """A field that another writer took over is taken back."""
    await bench.cluster.apply(bench.config_map(name, a="1"))
    await bench.other.apply(bench.config_map(name, a="theirs"))

    config = await bench.cluster.apply(bench.config_map(name, a="1"))

    assert config["data"] == {"a": "1"}


async def test_the_generation_follows_the_spec_only(bench: Bench, name: str) -> None:
    """The spec's change counts, that of labels and of the status does not."""
    made = await bench.cluster.apply(bench.somamemory(name, replicas=1))
    labelled = bench.somamemory(name, replicas=1)
    labelled["metadata"]["labels"] = {"a": "b"}

    after_label = await bench.cluster.apply(labelled)
    status = {**bench.somamemory(name), "status": {"phase": "Ready"}}
    del status["spec"]
    after_status = await bench.cluster.apply_status(status)
    after_spec = await bench.cluster.apply(bench.somamemory(name, replicas=0))

    generations = [made, after_label, after_status, after_spec]
    assert [one["metadata"]["generation"] for one in generations] == [1, 1, 1, 2]


async def test_the_status_is_written_apart(bench: Bench, name: str) -> None:
    """`apply_status` leaves the spec, `apply` the status; conditions are told apart by their type."""
    await bench.cluster.apply(bench.somamemory(name, replicas=1))
    both, one = ([condition(kind) for kind in kinds] for kinds in (["Ready", "Stalled"], ["Ready"]))

    await bench.cluster.apply_status(status_of(bench, name, both))
    await bench.cluster.apply(bench.somamemory(name, replicas=0))
    final = await bench.cluster.apply_status(status_of(bench, name, one))

    assert final["spec"]["replicas"] == 0
    assert [each["type"] for each in final["status"]["conditions"]] == ["Ready"]


def status_of(bench: Bench, name: str, conditions: list[Manifest]) -> Manifest:
    manifest = {**bench.somamemory(name), "status": {"conditions": conditions}}
    del manifest["spec"]
    return manifest


def condition(kind: str) -> Manifest:
    return {
        "type": kind,
        "status": "True",
        "reason": "Because",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


async def test_a_status_of_nothing_is_not_found(bench: Bench, name: str) -> None:
    """A status makes no object."""
    with pytest.raises(NotFound):
        await bench.cluster.apply_status(status_of(bench, name, []))


async def test_a_status_for_an_earlier_version_is_a_conflict(bench: Bench, name: str) -> None:
    """With its resource version, a status lands on the very state that it was computed from, or nowhere."""
    made = await bench.cluster.apply(bench.somamemory(name, replicas=1))
    await bench.cluster.apply(bench.somamemory(name, replicas=0))
    stale = status_of(bench, name, [])
    stale["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]

    with pytest.raises(Conflict):
        await bench.cluster.apply_status(stale)


async def test_objects_are_found_by_label(bench: Bench, name: str) -> None:
    """All labels must fit; items say what they are."""
    await bench.cluster.apply(bench.config_map(name))
    await bench.cluster.apply(bench.config_map(f"{name}-b"))

    found = await bench.cluster.find(CONFIG_MAP, bench.namespace, {"app": name})
    everywhere = await bench.cluster.find(CONFIG_MAP, None, {"app": name})

    assert [one["metadata"]["name"] for one in found] == [name]
    assert [one["kind"] for one in everywhere] == ["ConfigMap"]


async def test_a_name_is_made_once(bench: Bench, name: str) -> None:
    """`create` never overwrites."""
    await bench.cluster.create(lease(bench, name, "one"))

    with pytest.raises(AlreadyExists):
        await bench.cluster.create(lease(bench, name, "two"))


async def test_replace_needs_the_newest_version(bench: Bench, name: str) -> None:
    """Of two writers that read the same version, one wins and the other is told."""
    made = await bench.cluster.create(lease(bench, name, "one"))
    await bench.cluster.replace({**made, "spec": {"holderIdentity": "two"}})

    with pytest.raises(Conflict):
        await bench.cluster.replace({**made, "spec": {"holderIdentity": "three"}})

    stored = await bench.cluster.read(LEASE, bench.namespace, name)
    assert stored is not None
    assert stored["spec"]["holderIdentity"] == "two"


def lease(bench: Bench, name: str, holder: str) -> Manifest:
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.name,
        "metadata": {"name": name, "namespace": bench.namespace},
        "spec": {"holderIdentity": holder},
    }


async def test_deleting_twice_is_deleting(bench: Bench, name: str) -> None:
    """That the object is gone already is success."""
    live = await bench.cluster.apply(bench.config_map(name))

    await bench.cluster.delete(live)
    await bench.cluster.delete(live)

    assert await bench.cluster.read(CONFIG_MAP, bench.namespace, name) is None


async def test_a_successor_is_not_deleted(bench: Bench, name: str) -> None:
    """Who read an earlier object does not delete the new one of its name."""
    earlier = await bench.cluster.apply(bench.config_map(name))
    await bench.cluster.delete(earlier)
    await bench.cluster.apply(bench.config_map(name))

    with pytest.raises(Conflict):
        await bench.cluster.delete(earlier)


async def test_what_changed_meanwhile_is_not_deleted(bench: Bench, name: str) -> None:
    """Deleted is what was looked at, or nothing."""
    seen = await bench.cluster.apply(bench.config_map(name, a="1"))
    await bench.cluster.apply(bench.config_map(name, a="2"))

    with pytest.raises(Conflict):
        await bench.cluster.delete(seen)


async def test_refused_content_is_invalid_input(bench: Bench, name: str) -> None:
    """What can never be stored is told apart from what may be stored later."""
    with pytest.raises(InvalidInput) as caught:
        await bench.cluster.apply(bench.config_map(f"-{name}-"))

    assert caught.value.facts["detail"]


async def test_a_missing_namespace_is_not_found(bench: Bench, name: str) -> None:
    """Nothing is made where nothing can be."""
    manifest = bench.config_map(name)
    manifest["metadata"]["namespace"] = "nowhere"

    with pytest.raises(NotFound):
        await bench.cluster.apply(manifest)


async def test_an_atomic_map_is_replaced_as_a_whole(bench: Bench, name: str) -> None:
    """A label that somebody adds to a selector goes with our next apply: half a selector is another one."""
    selector = {"selector": {"app": name}, "ports": [{"port": 80, "protocol": "TCP"}]}
    manifest = {
        "apiVersion": "v1",
        "kind": SERVICE.name,
        "metadata": {"name": name, "namespace": bench.namespace},
        "spec": selector,
    }
    await bench.cluster.apply(manifest)
    await bench.other.apply({**manifest, "spec": {"selector": {"app": name, "more": "x"}}})

    applied = await bench.cluster.apply(manifest)

    assert applied["spec"]["selector"] == {"app": name}


def test_both_write_under_the_same_name() -> None:
    """The field manager is part of what is stored in clusters: it must never change."""
    assert FIELD_MANAGER == "somamemory-operator"
    assert DEPLOYMENT.plural == "deployments"
