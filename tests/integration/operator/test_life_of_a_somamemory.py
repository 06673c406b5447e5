"""From creation to deletion, with a test that plays Deployments, volumes and pods."""

import pytest

from soma_operator.core.kinds import (
    CHILD_KINDS,
    CONFIG_MAP,
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    SOMA_MEMORY,
    Kind,
    Manifest,
    is_deleting,
    name_of,
)
from tests.support.audit import Trail
from tests.support.kube_api import KubeApi, Room, eventually
from tests.support.operator_process import OperatorProcess
from tests.support.operator_rooms import ACCOUNT

pytestmark = pytest.mark.usefixtures("operator")


def children(room: Room) -> set[str]:
    """Return the kinds of all objects that have the name of a child.

    A claim that is being deleted counts as gone: the controller that lets go of it plays no part here.
    """
    found: set[str] = set()
    for kind in CHILD_KINDS:
        objects = room.api.find(kind, room.namespace)
        names = {name_of(one) for one in objects if not is_deleting(one)}
        found |= {kind.name} if any(name.startswith("mem") for name in names) else set()
    return found


def wait_for_collection(room: Room, left: set[str]) -> None:
    """Wait until only these kinds are left; the garbage collector learns of new kinds every 30 seconds."""
    eventually(
        lambda: children(room) == left or None,
        timeout_s=60,
        or_say=lambda: str(children(room)),
    )


def wait_for_replicas(room: Room, count: int) -> None:
    eventually(lambda: room.child(DEPLOYMENT)["spec"]["replicas"] == count or None)


def wait_for_phase(room: Room, phase: str) -> None:
    eventually(lambda: room.status()["phase"] == phase or None)


def owners_of_claim(room: Room) -> list[Manifest]:
    claim = room.child(PERSISTENT_VOLUME_CLAIM, "mem-data")
    return list(claim["metadata"].get("ownerReferences", []))


def test_a_wish_becomes_a_ready_memory(room: Room) -> None:
    """An empty spec gives all children, and Ready with addresses once pods and volume are there."""
    room.make()

    status = room.run()

    assert children(room) == {kind.name for kind in CHILD_KINDS} - {"HorizontalPodAutoscaler"}
    assert status["phase"] == "Ready"
    assert status["endpoints"]["grpc"] == f"mem.{room.namespace}.svc:50053"
    assert status["storage"] == {"type": "Embedded", "capacity": "10Gi", "claimName": "mem-data"}
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (1, 1, 1)


def test_the_status_is_the_first_write_for_a_new_generation(api: KubeApi, room: Room) -> None:
    """A new generation is answered at once, before anything slow is done for it."""
    trail = Trail(api.plane.audit_log, ACCOUNT)
    room.make()

    status = room.wait_for("Reconciling", "True")
    room.child(DEPLOYMENT)

    assert status["observedGeneration"] == 1
    ours = [write for write in trail.writes() if f"/{room.namespace}/" in write]
    assert "/somamemories/mem/status" in ours[0]


def test_the_operator_leaves_no_mark_on_the_resource(room: Room) -> None:
    """Neither annotation nor finalizer: the resource stays as it is in Git."""
    room.make()
    room.run()

    metadata = room.api.get(SOMA_MEMORY, room.namespace, "mem")["metadata"]

    assert "annotations" not in metadata
    assert "finalizers" not in metadata


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        (DEPLOYMENT, "mem", {"spec": {"replicas": 0}}),
        (DEPLOYMENT, "mem", {"spec": {"template": {"spec": {"automountServiceAccountToken": True}}}}),
        (SERVICE, "mem", {"spec": {"selector": {"more": "labels"}}}),
        (CONFIG_MAP, "mem-config", {"data": {"SOMA_LOG_LEVEL": None}}),
        (CONFIG_MAP, "mem-config", {"metadata": {"ownerReferences": None}}),
        (POD_DISRUPTION_BUDGET, "mem", {"spec": {"maxUnavailable": 0}}),
    ],
    ids=["number", "field", "selector", "removal", "owner", "budget"],
)  # fmt: skip
def test_a_hand_edit_is_repaired(room: Room, kind: Kind, name: str, change: Manifest) -> None:
    """A field that the operator set goes back to what is wished, without a change of the resource."""
    room.make()
    room.run()
    before = wished(room.api.get(kind, room.namespace, name))

    room.edit(change, name, kind)

    eventually(
        lambda: wished(room.api.get(kind, room.namespace, name)) == before or None,
        or_say=lambda: str(room.api.get(kind, room.namespace, name)),
    )


def wished(live: Manifest) -> Manifest:
    """Return what the wish decides of a live object."""
    owners = [owner["uid"] for owner in live["metadata"].get("ownerReferences", [])]
    return {"owners": owners, "spec": live.get("spec"), "data": live.get("data")}


