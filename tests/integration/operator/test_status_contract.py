"""What the status says in every situation that the operator may find."""

import itertools

import pytest

from soma_operator.core.kinds import CONFIG_MAP, EVENT, SERVICE, SOMA_MEMORY, Manifest
from tests.support.gitops import kstatus
from tests.support.kube_api import Room, eventually
from tests.support.operator_process import OperatorProcess
from tests.support.somamemories import conditions_of

pytestmark = pytest.mark.usefixtures("operator")

PULL = "ErrImagePull: rpc error: code = NotFound desc = no such image"

POD_PROBLEMS = [
    pytest.param(
        {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": f"Back-off: {PULL}"}}}]},
        "ImageNotAvailable",
        ["registry.test/a", "no such image", "spec.image"],
        id="image",
    ),
    pytest.param(
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1"}]},
        "PodUnschedulable",
        ["0/1", "spec.resources"],
        id="unschedulable",
    ),
    pytest.param(
        {
            "containerStatuses": [
                {
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                    "lastState": {"terminated": {"exitCode": 3, "message": "the store is locked\\n"}},
                    "restartCount": 2,
                }
            ]
        },
        "CrashLooping",
        ["exit code 3", "the store is locked"],
        id="crash",
    ),
]  # fmt: skip


def a_container_status(status: Manifest) -> Manifest:
    """Fill in what the API server wants of a container's status."""
    base = {
        "name": "memory-server",
        "image": "registry.test/a",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
    }
    if "containerStatuses" in status:
        return {"containerStatuses": [{**base, **one} for one in status["containerStatuses"]]}
    return status


@pytest.mark.parametrize(("pod", "reason", "words"), POD_PROBLEMS)
def test_a_problem_of_the_pod_names_the_mend(
    room: Room, pod: Manifest, reason: str, words: list[str]
) -> None:
    """The cause and what mends it stand in Ready; the resource is still on its way until the deadline."""
    room.make()
    room.bind()
    room.roll_out(ready=0)

    room.pod(a_container_status(pod))
    status = room.wait_for("Ready", "False", reason)

    message = next(one["message"] for one in status["conditions"] if one["type"] == "Ready")
    assert [word for word in words if word not in message] == []
    assert conditions_of(status)["Reconciling"] == ("True", reason)
    assert "Stalled" not in conditions_of(status)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"storage": {"embedded": {"storageClassName": "gold"}}}, ["gold", "does not exist"]),
        ({}, ["no default storage class", "storage.embedded.storageClassName"]),
    ],
    ids=["named", "default"],
)
def test_a_missing_storage_class_is_named(room: Room, spec: Manifest, words: list[str]) -> None:
    """A volume that nobody can make is told before anybody waits for it."""
    room.make(spec=spec)

    status = room.wait_for("Ready", "False", "StorageClassNotFound")

    assert conditions_of(status)["StorageReady"] == ("False", "StorageClassNotFound")
    message = next(one["message"] for one in status["conditions"] if one["type"] == "Ready")
    assert [word for word in words if word not in message] == []


def test_another_class_after_a_missing_one(room: Room) -> None:
    """A retained claim that never got a volume does not hold up the next resource of its name."""
    room.make(spec={"storage": {"embedded": {"storageClassName": "gold"}}})
    room.wait_for("Ready", "False", "StorageClassNotFound")
    room.api.delete(SOMA_MEMORY, room.namespace, "mem")

    room.make(spec={"storage": {"embedded": {"storageClassName": "silver"}}})

    room.wait_for("Ready", "False", "WaitingForCleanup")


