"""The copies of a schedule: the one that is due, and how well they went."""

from datetime import datetime

from soma_operator.api.v1alpha1 import BackupTarget
from soma_operator.core.backup.picture import (
    ENDED,
    EXPIRING,
    FAILED,
    SUCCEEDED,
    of_origin,
    phase_of,
)
from soma_operator.core.cron import parse_cron
from soma_operator.core.kinds import SOMA_MEMORY_BACKUP, Manifest, name_of
from soma_operator.core.observed import Observed
from soma_operator.core.published import Aspect, Status, condition, format_time, parse_time
from soma_operator.core.render.metadata import MEMORY_LABEL, MEMORY_UID_LABEL, ORIGIN_LABEL
from soma_operator.core.resolve import ResolvedMemory

SCHEDULED_AT_ANNOTATION = "memory.soma.sh/scheduled-at"
"""On a copy of a schedule: the time of the schedule that it is of."""


def copy_of(
    memory: ResolvedMemory, name: str, origin: str, target: BackupTarget, deadline_s: int
) -> Manifest:
    """Return a copy that the operator wishes for itself.

    It has no owner and no label that GitOps tools know: it outlives the memory.
    """
    labels = {MEMORY_LABEL: memory.name, MEMORY_UID_LABEL: memory.uid, ORIGIN_LABEL: origin}
    return {
        "apiVersion": SOMA_MEMORY_BACKUP.api_version,
        "kind": SOMA_MEMORY_BACKUP.name,
        "metadata": {"name": name, "namespace": memory.namespace, "labels": labels},
        "spec": {
            "memoryRef": {"name": memory.name},
            "target": target.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            "deadlineSeconds": deadline_s,
        },
    }


def due_copy(memory: ResolvedMemory, observed: Observed) -> Manifest | None:
    """Return the copy that the schedule asks for now; a time that was missed is made up for once."""
    policy, copies = memory.spec.backup, scheduled(memory, observed)
    if not is_active(memory) or any(phase_of(one) not in ENDED for one in copies):
        return None
    assert policy.schedule is not None
    assert policy.target is not None
    at = parse_cron(policy.schedule).before(observed.now)
    begun = [parse_time(observed.metadata.get("creationTimestamp", format_time(observed.now)))]
    # What a clock that was ahead made says nothing about the times until then.
    begun += [time for one in copies if (time := _scheduled_at(one)) <= observed.now]
    if at is None or at <= max(begun):
        return None
    name = f"{memory.name}-{at:%y%m%d%H%M}"
    copy = copy_of(memory, name, "schedule", policy.target, policy.deadline_seconds)
    copy["metadata"]["annotations"] = {SCHEDULED_AT_ANNOTATION: format_time(at)}
    return copy


def next_copy_at(memory: ResolvedMemory, now: datetime) -> datetime | None:
    """Return when the schedule asks for a copy next; None: as things are, never."""
    policy = memory.spec.backup
    if policy.schedule is None or not is_active(memory):
        return None
    return parse_cron(policy.schedule).after(now)


def is_active(memory: ResolvedMemory) -> bool:
    """Return whether the schedule makes copies; what sleeps does not change, and is copied when it is awake."""
    policy = memory.spec.backup
    is_wished = policy.schedule is not None and policy.target is not None and not policy.suspended
    return is_wished and not memory.is_paused and memory.replicas.wished > 0


def scheduled(memory: ResolvedMemory, observed: Observed) -> list[Manifest]:
    """Return the copies of the schedule of this very memory, the oldest first."""
    return of_origin(observed.copies, "schedule", memory.uid)


def backup_healthy(memory: ResolvedMemory, observed: Observed) -> Aspect | None:
    """Return how well the schedule does; None: there is none."""
    policy, copies = memory.spec.backup, scheduled(memory, observed)
    if policy.schedule is None:
        return None
    found = _trouble(copies)
    if found is not None:
        return found
    if policy.suspended:
        text = "the schedule makes no copies until backup.suspended is removed"
        return Aspect("BackupHealthy", "Unknown", "BackupSuspended", text)
    last = _newest(copies, SUCCEEDED)
    if last is not None:
        text = f"{name_of(last)} was verified at {last['status']['completedAt']}"
        return Aspect("BackupHealthy", "True", "Verified", text)
    at = parse_cron(policy.schedule).after(observed.now)
    if at is None:
        text = "no day of the calendar fits backup.schedule: correct it"
        return Aspect("BackupHealthy", "False", "ScheduleNeverFires", text)
    text = (
        "no copy was verified yet: the first one is made when its time comes and the memory serves"
    )
    return Aspect("BackupHealthy", "Unknown", "NoBackupYet", text)


def backup_fields(memory: ResolvedMemory, observed: Observed) -> Status:
    """Return what the status tells of the copies; empty without a schedule."""
    if memory.spec.backup.schedule is None:
        return {}
    copies = scheduled(memory, observed)
    verified, failed = _newest(copies, SUCCEEDED), _newest(copies, FAILED)
    told: Status = {}
    if verified is not None:
        told["lastSuccessful"] = name_of(verified)
        told["lastSuccessfulAt"] = verified["status"]["completedAt"]
    if failed is not None and (verified is None or copies.index(failed) > copies.index(verified)):
        told["lastFailed"] = name_of(failed)
    at = next_copy_at(memory, observed.now)
    if at is not None:
        told["nextAt"] = format_time(at)
    return {"backup": told} if told else {}


def _trouble(copies: list[Manifest]) -> Aspect | None:
    """Return what went wrong last."""
    for one in copies:
        ready = condition(one.get("status") or {}, "Ready")
        if phase_of(one) == EXPIRING and ready and ready["reason"] == "RemovalFailed":
            text = f"{name_of(one)}: {ready['message']}"
            return Aspect("BackupHealthy", "False", "RemovalFailed", text)
    ended = [one for one in copies if phase_of(one) in (SUCCEEDED, FAILED)]
    if not ended or phase_of(ended[-1]) != FAILED:
        return None
    ready = condition(ended[-1]["status"], "Ready")
    cause = ready["message"] if ready else "it does not say why"
    text = f"{name_of(ended[-1])} failed: {cause}"
    return Aspect("BackupHealthy", "False", "BackupFailed", text)


def _scheduled_at(copy: Manifest) -> datetime:
    annotations = copy["metadata"].get("annotations") or {}
    made = parse_time(copy["metadata"]["creationTimestamp"])
    try:
        told = parse_time(str(annotations.get(SCHEDULED_AT_ANNOTATION)))
    except ValueError:
        return made  # Somebody may have taken the annotation away, or written something else there.
    return told if told.tzinfo is not None else made


def _newest(copies: list[Manifest], phase: str) -> Manifest | None:
    return next((one for one in reversed(copies) if phase_of(one) == phase), None)