@pytest.mark.parametrize("kind", [DEPLOYMENT, SERVICE], ids=["Deployment", "Service"])
def test_a_deleted_child_comes_back(room: Room, kind: Kind) -> None:
    """A child that somebody deletes is made anew."""
    room.make()
    room.run()
    uid = room.child(kind)["metadata"]["uid"]

    room.api.delete(kind, room.namespace, "mem")

    eventually(lambda: room.child(kind)["metadata"]["uid"] != uid or None)


def test_fields_of_other_writers_are_left_alone(room: Room) -> None:
    """What others add to a child stays, and makes the operator write nothing."""
    room.make()
    room.run()
    before = room.child(DEPLOYMENT)["metadata"]["generation"]

    room.edit({"metadata": {"annotations": {"team.test/note": "x"}}}, "mem", DEPLOYMENT)
    room.edit({"spec": {"monitoring": {"logLevel": "Debug"}}})
    eventually(lambda: room.child(DEPLOYMENT)["metadata"]["generation"] > before or None)

    assert room.child(DEPLOYMENT)["metadata"]["annotations"]["team.test/note"] == "x"


def test_a_change_of_the_spec_rolls_out(room: Room) -> None:
    """A new image reaches the Deployment, and Ready comes back for the new generation only."""
    room.make()
    room.run()

    room.edit({"spec": {"image": {"tag": "2.0"}}})
    room.wait_for("Ready", "Unknown", "Progressing")
    room.wait_for_image("2.0")
    room.roll_out()
    status = room.wait_for("Ready", "True")

    assert status["observedGeneration"] == 2
    assert status["version"] == "2.0"


def test_what_is_no_longer_wished_for_goes(room: Room) -> None:
    """A field and a child that left the wish leave the cluster."""
    room.make(spec={"service": {"annotations": {"cloud.test/internal": "1"}}})
    room.run()

    room.edit({"spec": {"service": None, "podDisruptionBudget": {"enabled": False}}})

    eventually(lambda: "cloud.test/internal" not in str(room.child(SERVICE)) or None)
    eventually(lambda: POD_DISRUPTION_BUDGET.name not in children(room) or None)


def test_the_scale_subresource_stops_and_starts(room: Room) -> None:
    """`kubectl scale --replicas=0` stops the memory and keeps its data; 1 brings it back."""
    room.make()
    room.run()
    path = f"/apis/memory.soma.sh/v1alpha1/namespaces/{room.namespace}/somamemories/mem/scale"

    for replicas, phase in ((0, "Stopped"), (1, "Ready")):
        scale = room.api.request("GET", path)
        room.api.request("PUT", path, {**scale, "spec": {"replicas": replicas}})
        wait_for_replicas(room, replicas)
        room.roll_out()
        wait_for_phase(room, phase)

    assert room.api.request("GET", path)["status"]["replicas"] == 1
    assert room.child(PERSISTENT_VOLUME_CLAIM, "mem-data")


@pytest.mark.parametrize(
    ("policy", "left"), [("Retain", {"PersistentVolumeClaim"}), ("Delete", set())]
)
def test_deletion_leaves_nothing_but_a_retained_claim(
    room: Room, policy: str, left: set[str]
) -> None:
    """All children go with the resource; the claim stays when it is to be retained."""
    room.make(spec={"deletionPolicy": policy})
    room.run()

    room.api.delete(SOMA_MEMORY, room.namespace, "mem")

    wait_for_collection(room, left)


def test_a_new_resource_takes_up_the_retained_claim(room: Room) -> None:
    """A SomaMemory of the same name gets the data of its predecessor."""
    room.make()
    room.run()
    uid = room.child(PERSISTENT_VOLUME_CLAIM, "mem-data")["metadata"]["uid"]
    room.api.delete(SOMA_MEMORY, room.namespace, "mem")
    wait_for_collection(room, {"PersistentVolumeClaim"})

    room.make()
    room.roll_out()
    room.wait_for("Ready", "True")

    assert room.child(PERSISTENT_VOLUME_CLAIM, "mem-data")["metadata"]["uid"] == uid


def test_the_deletion_policy_can_change(room: Room) -> None:
    """The mark by which the garbage collector takes the claim comes and goes with the policy."""
    room.make()
    room.run()

    room.edit({"spec": {"deletionPolicy": "Delete"}})
    eventually(lambda: len(owners_of_claim(room)) == 1 or None)
    room.edit({"spec": {"deletionPolicy": "Retain"}})
    eventually(lambda: owners_of_claim(room) == [] or None)


def test_a_paused_resource_is_left_alone(room: Room, operator: OperatorProcess) -> None:
    """While paused nothing is repaired, and the status says so; afterwards it is."""
    room.make()
    room.run()

    room.edit({"spec": {"paused": True}})
    room.wait_for("Paused", "True")
    room.edit({"spec": {"replicas": 0}}, "mem", DEPLOYMENT)
    room.wait_for("Ready", "Unknown", "Paused")
    assert room.child(DEPLOYMENT)["spec"]["replicas"] == 0

    room.edit({"spec": {"paused": False}})
    wait_for_replicas(room, 1)
    room.roll_out()
    assert "Paused" not in str(room.wait_for("Ready", "True")["conditions"])
