"""What keeps pods from becoming ready, in words that name the mend."""

import pytest

from soma_operator.core.kinds import Manifest
from soma_operator.core.pods import LONGEST_DETAIL, diagnose
from tests.support.somamemories import a_pod, waiting


def ended(code: int, message: str = "", reason: str = "Error", restarts: int = 2) -> Manifest:
    state = {"terminated": {"exitCode": code, "reason": reason, "message": message}}
    return {**waiting("CrashLoopBackOff"), "lastState": state, "restartCount": restarts}


@pytest.mark.parametrize(
    ("container", "reason", "words"),
    [
        (waiting("ErrImagePull", "not found"), "ImageNotAvailable", ["not found", "spec.image"]),
        (waiting("ImagePullBackOff", "Back-off pulling"), "ImageNotAvailable", ["pullSecrets"]),
        (waiting("ErrImageNeverPull", "never"), "ImageNotAvailable", ["load the image"]),
        (waiting("InvalidImageName"), "ImageNotAvailable", ["not the name of an image"]),
        (waiting("CreateContainerConfigError", 'no "x"'), "ContainerNotStarted", ['no "x"']),
        (ended(137, reason="OOMKilled"), "OutOfMemory", ["spec.resources.limits.memory"]),
        (ended(3, "store is locked"), "CrashLooping", ["exit code 3", "store is locked"]),
        (ended(1), "CrashLooping", ["see the log"]),
    ],
)
def test_each_problem_names_its_mend(container: Manifest, reason: str, words: list[str]) -> None:
    """Reason and sentence fit what the kubelet saw."""
    found = diagnose([a_pod(container=container)])

    assert found is not None
    assert found.reason == reason
    assert [word for word in words if word not in found.message] == []


@pytest.mark.parametrize(
    "container",
    [
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        {"state": {"running": {}}, "ready": True, "restartCount": 7, "lastState": {"terminated": {}}},
        {"state": {"running": {}}, "ready": False, "restartCount": 1, "lastState": {"terminated": {}}},
    ],
    ids=["creating", "initializing", "ready again", "first restart"],
)  # fmt: skip
def test_what_is_normal_is_no_problem(container: Manifest) -> None:
    """A start, and a single restart, are not told as problems."""
    assert diagnose([a_pod(container=container)]) is None


def test_the_sentence_does_not_alternate_with_the_kubelets_words() -> None:
    """Error and back-off of the same pull give one sentence: else the status would change for ever."""
    error = "rpc error: code = NotFound desc = no such image"
    words = [
        ("ErrImagePull", error),
        ("ImagePullBackOff", f'Back-off pulling "a": ErrImagePull: {error}'),
    ]

    sentences = {str(diagnose([a_pod(container=waiting(*one))])) for one in words}

    assert len(sentences) == 1


def test_a_leaving_pod_is_not_asked() -> None:
    """The troubles of a pod that is being deleted are over."""
    pod = a_pod(container=waiting("ErrImagePull"))
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert diagnose([pod]) is None


def test_a_long_message_keeps_its_end() -> None:
    """The last lines of a log hold the cause."""
    found = diagnose([a_pod(container=ended(1, "start " * 500 + "the cause"))])

    assert found is not None
    assert found.message.endswith("the cause")
    assert len(found.message) < LONGEST_DETAIL + 100


def test_a_pod_without_a_node_names_the_schedulers_reason() -> None:
    """The scheduler's sentence is passed on."""
    condition = {"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 nodes fit."}

    found = diagnose([a_pod(conditions=[condition])])

    assert found is not None
    assert (found.reason, "0/3 nodes fit;" in found.message) == ("PodUnschedulable", True)


def test_a_container_that_starts_first_is_asked_too() -> None:
    """A sidecar, ours or a mesh's, that cannot start keeps the server from starting."""
    pod = a_pod(container=waiting("PodInitializing"))
    sidecar = {"name": "mesh", "image": "registry.test/mesh:1", **waiting("ImagePullBackOff")}
    pod["status"]["initContainerStatuses"] = [sidecar]

    found = diagnose([pod])

    assert found is not None
    assert found.reason == "ImageNotAvailable"
    assert "registry.test/mesh:1" in found.message
