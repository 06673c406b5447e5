"""What Jobs and their pods tell."""

from collections.abc import Iterable, Mapping
from typing import Any

from soma_operator.core.kinds import Manifest, name_of

JOB_NAME_LABEL = "batch.kubernetes.io/job-name"


def has_completed(job: Manifest) -> bool:
    """Return whether a Job did its work."""
    return _condition(job, "Complete") is not None


def has_failed(job: Manifest) -> bool:
    """Return whether a Job gave up."""
    return _condition(job, "Failed") is not None


def why_failed(job: Manifest, pods: Iterable[Manifest]) -> str:
    """Return why a Job gave up: the last words of its newest pod, else the Job's own."""
    ends = [end for pod in pods_of(job, pods) if (end := ended(pod)) is not None]
    said = [str(end["message"]) for end in ends if end.get("exitCode") and end.get("message")]
    told = _condition(job, "Failed") or {}
    return said[-1] if said else str(told.get("message") or "the Job says no more; see its pods")


def exit_codes(job: Manifest, pods: Iterable[Manifest]) -> frozenset[int]:
    """Return how the attempts of a Job ended."""
    ends = (ended(pod) for pod in pods_of(job, pods))
    return frozenset(int(end["exitCode"]) for end in ends if end is not None)


def pods_of(job: Manifest, pods: Iterable[Manifest]) -> list[Manifest]:
    """Return the pods of a Job, the oldest first."""
    own = [one for one in pods if one["metadata"]["labels"].get(JOB_NAME_LABEL) == name_of(job)]
    return sorted(own, key=lambda one: str(one["metadata"].get("creationTimestamp", "")))


def ended(pod: Manifest) -> Mapping[str, Any] | None:
    """Return how the command of a pod ended; None: it did not."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    ends = (one.get("state", {}).get("terminated") for one in statuses)
    return next((end for end in ends if end is not None), None)


def _condition(job: Manifest, kind: str) -> Mapping[str, Any] | None:
    conditions: list[Mapping[str, Any]] = job.get("status", {}).get("conditions", [])
    return next(
        (one for one in conditions if one["type"] == kind and one["status"] == "True"), None
    )
