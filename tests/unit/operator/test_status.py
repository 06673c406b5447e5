"""From findings to the status that people and GitOps tools read."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soma_operator.core.kinds import (
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE,
    Manifest,
    kind_of,
)
from soma_operator.core.plan import Obstacle, Refusal
from soma_operator.core.published import Status, format_time, is_published
from soma_operator.core.reconcile import Decision, Outcome, decide
from soma_operator.core.resolve import Replicas
from soma_operator.core.status import (
    CONDITION_TYPES,
    deleting_status,
    opening_status,
    status_of,
)
from tests.support.gitops import kstatus
from tests.support.somamemories import (
    NOW,
    a_pod,
    a_somamemory,
    conditions_of,
    observed_of,
    rendered,
    settled,
    situation_of,
    specs,
    waiting,
)

Seen = dict[str, tuple[str, str]]


def changed(kind: object, **status: object) -> list[Manifest]:
    """Return settled children, one with another status."""
    children = [deepcopy(one) for one in settled()]
    for child in children:
        if kind_of(child) == kind:
            child["status"] = {**child.get("status", {}), **status}
    return children


PULL = a_pod(container=waiting("ImagePullBackOff", "Back-off"))
BROKEN_NAME = a_pod(container=waiting("InvalidImageName"))
SERVICE_CHILD = next(one for one in rendered() if kind_of(one) == SERVICE)

TABLE = [
    pytest.param({"children": settled()}, {}, {"Ready": ("True", "Ready")}, id="converged"),
    pytest.param(
        {"children": rendered()},
        {},
        {"Ready": ("Unknown", "Progressing"), "Reconciling": ("True", "Progressing")},
        id="just applied",
    ),
    pytest.param(
        {"children": changed(DEPLOYMENT, readyReplicas=0)},
        {},
        {"Ready": ("False", "Progressing"), "Reconciling": ("True", "Progressing")},
        id="pod not ready",
    ),
    pytest.param(
        {"children": changed(DEPLOYMENT, replicas=2)},
        {},
        {"Ready": ("False", "Progressing"), "Reconciling": ("True", "Progressing")},
        id="old pod left",
    ),
    pytest.param(
        {"children": changed(DEPLOYMENT, observedGeneration=0)},
        {},
        {"Ready": ("Unknown", "Progressing"), "Reconciling": ("True", "Progressing")},
        id="status of an earlier Deployment",
    ),
    pytest.param(
        {"children": changed(PERSISTENT_VOLUME_CLAIM, phase="Pending"), "storage_classes": []},
        {},
        {
            "Ready": ("False", "StorageClassNotFound"),
            "Reconciling": ("True", "StorageClassNotFound"),
        },
        id="no storage class",
    ),
    pytest.param(
        {"children": changed(PERSISTENT_VOLUME_CLAIM, phase="Pending")},
        {},
        {"Ready": ("False", "Progressing"), "Reconciling": ("True", "Progressing")},
        id="volume pending, classes unknown",
    ),
    pytest.param(
        {"children": changed(PERSISTENT_VOLUME_CLAIM, phase="Lost")},
        {},
        {"Ready": ("False", "VolumeLost"), "Stalled": ("True", "VolumeLost")},
        id="volume lost",
    ),
    pytest.param(
        {"children": changed(DEPLOYMENT, readyReplicas=0), "pods": [PULL]},
        {},
        {"Ready": ("False", "ImageNotAvailable"), "Reconciling": ("True", "ImageNotAvailable")},
        id="image missing",
    ),
    pytest.param(
        {"children": changed(DEPLOYMENT, readyReplicas=0), "pods": [BROKEN_NAME]},
        {},
        {"Ready": ("False", "ImageNotAvailable"), "Stalled": ("True", "ImageNotAvailable")},
        id="image impossible",
    ),
    pytest.param(
        {
            "children": changed(
                DEPLOYMENT,
                readyReplicas=0,
                conditions=[{"type": "ReplicaFailure", "status": "True", "message": "quota"}],
            )
        },
        {},
        {"Ready": ("False", "PodsRefused"), "Reconciling": ("True", "PodsRefused")},
        id="pods refused",
    ),
    pytest.param(
        {"children": settled()},
        {"obstacles": (Obstacle(SERVICE_CHILD, is_leaving=False),)},
        {"Ready": ("False", "NameTaken"), "Stalled": ("True", "NameTaken")},
        id="name taken",
    ),
    pytest.param(
        {"children": settled()},
        {"obstacles": (Obstacle(SERVICE_CHILD, is_leaving=True),)},
        {"Ready": ("False", "WaitingForCleanup"), "Reconciling": ("True", "WaitingForCleanup")},
        id="predecessor leaving",
    ),
    pytest.param(
        {"children": settled()},
        {"refusals": (Refusal(SERVICE_CHILD, False, "no"),), "is_complete": False},
        {"Ready": ("False", "Refused"), "Stalled": ("True", "Refused")},
        id="content refused",
    ),
    pytest.param(
        {"children": settled()},
        {"refusals": (Refusal(SERVICE_CHILD, True, "quota"),), "is_complete": False},
        {"Ready": ("False", "Forbidden"), "Reconciling": ("True", "Forbidden")},
        id="forbidden",
    ),
]


@pytest.mark.parametrize(("seen", "applied", "expected"), TABLE)
def test_each_situation_has_its_conditions(
    seen: dict[str, Any], applied: dict[str, Any], expected: Seen
) -> None:
    """Ready is always told; Reconciling and Stalled only while they hold, and never both."""
    status = status_of(situation_of(observed_of(**seen), **applied))

    told = conditions_of(status)
    assert {kind: told[kind] for kind in told if kind in ("Ready", "Reconciling", "Stalled")} == (
        expected
    )


@pytest.mark.parametrize(
    ("paused", "is_complete", "ready"),
    [
        ({"spec": {"paused": True}}, True, ("True", "Ready")),
        ({"spec": {"paused": True}}, False, ("Unknown", "Paused")),
        ({"annotations": {"memory.soma.sh/reconcile": "disabled"}}, False, ("Unknown", "Paused")),
    ],
)
def test_paused_is_ready_only_when_the_wish_was_fulfilled(
    paused: Manifest, is_complete: bool, ready: tuple[str, str]
) -> None:
    """A paused resource neither progresses nor stalls."""
    observed = observed_of(a_somamemory(**paused), children=settled())

    told = conditions_of(status_of(situation_of(observed, is_complete=is_complete)))

    assert told["Ready"] == ready
    assert told["Paused"] == ("True", "Paused")
    assert not {"Reconciling", "Stalled"} & set(told)


@pytest.mark.parametrize(("available", "ready"), [(0, "False"), (1, "True")])
def test_a_pod_that_is_ready_for_a_moment_proves_nothing(available: int, ready: str) -> None:
    """With minReadySeconds its revision is Ready, and one to go back to, when it was ready for that long."""
    resource = a_somamemory(spec={"updateStrategy": {"minReadySeconds": 30}})
    children = [
        (
            {**one, "status": {**one["status"], "availableReplicas": available}}
            if kind_of(one) == DEPLOYMENT
            else one
        )
        for one in settled(resource)
    ]

    status = status_of(situation_of(observed_of(resource, children=children)))

    assert conditions_of(status)["Ready"][0] == ready
    assert conditions_of(status)["Available"] == ("True", "Serving")
    assert ("lastGoodRevision" in status) is (ready == "True")
    if ready == "False":
        assert "0 of 1 pods are ready for 30 seconds" in str(status["conditions"])


@pytest.mark.parametrize(
    ("counters", "words"),
    [
        ({"replicas": 4, "updatedReplicas": 1, "readyReplicas": 3}, "1 of 3 pods have the newest"),
        ({"replicas": 3, "updatedReplicas": 2, "readyReplicas": 3}, "2 of 3 pods have the newest"),
        ({"replicas": 3, "updatedReplicas": 3, "readyReplicas": 2}, "2 of 3 pods are ready"),
        ({"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3}, None),
    ],
)
def test_a_roll_out_of_several_servers_is_told_pod_by_pod(
    counters: dict[str, int], words: str | None
) -> None:
    """While one after the other is replaced the roll-out is under way, and the memory is available all along."""
    observed = observed_of(children=changed(DEPLOYMENT, **counters))
    situation = situation_of(observed)
    shared = replace(situation.memory, is_exclusive=False, replicas=Replicas(3))

    status = status_of(replace(situation, memory=shared))

    told = conditions_of(status)
    assert told["Available"] == ("True", "Serving")
    if words is None:
        assert told["Ready"] == ("True", "Ready")
        return
    assert told["Ready"] == ("False", "Progressing")
    assert told["Reconciling"] == ("True", "Progressing")
    assert words in str(status["conditions"])


@pytest.mark.parametrize(("later_s", "kind"), [(599, "Reconciling"), (600, "Stalled")])
def test_the_deadline_turns_progress_into_a_stall(later_s: float, kind: str) -> None:
    """What may mend itself is Reconciling before the deadline, and Stalled from it on."""
    stored = a_somamemory(
        status={"observedGeneration": 1, "progressStartedAt": format_time(NOW), "conditions": []}
    )

    status = status_of(situation_of(observed_of(stored, children=rendered(), later_s=later_s)))

    assert conditions_of(status)[kind][0] == "True"
    assert status["progressStartedAt"] == format_time(NOW)


@pytest.mark.parametrize("generation", [1, 2])
def test_a_new_generation_gets_a_new_deadline(generation: int) -> None:
    """The time of the earlier generation's troubles does not count against the new one."""
    stored = a_somamemory(
        generation=generation,
        status={"observedGeneration": 1, "progressStartedAt": format_time(NOW), "conditions": []},
    )

    status = status_of(situation_of(observed_of(stored, children=rendered(), later_s=10_000)))

    assert ("Stalled" in conditions_of(status)) is (generation == 1)