def test_a_refused_child_is_told_in_the_api_servers_words(room: Room) -> None:
    """A wish that only the API server can judge stalls with its sentence, and the mend makes it Ready."""
    room.make(spec={"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}})
    status = room.wait_for("Stalled", "True", "Refused")
    assert "must be less than or equal to cpu limit" in str(status["conditions"])

    room.edit({"spec": {"resources": {"limits": {"cpu": "3"}}}})

    assert "Stalled" not in conditions_of(room.run())


def test_a_name_that_is_taken_is_not_overwritten(room: Room) -> None:
    """An object of somebody else stalls the resource, and stays as it is."""
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mem-config", "namespace": room.namespace},
        "data": {"their": "own"},
    }
    room.api.create(foreign)

    room.make()
    room.wait_for("Stalled", "True", "NameTaken")
    assert room.child(CONFIG_MAP, "mem-config")["data"] == {"their": "own"}

    room.api.delete(CONFIG_MAP, room.namespace, "mem-config")
    room.edit({"metadata": {"annotations": {"memory.soma.sh/reconcile-at": "now"}}})
    room.run()


def test_broken_resources_do_not_hold_up_others(room: Room) -> None:
    """Many resources that cannot succeed cost a sound one no time."""
    for number in range(12):
        room.make(
            f"bad-{number}", {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}
        )

    room.make("good")
    room.run("good")

    assert room.status("good")["phase"] == "Ready"


def test_a_pod_that_fails_later_is_a_passing_problem(room: Room) -> None:
    """After Ready, a lost pod is Reconciling, never at once Stalled; its return is Ready again."""
    room.make()
    room.run()

    room.roll_out(ready=0)
    status = room.wait_for("Ready", "False", "Progressing")
    assert conditions_of(status)["Available"] == ("False", "NotServing")
    assert "Stalled" not in conditions_of(status)

    room.roll_out()
    room.wait_for("Ready", "True")


def test_what_takes_too_long_stalls_and_may_still_succeed(room: Room) -> None:
    """After the progress deadline the resource is Stalled; a late success makes it Ready."""
    room.make(spec={"updateStrategy": {"progressDeadlineSeconds": 10}})
    room.bind()
    room.roll_out(ready=0)

    status = room.wait_for("Stalled", "True", "ProgressDeadlineExceeded")
    assert kstatus(room.api.get(SOMA_MEMORY, room.namespace, "mem")) == "Failed"
    assert "Reconciling" not in conditions_of(status)

    room.roll_out()
    assert "Stalled" not in conditions_of(room.wait_for("Ready", "True"))


def test_a_resource_that_waits_for_deletion_says_so(room: Room) -> None:
    """While somebody's finalizer holds the resource, its status tells that it is leaving."""
    room.make(finalizers=["team.test/hold"])
    room.run()

    room.api.delete(SOMA_MEMORY, room.namespace, "mem")
    room.wait_for("Reconciling", "True", "Deleting")
    room.api.delete(SERVICE, room.namespace, "mem")
    room.edit({"metadata": {"finalizers": None}})

    eventually(lambda: room.api.read(SOMA_MEMORY, room.namespace, "mem") is None or None)
    assert room.api.read(SERVICE, room.namespace, "mem") is None


def test_every_status_on_the_way_is_honest(room: Room) -> None:
    """From creation through a change to Ready, no stored state would mislead a GitOps tool."""
    made = room.make()
    room.run()
    room.edit({"spec": {"image": {"tag": "2.0"}}})
    room.wait_for("Ready", "Unknown")
    room.wait_for_image("2.0")
    room.roll_out(ready=0)
    room.roll_out()
    room.wait_for("Ready", "True")

    history = room.api.history(SOMA_MEMORY, room.namespace, made["metadata"]["resourceVersion"])

    healths = [health for health, _ in itertools.groupby(map(kstatus, [made, *history]))]
    assert healths == ["InProgress", "Current", "InProgress", "Current"]
    for resource in history:
        conditions = conditions_of(resource["status"])
        assert "Ready" in conditions
        assert not {"Reconciling", "Stalled"} <= set(conditions)
    for before, after in itertools.pairwise(history):
        kept = set(states(before)) & set(states(after))
        assert [one for one in kept if times(before)[one] != times(after)[one]] == []


def states(resource: Manifest) -> set[tuple[str, str]]:
    return {(one["type"], one["status"]) for one in resource["status"]["conditions"]}


def times(resource: Manifest) -> dict[tuple[str, str], str]:
    conditions = resource["status"]["conditions"]
    return {(one["type"], one["status"]): one["lastTransitionTime"] for one in conditions}


def test_events_tell_transitions_once(room: Room) -> None:
    """Each change of state is one Event of the resource; a state that lasts tells nothing more."""
    room.make()
    room.run()
    for note in ("one", "two"):
        room.edit({"metadata": {"annotations": {"team.test/note": note}}})

    events = room.api.find(EVENT, room.namespace)

    reasons = {one["reason"] for one in events if one["regarding"]["kind"] == "SomaMemory"}
    assert {"Progressing", "Ready"} <= reasons <= {"Progressing", "StorageClassNotFound", "Ready"}
    assert len([one for one in events if one["reason"] == "Ready"]) == 1


def test_a_status_edited_by_hand_is_mended(room: Room, operator: OperatorProcess) -> None:
    """A lie in the status goes, also in a condition that is ours to tell; one of another type is left alone."""
    room.make()
    before = room.run()
    approved = {
        "type": "TeamApproved",
        "status": "True",
        "reason": "Approved",
        "message": "by hand",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    theirs = {
        "apiVersion": "memory.soma.sh/v1alpha1",
        "kind": "SomaMemory",
        "metadata": {"name": "mem", "namespace": room.namespace},
        "status": {"phase": "Perfect", "conditions": [approved, {**approved, "type": "Stalled"}]},
    }

    where = f"/apis/memory.soma.sh/v1alpha1/namespaces/{room.namespace}/somamemories/mem/status"
    query = "?fieldManager=team&force=true"
    room.api.request("PATCH", where + query, theirs, "application/apply-patch+yaml")

    eventually(lambda: room.status()["phase"] == before["phase"] or None)
    eventually(lambda: "Stalled" not in conditions_of(room.status()) or None)
    assert "TeamApproved" in conditions_of(room.status())
