"""Roll-outs with a way back, updates that wait, sleep, and a number of servers that others decide."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from soma_operator.core.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SOMA_MEMORY,
    SOMA_MEMORY_CLASS,
    Manifest,
)
from tests.support.audit import Trail
from tests.support.gitops import kstatus
from tests.support.kube_api import KubeApi, Room, eventually, path_of
from tests.support.operator_process import OperatorProcess, run_command
from tests.support.operator_rooms import ACCOUNT, an_operator
from tests.support.somamemories import conditions_of

OLD_IMAGE = "registry.test/server:1.0"
NEW_IMAGE = "registry.test/server:2.0"

REJECTED = "memory.soma.sh/rejected-revision"

IMPOSSIBLE = {
    "containerStatuses": [
        {
            "name": "memory-server",
            "image": "Wrong!",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"waiting": {"reason": "InvalidImageName", "message": "no"}},
        }
    ]
}
"""The kubelet's word for an image that no waiting helps."""


@pytest.fixture
def operator(operator_kubeconfig: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator of the old release."""
    with an_operator(operator_kubeconfig, tmp_path, server_image=OLD_IMAGE) as process:
        yield process.wait_leading()


def image(room: Room) -> str:
    return str(room.child(DEPLOYMENT)["spec"]["template"]["spec"]["containers"][0]["image"])


def revisions(room: Room) -> set[str]:
    found = room.api.find(CONTROLLER_REVISION, room.namespace)
    return {one["metadata"]["name"].removeprefix("mem-") for one in found}


@pytest.mark.usefixtures("operator")
def test_a_change_that_cannot_succeed_is_taken_back(room: Room) -> None:
    """The last good revision runs again, the spec stays as it is in Git, and a mend rolls out."""
    room.make()
    good = room.run()

    room.edit({"spec": {"image": {"repository": "Wrong!", "tag": "2"}}})
    room.wait_for("Reconciling", "True")
    room.pod(IMPOSSIBLE)
    told = room.wait_for("Ready", "False", "RolledBack")
    eventually(lambda: image(room) == OLD_IMAGE or None)
    room.api.delete(POD, room.namespace, "mem-1")
    room.roll_out()
    back = eventually(lambda: served_again(room))

    assert told["failedRevision"] == told["updateRevision"] != good["currentRevision"]
    assert back["currentRevision"] == back["lastGoodRevision"] == good["currentRevision"]
    resource = room.api.get(SOMA_MEMORY, room.namespace, "mem")
    assert resource["spec"]["image"] == {"repository": "Wrong!", "tag": "2"}
    assert kstatus(resource) == "Failed"
    assert revisions(room) == {good["currentRevision"], told["failedRevision"]}

    room.edit({"spec": {"image": {"repository": "registry.test/right", "tag": "3"}}})
    room.wait_for_image("3")
    room.roll_out()
    mended = room.wait_for("Ready", "True")
    assert not {"RolledBack", "Stalled"} & set(conditions_of(mended))
    assert "failedRevision" not in mended
    kept = {mended["currentRevision"], good["currentRevision"]}
    eventually(lambda: revisions(room) == kept or None)


@pytest.mark.usefixtures("operator")
def test_what_served_is_rejected_and_let_run_again(room: Room) -> None:
    """By one annotation the pods go back to the image before, and the status tells it; without it the spec rules."""
    room.make(spec={"image": {"tag": "1.0"}})
    first = room.run()
    room.edit({"spec": {"image": {"tag": "2.0"}}})
    room.wait_for_image("2.0")
    second = room.run()

    room.edit({"metadata": {"annotations": {REJECTED: second["currentRevision"]}}})
    room.wait_for_image("1.0")
    room.roll_out()
    told = room.wait_for("RolledBack", "True", "Rejected")
    assert told["currentRevision"] == told["lastGoodRevision"] == first["currentRevision"]
    assert kstatus(room.api.get(SOMA_MEMORY, room.namespace, "mem")) == "Failed"
    eventually(
        lambda: revisions(room) == {first["currentRevision"], second["currentRevision"]} or None
    )

    room.edit({"metadata": {"annotations": {REJECTED: None}}})
    room.wait_for_image("2.0")
    again = room.run()
    assert again["currentRevision"] == second["currentRevision"]
    assert "RolledBack" not in conditions_of(again)


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("path", "value"),
    [("/spec/noSuchField", 1), ("/spec/hostNetwork", "yes"), ("/spec/hostname", "A B")],
)
def test_a_patch_that_the_api_server_refuses_is_told(room: Room, path: str, value: object) -> None:
    """A field that is none, a value of another type, a value that is not valid: what serves goes on."""
    room.make()
    good = room.run()

    patch = {"op": "add", "path": path, "value": value}
    room.edit({"spec": {"podTemplate": {"patches": [patch]}}})
    told = room.wait_for("Ready", "False", "Refused")

    assert path.rpartition("/")[2] in str(told["conditions"])
    assert conditions_of(told)["Stalled"] == ("True", "Refused")
    assert conditions_of(told)["Available"] == ("True", "Serving")
    room.edit({"spec": {"podTemplate": None}})
    room.roll_out()
    assert room.wait_for("Ready", "True")["currentRevision"] == good["currentRevision"]


def served_again(room: Room) -> Manifest | None:
    status = room.status()
    return status if conditions_of(status)["Available"][0] == "True" else None


def test_an_upgrade_of_the_operator_restarts_no_pod(
    operator: OperatorProcess, operator_kubeconfig: Path, room: Room, tmp_path: Path
) -> None:
    """A new default image waits with a condition; approved by name, it rolls out."""
    room.make()
    room.run()
    before = room.child(DEPLOYMENT)["metadata"]["generation"]
    assert operator.stop() == 0

    # With the same name, so that no test after this one waits for the end of a Lease.
    newer = {"server_image": NEW_IMAGE, "identity": "one"}
    with an_operator(operator_kubeconfig, tmp_path, "new", **newer) as new:
        new.wait_leading()
        waiting = room.wait_for("UpdatePending", "True", "NewRelease")
        assert (image(room), room.child(DEPLOYMENT)["metadata"]["generation"]) == (
            OLD_IMAGE,
            before,
        )
        assert conditions_of(waiting)["Ready"] == ("True", "Ready")
        # Other tests left resources in other namespaces, whose children the old one may not have made yet.
        applied = new.log("applied a child")
        assert [one for one in applied if one["k8s_namespace"] == room.namespace] == []

        approval = {"memory.soma.sh/approved-revision": waiting["updateRevision"]}
        room.edit({"metadata": {"annotations": approval}})
        eventually(lambda: image(room) == NEW_IMAGE or None)
        room.roll_out()
        eventually(lambda: "UpdatePending" not in conditions_of(room.status()) or None)
        both = {waiting["updateRevision"], waiting["currentRevision"]}
        eventually(lambda: revisions(room) == both or None)


def test_all_that_waits_is_approved_by_one_command(
    operator: OperatorProcess, operator_kubeconfig: Path, room: Room, tmp_path: Path
) -> None:
    """A release waits in two memories: the command shows them, lets one go, then the other, and no more is left."""
    for name in ("first", "second"):
        room.make(name)
        room.run(name)
    assert operator.stop() == 0
    admin = room.api.plane.kubeconfig

    def approve(*options: str) -> tuple[int, list[str]]:
        return run_command("approve", "-n", room.namespace, *options, kubeconfig=admin)

    newer = {"server_image": NEW_IMAGE, "identity": "one"}
    with an_operator(operator_kubeconfig, tmp_path, "new", **newer) as new:
        new.wait_leading()
        for name in ("first", "second"):
            room.wait_for("UpdatePending", "True", "NewRelease", name=name)

        code, lines = approve("--dry-run")
        assert (code, lines[-1]) == (0, "2 waiting, 0 left")
        assert f"{room.namespace}/first: " in lines[0]
        assert approve("--most", "1")[1][-1] == "1 approved, 1 left"
        assert approve("second", "missing")[1] == [
            f"{room.namespace}/second: revision {room.status('second')['updateRevision']} approved",
            "missing: nothing of it waits",
            "1 approved, 0 left",
        ]
        assert approve() == (0, ["0 approved, 0 left"])

        for name in ("first", "second"):
            room.wait_for_image("2.0", name)


@pytest.mark.usefixtures("operator")
def test_a_supervised_change_waits(room: Room) -> None:
    """Nothing of the pods changes until somebody says so; the change is observed and told."""
    room.make(spec={"updateStrategy": {"type": "Supervised"}})
    room.run()

    room.edit({"spec": {"monitoring": {"logLevel": "Debug"}}})
    waiting = room.wait_for("Ready", "Unknown", "UpdatePending")
    assert waiting["currentRevision"] != waiting["updateRevision"]

    room.edit({"metadata": {"annotations": {"memory.soma.sh/restartedAt": "now"}}})
    approved = eventually(lambda: changed_revision(room, waiting))
    room.roll_out()
    room.wait_for("Ready", "True")
    assert approved["currentRevision"] == approved["updateRevision"]


def changed_revision(room: Room, before: Manifest) -> Manifest | None:
    status = room.status()
    return status if status["currentRevision"] != before["currentRevision"] else None


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("asleep", "awake"),
    [
        ({"spec": {"hibernated": True}}, {"spec": {"hibernated": False}}),
        (
            {"metadata": {"annotations": {"memory.soma.sh/hibernated": "true"}}},
            {"metadata": {"annotations": {"memory.soma.sh/hibernated": None}}},
        ),
    ],
    ids=["spec", "annotation"],
)
def test_a_memory_sleeps_and_wakes(room: Room, asleep: Manifest, awake: Manifest) -> None:
    """Asleep no server runs and the data is kept; awake it is as before."""
    room.make()
    before = room.run()

    room.edit(asleep)
    eventually(lambda: room.child(DEPLOYMENT)["spec"]["replicas"] == 0 or None)
    room.roll_out()
    sleeping = room.wait_for("Ready", "True", "Hibernated")
    assert sleeping["phase"] == "Hibernated"
    assert conditions_of(sleeping)["Available"] == ("False", "Hibernated")
    assert room.child(PERSISTENT_VOLUME_CLAIM, "mem-data")

    room.edit(awake)
    eventually(lambda: room.child(DEPLOYMENT)["spec"]["replicas"] == 1 or None)
    room.roll_out()
    assert room.wait_for("Ready", "True", "Ready")["currentRevision"] == before["currentRevision"]


def scale(room: Room, replicas: int) -> None:
    """Play the HPA controller: it writes the Deployment's scale, as itself."""
    where = f"{path_of(DEPLOYMENT, room.namespace, 'mem')}/scale"
    found = room.api.request("GET", where)
    room.api.request(
        "PUT",
        f"{where}?fieldManager=kube-controller-manager",
        {**found, "spec": {"replicas": replicas}},
    )


@pytest.mark.usefixtures("operator")
def test_the_autoscaler_is_not_fought(api: KubeApi, room: Room) -> None:
    """What the autoscaler writes stays through changes of everything else, and comes back to us with type None."""
    room.make(
        spec={
            "resources": {"requests": {"cpu": "100m"}},
            "autoscaling": {"type": "HPA"},
        }
    )
    room.run()
    trail = Trail(api.plane.audit_log, ACCOUNT).now()

    scale(room, 3)  # More than this storage can use: only the owner of the number matters here.
    room.edit({"metadata": {"annotations": {"memory.soma.sh/reconcile-at": "now"}}})
    room.edit({"spec": {"monitoring": {"logLevel": "Debug"}}})
    eventually(lambda: [one for one in trail.writes() if "/deployments/mem" in one] or None)
    assert room.child(DEPLOYMENT)["spec"]["replicas"] == 3

    room.edit({"spec": {"autoscaling": None}})
    eventually(lambda: room.child(DEPLOYMENT)["spec"]["replicas"] == 1 or None)


@pytest.mark.usefixtures("operator")
def test_a_volume_that_cannot_grow_is_told_with_the_mend(room: Room) -> None:
    """The API server's refusal becomes a condition that names the storage class's part in it."""
    room.make()
    room.run()

    room.edit({"spec": {"storage": {"embedded": {"size": "20Gi"}}}})
    status = room.wait_for("Ready", "False", "ResizeRefused")

    message = next(one["message"] for one in status["conditions"] if one["type"] == "Ready")
    assert "storage.embedded.size" in message
    assert "resize" in message
    assert conditions_of(status)["Available"][0] == "True"


@pytest.mark.usefixtures("operator")
def test_a_claim_that_is_larger_than_the_wish_is_told(room: Room) -> None:
    """A retained claim is taken up with the size that it has, and the status says so."""
    room.make(spec={"storage": {"embedded": {"size": "20Gi"}}})
    room.run()
    room.api.delete(SOMA_MEMORY, room.namespace, "mem")
    eventually(
        lambda: room.api.read(DEPLOYMENT, room.namespace, "mem") is None or None, timeout_s=60
    )

    room.make(spec={"storage": {"embedded": {"size": "10Gi"}}})
    status = room.run()

    assert conditions_of(status)["StorageReady"] == ("True", "LargerThanWished")
    assert status["storage"]["capacity"] == "20Gi"


@pytest.mark.usefixtures("operator")
def test_a_missing_secret_holds_up_a_roll_out_and_no_server(room: Room) -> None:
    """What serves goes on serving until the Secret is there; then the change rolls out by itself."""
    room.make()
    before = room.run()

    room.edit({"spec": {"tls": {"mode": "Secret", "secretName": "cert"}}})
    waiting = room.wait_for("Ready", "False", "SecretNotFound")
    assert conditions_of(waiting)["SecretsReady"] == ("False", "SecretNotFound")
    assert conditions_of(waiting)["Reconciling"] == ("True", "SecretNotFound")
    assert waiting["currentRevision"] == before["currentRevision"]
    assert "UpdatePending" not in conditions_of(waiting)

    room.secret("cert")
    eventually(lambda: changed_revision(room, before))
    room.roll_out()
    status = room.wait_for("Ready", "True")
    assert conditions_of(status)["SecretsReady"] == ("True", "Found")
    volumes = room.child(DEPLOYMENT)["spec"]["template"]["spec"]["volumes"]
    assert volumes[-1]["projected"]["sources"][0]["secret"]["name"] == "cert"


@pytest.mark.usefixtures("operator")
def test_a_class_is_followed_by_its_memories(api: KubeApi, room: Room) -> None:
    """A memory waits for its class, rolls out what changes in it, and stays as it is when the class goes."""
    name = f"class-of-{room.namespace}"
    head = {"apiVersion": SOMA_MEMORY_CLASS.api_version, "kind": SOMA_MEMORY_CLASS.name}
    of_class: Manifest = {**head, "metadata": {"name": name}}
    room.make(spec={"className": name})
    room.wait_for("Reconciling", "True", "ClassNotFound")

    api.apply(
        {**of_class, "spec": {"image": {"repository": "registry.test/gold", "tag": "1.0"}}}, "us"
    )
    room.run()
    api.apply(
        {**of_class, "spec": {"image": {"repository": "registry.test/gold", "tag": "2.0"}}}, "us"
    )
    room.wait_for_image("2.0")
    room.run()
    api.delete(SOMA_MEMORY_CLASS, None, name)
    gone = room.wait_for("Ready", "False", "ClassNotFound")

    assert conditions_of(gone)["Available"] == ("True", "Serving")
    assert image(room) == "registry.test/gold:2.0"
    assert api.get(SOMA_MEMORY, room.namespace, "mem")["spec"] == {"className": name, "replicas": 1}


@pytest.mark.usefixtures("operator")
def test_the_storage_class_of_a_class_outlives_it(api: KubeApi, room: Room) -> None:
    """What a claim was made with cannot be changed: neither its volume nor a memory without its class changes it."""
    name = f"class-of-{room.namespace}"
    head = {"apiVersion": SOMA_MEMORY_CLASS.api_version, "kind": SOMA_MEMORY_CLASS.name}
    said = {"storage": {"embedded": {"storageClassName": "fast"}}}
    api.apply({**head, "metadata": {"name": name}, "spec": said}, "us")
    room.make(spec={"className": name})
    room.run()

    room.edit({"spec": {"className": None, "deletionPolicy": "Delete"}})
    room.run()

    claim = api.get(PERSISTENT_VOLUME_CLAIM, room.namespace, "mem-data")
    assert claim["spec"]["storageClassName"] == "fast"
    assert "ownerReferences" in claim["metadata"]
    api.delete(SOMA_MEMORY_CLASS, None, name)


@pytest.mark.usefixtures("operator")
def test_a_change_waits_for_the_end_of_a_pod(room: Room) -> None:
    """OnDelete: what is wished for runs when a pod is deleted by somebody else, and not before."""
    room.make(spec={"updateStrategy": {"type": "OnDelete"}, "image": {"tag": "1.0"}})
    room.run()
    room.pod({"phase": "Running"})

    room.edit({"spec": {"image": {"tag": "2.0"}}})
    waiting = room.wait_for("UpdatePending", "True", "PodDeletionNeeded")
    assert conditions_of(waiting)["Ready"] == ("Unknown", "UpdatePending")
    assert image(room).endswith(":1.0")

    room.edit({"metadata": {"finalizers": ["test/drain"]}}, "mem-1", POD)
    room.api.delete(POD, room.namespace, "mem-1")
    room.wait_for_image("2.0")
    room.edit({"metadata": {"finalizers": None}}, "mem-1", POD)
    room.run()


@pytest.mark.usefixtures("operator")
def test_a_change_waits_for_its_window(room: Room) -> None:
    """Out of the window nothing rolls out, and the time of the next one is told; with a window now it does."""
    never = [{"schedule": "0 0 29 2 *", "durationMinutes": 1}]
    always = [{"schedule": "* * * * *", "durationMinutes": 2}]
    room.make(spec={"updateStrategy": {"maintenanceWindows": never}, "image": {"tag": "1.0"}})
    room.run()

    room.edit({"spec": {"image": {"tag": "2.0"}}})
    waiting = room.wait_for("UpdatePending", "True", "WindowClosed")
    assert "opens at 2028-02-29T00:00:00Z" in str(waiting)
    assert image(room).endswith(":1.0")

    room.edit({"spec": {"updateStrategy": {"maintenanceWindows": always}}})
    room.wait_for_image("2.0")
    room.run()