def test_times_move_with_the_status_only() -> None:
    """A condition keeps its time while reason and message change."""
    first = status_of(situation_of(observed_of(children=rendered())))
    stored = a_somamemory(status=first)
    children = changed(PERSISTENT_VOLUME_CLAIM, phase="Lost")

    second = status_of(situation_of(observed_of(stored, children=children, later_s=60)))

    dates = {one["type"]: one["lastTransitionTime"] for one in second["conditions"]}
    assert dates["Ready"] == format_time(NOW.replace(minute=5))  # Unknown became False
    assert dates["StorageReady"] == format_time(NOW)  # False stayed False


@given(specs(), st.booleans(), st.booleans(), st.integers(0, 2000))
def test_no_status_can_mislead(
    spec: Manifest, is_settled: bool, is_complete: bool, later_s: int
) -> None:
    """For any spec and moment: one verdict, known types, the newest generation, and Ready only when all is done."""
    resource = a_somamemory(
        spec=spec,
        generation=3,
        status={"observedGeneration": 3, "progressStartedAt": format_time(NOW), "conditions": []},
    )
    children = settled(resource) if is_settled else rendered(resource)
    observed = observed_of(resource, children=children, later_s=later_s)

    status = status_of(situation_of(observed, is_complete=is_complete))

    told = conditions_of(status)
    assert set(told) <= set(CONDITION_TYPES)
    assert not {"Reconciling", "Stalled"} <= set(told)
    assert status["observedGeneration"] == 3
    assert (told["Ready"][0] == "True") <= (is_settled and is_complete)
    assert (kstatus({**resource, "status": status}) == "Current") is (told["Ready"][0] == "True")
    assert is_published(status, observed_of({**resource, "status": status}), CONDITION_TYPES)


