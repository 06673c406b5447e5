"""What keeps pods from becoming ready, in words that name the mend."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from soma_operator.core.kinds import Manifest, is_deleting, name_of

_PULL_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError"}
)
_CONFIG_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)

LONGEST_DETAIL = 600
"""Characters of a foreign message that go into a condition: enough for its cause."""


RESTORING = "Restoring"
"""Reason of what takes as long as it takes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a resource is not ready.

    Attributes:
        reason: Stable word.
        message: What is, and what mends it.
        is_final: Whether waiting cannot help, so that the resource is stalled at once.
        is_patient: Whether it takes as long as it takes, whatever the progress deadline says.
        is_known: Whether it is certain that the resource does not serve as wished; else Ready is Unknown.
    """

    reason: str
    message: str
    is_final: bool = False
    is_patient: bool = False
    is_known: bool = True


def diagnose(pods: Iterable[Manifest]) -> Finding | None:
    """Return the first problem among the pods; pods that are leaving are not asked."""
    for pod in sorted(pods, key=name_of):
        if not is_deleting(pod):
            found = _unscheduled(pod) or _container_problem(pod)
            if found:
                return found
    return None


def _unscheduled(pod: Manifest) -> Finding | None:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            detail = shortened(condition.get("message", ""))
            return Finding(
                "PodUnschedulable",
                f"no node can take the pod: {detail}; add room or change spec.resources",
            )
    return None


def _container_problem(pod: Manifest) -> Finding | None:
    told = pod.get("status", {})
    # What starts first, a mesh's sidecar or the server beside a copy's command, keeps the others from starting.
    for which in ("initContainerStatuses", "containerStatuses"):
        for status in sorted(told.get(which, []), key=lambda one: str(one["name"])):
            found = _not_started(status) or _crashing(status)
            if found:
                return found
    return None


def _not_started(status: Mapping[str, Any]) -> Finding | None:
    waiting = status.get("state", {}).get("waiting", {})
    reason, detail = waiting.get("reason", ""), waiting.get("message", "")
    if reason == "InvalidImageName":
        return Finding(
            "ImageNotAvailable",
            f"{status['image']!r} is not the name of an image: correct spec.image",
            is_final=True,
        )
    if reason in _PULL_REASONS:
        return Finding("ImageNotAvailable", _pull_message(str(status["image"]), str(detail)))
    if reason in _CONFIG_REASONS:
        return Finding("ContainerNotStarted", f"the container cannot start: {shortened(detail)}")
    return None


def _pull_message(image: str, detail: str) -> str:
    # The kubelet's text alternates between the error and its back-off: only the error is told, so that the
    # condition stays the same.
    cause = detail.rpartition("ErrImagePull: ")[2]
    known = "" if not cause or cause.startswith("Back-off") else f" ({shortened(cause)})"
    return (
        f"the node cannot pull the image {image}{known}: correct spec.image, name its credentials in "
        "spec.image.pullSecrets, or load the image onto the nodes"
    )


def _crashing(status: Mapping[str, Any]) -> Finding | None:
    state = status.get("state", {})
    is_waiting = state.get("waiting", {}).get("reason") == "CrashLoopBackOff"
    ended = state.get("terminated") or status.get("lastState", {}).get("terminated")
    if (
        status.get("ready")
        or ended is None
        or not (is_waiting or status.get("restartCount", 0) >= 2)
    ):
        return None
    if ended.get("reason") == "OOMKilled":
        return Finding(
            "OutOfMemory",
            "the server needs more memory than it may have: raise spec.resources.limits.memory",
        )
    said = shortened(ended.get("message", "")) or "it left no message; see the log of the pod"
    return Finding(
        "CrashLooping", f"the server stops with exit code {ended.get('exitCode')}: {said}"
    )


def shortened(text: str) -> str:
    """Return the end of a foreign message, on one line, as much of it as a condition has room for."""
    # The end of a log holds the cause, its beginning the start-up.
    flat = " ".join(text.split()).rstrip(".")
    return flat if len(flat) <= LONGEST_DETAIL else "… " + flat[-LONGEST_DETAIL:]