def test_a_converged_status_is_not_written_again() -> None:
    """Looked at later, an unchanged resource has the very same status."""
    status = status_of(situation_of(observed_of(children=settled())))
    later = observed_of(a_somamemory(status=status), children=settled(), later_s=3600)

    assert is_published(status_of(situation_of(later)), later, CONDITION_TYPES)


def test_a_new_generation_is_never_ready_by_the_old_one() -> None:
    """The first status of a generation takes Ready back before anything is done."""
    status = status_of(situation_of(observed_of(children=settled())))
    stored = a_somamemory(status=status, generation=2, spec={"image": {"tag": "2.0"}})

    decision = decide(observed_of(stored, children=settled()))

    assert isinstance(decision, Decision)
    assert decision.opening is not None
    assert decision.opening.status is not None
    told = conditions_of(decision.opening.status)
    assert told["Ready"] == ("Unknown", "Progressing")
    assert told["Available"] == ("True", "Serving")
    assert decision.opening.status["observedGeneration"] == 2


def test_a_change_that_needs_no_write_needs_no_opening() -> None:
    """A generation that changes nothing in the cluster goes from Ready to Ready."""
    status = status_of(situation_of(observed_of(children=settled())))
    stored = a_somamemory(status=status, generation=2)

    decision = decide(observed_of(stored, children=settled()))

    assert isinstance(decision, Decision)
    assert decision.opening is None


def test_an_unreadable_spec_stalls_and_stops_nothing() -> None:
    """The children stay as they are; the status names the field."""
    outcome = decide(observed_of(a_somamemory(spec={"replicas": "x"}), children=settled()))

    assert isinstance(outcome, Outcome)
    assert outcome.status is not None
    assert conditions_of(outcome.status)["Stalled"] == ("True", "InvalidSpec")
    assert "spec.replicas" in str(outcome.status["conditions"])


def test_a_leaving_resource_keeps_its_ready() -> None:
    """While being deleted, Ready says what it said; Reconciling says why nothing happens."""
    status = status_of(situation_of(observed_of(children=settled())))
    stored = a_somamemory(status=status, is_deleting=True, generation=2)

    told = conditions_of(deleting_status(observed_of(stored)))

    assert told["Ready"] == ("True", "Ready")
    assert told["Reconciling"] == ("True", "Deleting")


@pytest.mark.parametrize(
    ("claim", "reason", "words"),
    [
        ({}, "VolumeGrowing", "grows from 5Gi to 10Gi"),
        ({"conditions": [{"type": "Resizing"}]}, "VolumeGrowing", "grows from 5Gi to 10Gi"),
        (
            {"conditions": [{"type": "FileSystemResizePending", "status": "True"}]},
            "FileSystemGrows",
            "when a pod mounts it",
        ),
        (
            {
                "conditions": [
                    {"type": "ControllerResizeError", "status": "True", "message": "no room left"}
                ]
            },
            "ResizeFailed",
            "no room left; mend that, or export the memories and import them into a new SomaMemory",
        ),
        (
            {"allocatedResourceStatuses": {"storage": "NodeResizeInfeasible"}},
            "ResizeFailed",
            "NodeResizeInfeasible; mend that, or export",
        ),
    ],
    ids=["asked", "resizing", "file system", "error", "infeasible"],
)
def test_a_growing_volume_is_told(claim: Manifest, reason: str, words: str) -> None:
    """While the volume grows, the status says from what to what, what it waits for, and why it does not."""
    children = changed(PERSISTENT_VOLUME_CLAIM, capacity={"storage": "5Gi"}, **claim)

    status = status_of(situation_of(observed_of(children=children)))

    assert conditions_of(status)["ResizePending"] == ("True", reason)
    message = next(one["message"] for one in status["conditions"] if one["type"] == "ResizePending")
    assert words in message
    assert conditions_of(status)["Ready"] == ("True", "Ready")
    assert status["storage"]["capacity"] == "5Gi"


@pytest.mark.parametrize("capacity", ["10Gi", "10240Mi", "20Gi"])
def test_a_volume_that_is_large_enough_does_not_grow(capacity: str) -> None:
    """A volume may be larger than what was asked for."""
    children = changed(PERSISTENT_VOLUME_CLAIM, capacity={"storage": capacity})

    status = status_of(situation_of(observed_of(children=children)))

    assert "ResizePending" not in conditions_of(status)


def test_conditions_of_others_do_not_make_us_write() -> None:
    """A condition type that is not ours does not count as a difference."""
    status = status_of(situation_of(observed_of(children=settled())))
    theirs = {**status, "conditions": [{"type": "TeamApproved"}, *reversed(status["conditions"])]}

    assert is_published(status, observed_of(a_somamemory(status=theirs)), CONDITION_TYPES)


def test_the_opening_status_is_a_status_of_progress() -> None:
    """Before the first look: addresses and image are known, nothing is promised."""
    observed = observed_of()
    decision = decide(observed)
    assert isinstance(decision, Decision)

    status: Status = opening_status(decision.memory, decision.choice, observed)

    assert status["phase"] == "Progressing"
    assert status["endpoints"]["grpc"] == "mem.default.svc:50053"
