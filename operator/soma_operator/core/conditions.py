"""From what is to why it is not ready: a chain of small checks, each with its own reason and sentence.

The first check that finds something speaks for `Ready`; the order goes from causes to effects. Whether a
finding stalls the resource is decided in `status.py`, where the progress deadline is known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from soma_common.errors import InvalidInput
from soma_operator.api.v1alpha1 import APPROVE_ANNOTATION, RESTART_ANNOTATION
from soma_operator.core.backup.restore import restore_problem
from soma_operator.core.backup.schedule import backup_healthy
from soma_operator.core.kinds import (
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    POD_MONITOR,
    SCALED_OBJECT,
    SOMA_MEMORY_BACKUP,
    Manifest,
    kind_of,
    name_of,
)
from soma_operator.core.observed import Observed, find
from soma_operator.core.plan import Applied
from soma_operator.core.pods import Finding, diagnose, shortened
from soma_operator.core.published import Aspect, format_time
from soma_operator.core.quantity import parse_quantity, same_quantity
from soma_operator.core.resolve import ResolvedMemory, secret_names
from soma_operator.core.revision import Choice, Pending
from soma_operator.core.windows import opens_at

_DEFAULT_CLASS_ANNOTATION = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a check may look at."""

    memory: ResolvedMemory
    observed: Observed
    applied: Applied
    choice: Choice

    @property
    def deployment(self) -> Manifest | None:
        """The live Deployment."""
        return find(self.applied.children, DEPLOYMENT, self.memory.name)

    @property
    def claim(self) -> Manifest | None:
        """The live claim."""
        return find(self.applied.children, PERSISTENT_VOLUME_CLAIM, self.memory.names.claim)


def find_problem(situation: Situation) -> Finding | None:
    """Return why the resource is not as wished; None: it is."""
    return next((found for check in _CHECKS if (found := check(situation)) is not None), None)


def invalid_spec(error: InvalidInput) -> Finding:
    """Return the finding for a spec that cannot be understood."""
    bad = "; ".join(f"{one.field}: {one.description}" for one in error.violations)
    return Finding("InvalidSpec", f"correct the resource: {bad}", is_final=True)


def class_not_found(name: str) -> Finding:
    """Return the finding for a class that is not there; what runs goes on as it is."""
    text = f"the SomaMemoryClass {name} does not exist: create it, or correct spec.className"
    return Finding("ClassNotFound", text)


def aspects(situation: Situation) -> tuple[Aspect, ...]:
    """Return the domain conditions, apart from Ready, Reconciling and Stalled."""
    found = (check(situation) for check in _ASPECTS)
    return tuple(aspect for aspect in found if aspect is not None)


def _name_is_taken(situation: Situation) -> Finding | None:
    for obstacle in situation.applied.obstacles:
        what = f"{obstacle.manifest['kind']} {name_of(obstacle.manifest)}"
        if obstacle.is_leaving:
            return Finding("WaitingForCleanup", f"the earlier {what} is still being deleted")
        return Finding(
            "NameTaken",
            f"a {what} exists that belongs to something else: rename it, or rename this SomaMemory",
            is_final=True,
        )
    return None


def _write_was_refused(situation: Situation) -> Finding | None:
    for refusal in situation.applied.refusals:
        if kind_of(refusal.manifest) == SOMA_MEMORY_BACKUP:
            continue  # The memory serves without: `BackupHealthy` tells it.
        what = f"{refusal.manifest['kind']} {name_of(refusal.manifest)}"
        if kind_of(refusal.manifest) == PERSISTENT_VOLUME_CLAIM and situation.claim is not None:
            text = (
                f"the volume cannot be given storage.embedded.size: {refusal.message}; allow its storage class to "
                "expand volumes, or export the memories and import them into a new SomaMemory"
            )
            return Finding("ResizeRefused", text)
        if refusal.is_forbidden:
            return Finding("Forbidden", f"the {what} may not be written: {refusal.message}")
        return Finding(
            "Refused", f"the API server refuses the {what}: {refusal.message}", is_final=True
        )
    return None


def _secret_is_missing(situation: Situation) -> Finding | None:
    missing = sorted(situation.observed.missing_secrets)
    if not missing:
        return None
    names = " and ".join(missing)
    text = f"the Secret {names} does not exist in this namespace: create it, or correct spec.tls and spec.auth"
    return Finding("SecretNotFound", text)


def _volume_is_impossible(situation: Situation) -> Finding | None:
    claim = situation.claim
    if claim is None or _phase(claim) == "Bound" or not _needs_volume(situation):
        return None
    if _phase(claim) == "Lost":
        text = "its volume is gone: bring the PersistentVolume back, or delete the claim and restore the memories"
        return Finding(
            "VolumeLost", f"claim {name_of(claim)} has lost its data, {text}", is_final=True
        )
    classes = situation.observed.storage_classes
    return None if classes is None else _class_is_missing(claim, classes)


def _needs_volume(situation: Situation) -> bool:
    return situation.memory.replicas.wished > 0 or situation.memory.is_restoring


def _storage_is_not_restored(situation: Situation) -> Finding | None:
    return restore_problem(situation.memory, situation.observed)


def _class_is_missing(claim: Manifest, classes: tuple[Manifest, ...]) -> Finding | None:
    wished = claim["spec"].get("storageClassName")
    has_default = any(
        (one["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS_ANNOTATION) == "true"
        for one in classes
    )
    if wished is None and not has_default:
        return Finding(
            "StorageClassNotFound",
            "the cluster has no default storage class: make one the default, or create the SomaMemory anew with "
            "storage.embedded.storageClassName",
        )
    if wished and wished not in {name_of(one) for one in classes}:
        return Finding(
            "StorageClassNotFound",
            f"the storage class {wished} does not exist: create it, or create the SomaMemory anew with another "
            "storage.embedded.storageClassName",
        )
    return None


def _pods_are_refused(situation: Situation) -> Finding | None:
    conditions = (situation.deployment or {}).get("status", {}).get("conditions", [])
    for condition in conditions:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return Finding("PodsRefused", f"no pod may be made: {condition.get('message', '')}")
    return None


def _pods_have_a_problem(situation: Situation) -> Finding | None:
    return diagnose(situation.observed.pods)


def _roll_out_is_under_way(situation: Situation) -> Finding | None:
    deployment = situation.deployment
    if not situation.applied.is_complete or deployment is None:
        return Finding("Progressing", ROLLING, is_known=False)
    status = deployment.get("status", {})
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return Finding("Progressing", ROLLING, is_known=False)
    return _pods_are_missing(status, situation.memory)


def _pods_are_missing(status: Mapping[str, Any], memory: ResolvedMemory) -> Finding | None:
    wished, seconds = memory.replicas.wished, memory.spec.update_strategy.min_ready_seconds
    # A pod that serves for a moment proves nothing of its revision, where the wish says so.
    counted = "availableReplicas" if seconds else "readyReplicas"
    updated, ready, present = (
        status.get(name, 0) for name in ("updatedReplicas", counted, "replicas")
    )
    if present > updated:
        text = (
            "the pod of the previous configuration is still ending"
            if memory.is_exclusive
            else f"{updated} of {wished} pods have the newest configuration"
        )
        return Finding("Progressing", text)
    if updated < wished or ready < wished:
        since = f" for {seconds} seconds" if seconds else ""
        return Finding("Progressing", f"{ready} of {wished} pods are ready{since}")
    return None


def _volume_is_pending(situation: Situation) -> Finding | None:
    claim = situation.claim
    if claim is None or _phase(claim) == "Bound" or not _needs_volume(situation):
        return None
    return Finding("Progressing", f"claim {name_of(claim)} waits for its volume")


ROLLING = "the change is being rolled out"

_CHECKS: tuple[Callable[[Situation], Finding | None], ...] = (
    _name_is_taken,
    _write_was_refused,
    _secret_is_missing,
    _volume_is_impossible,
    _storage_is_not_restored,
    _pods_are_refused,
    _pods_have_a_problem,
    _roll_out_is_under_way,
    _volume_is_pending,
)


def _available(situation: Situation) -> Aspect:
    if situation.memory.is_hibernated:
        return Aspect("Available", "False", "Hibernated", "asleep as wished: the data is kept")
    if situation.memory.is_restoring:
        return Aspect(
            "Available", "False", "Restoring", "the storage is restored before a server starts"
        )
    if situation.memory.replicas.wished == 0:
        return Aspect("Available", "False", "ScaledToZero", "spec.replicas is 0: the data is kept")
    ready = (situation.deployment or {}).get("status", {}).get("readyReplicas", 0)
    if ready:
        return Aspect("Available", "True", "Serving", "at least one pod serves")
    return Aspect("Available", "False", "NotServing", "no pod serves")


def _storage_ready(situation: Situation) -> Aspect:
    claim = situation.claim
    if claim is not None and _phase(claim) == "Bound":
        wished, asked = situation.memory.spec.storage.embedded.size, situation.memory.claim_size
        if not same_quantity(wished, asked):
            text = (
                f"claim {name_of(claim)} has {asked}, more than the {wished} of storage.embedded.size: "
                "a volume cannot shrink"
            )
            return Aspect("StorageReady", "True", "LargerThanWished", text)
        return Aspect("StorageReady", "True", "Bound", f"claim {name_of(claim)} has its volume")
    problem = _volume_is_impossible(situation)
    if problem is not None:
        return Aspect("StorageReady", "False", problem.reason, problem.message)
    return Aspect("StorageReady", "False", "WaitingForVolume", "the claim has no volume yet")


def _growing(situation: Situation) -> Aspect | None:
    claim = situation.claim
    if claim is None or _phase(claim) != "Bound":
        return None
    wished = claim["spec"]["resources"]["requests"]["storage"]
    present = capacity_of(claim)
    # A volume may be larger than what was asked for.
    if present is None or (parse_quantity(present) or 0) >= (parse_quantity(wished) or 0):
        return None
    text = f"the volume grows from {present} to {wished}"
    problem = _resize_problem(claim)
    if problem is not None:
        way_out = "mend that, or ask for another size that is not smaller than the present one"
        return Aspect("ResizePending", "True", "ResizeFailed", f"{text}: {problem}; {way_out}")
    if "FileSystemResizePending" in _resize_conditions(claim):
        text += ": its file system does when a pod mounts it"
        return Aspect("ResizePending", "True", "FileSystemGrows", text)
    return Aspect("ResizePending", "True", "VolumeGrowing", text)


def _resize_problem(claim: Manifest) -> str | None:
    """Return why a volume does not grow, where its driver said so."""
    told = _resize_conditions(claim)
    for kind in ("ControllerResizeError", "NodeResizeError"):
        if kind in told:
            return shortened(told[kind].get("message", "")) or kind
    resources: Mapping[str, str] = claim.get("status", {}).get("allocatedResourceStatuses", {})
    state = resources.get("storage", "")
    return state if state.endswith("Infeasible") else None


def _resize_conditions(claim: Manifest) -> dict[str, Mapping[str, Any]]:
    conditions: list[Mapping[str, Any]] = claim.get("status", {}).get("conditions", [])
    return {one["type"]: one for one in conditions if one.get("status", "True") == "True"}


def capacity_of(claim: Manifest) -> str | None:
    """Return the size that the volume of a claim has."""
    capacity: str | None = claim.get("status", {}).get("capacity", {}).get("storage")
    return capacity


def _phase(claim: Manifest) -> str:
    phase: str = claim.get("status", {}).get("phase", "Pending")
    return phase


def _paused(situation: Situation) -> Aspect | None:
    if not situation.memory.is_paused:
        return None
    text = (
        "the operator changes nothing until spec.paused and the annotation that pauses are removed"
    )
    return Aspect("Paused", "True", "Paused", text)


def _hibernated(situation: Situation) -> Aspect | None:
    if not situation.memory.is_hibernated:
        return None
    text = "no server runs until spec.hibernated and the annotation that hibernates are removed"
    return Aspect("Hibernated", "True", "Hibernated", text)


def _update_pending(situation: Situation) -> Aspect | None:
    choice = situation.choice
    if choice.pending is None or choice.pending == "SecretNotFound":
        return None
    newest = choice.newest
    is_release = newest.wish == choice.running.wish
    cause = "the new operator release" if is_release else "the change"
    image = "" if newest.image == choice.running.image else f" with the image {newest.image}"
    text = (
        f"{cause} would make new pods{image}{_way_of(choice.pending, situation)}: "
        f"to let it, set the annotation {APPROVE_ANNOTATION} to {newest.name}"
    )
    return Aspect("UpdatePending", "True", choice.pending, text)


def _way_of(pending: Pending, situation: Situation) -> str:
    """Return what else than an approval ends the wait."""
    if pending == "PodDeletionNeeded":
        return ", and does when one of the present pods is deleted"
    if pending != "WindowClosed":
        return ""
    windows = situation.memory.spec.update_strategy.maintenance_windows
    at = opens_at(windows, situation.observed.now)
    if at is None:
        return ", and no day of the calendar fits updateStrategy.maintenanceWindows"
    return f", and does when the maintenance window opens at {format_time(at)}"


def _rolled_back(situation: Situation) -> Aspect | None:
    failed = situation.choice.failed
    if failed is None:
        return None
    told = situation.observed.condition("RolledBack")
    stalled = situation.observed.condition("Stalled")
    if told is not None and not situation.observed.is_new_generation:
        return Aspect("RolledBack", "True", "RolledBack", str(told["message"]))
    cause = stalled["message"] if stalled else "it did not succeed"
    text = (
        f"revision {failed.name} was taken back, the pods run {situation.choice.running.name}: {cause}; "
        f"correct the spec, or set the annotation {RESTART_ANNOTATION} to try it again"
    )
    return Aspect("RolledBack", "True", "RolledBack", text)


def _secrets_ready(situation: Situation) -> Aspect | None:
    problem = _secret_is_missing(situation)
    if problem is not None:
        return Aspect("SecretsReady", "False", problem.reason, problem.message)
    if not secret_names(situation.observed.resource):
        return None
    return Aspect("SecretsReady", "True", "Found", "every Secret that the pods mount is there")


def _monitored(situation: Situation) -> Aspect | None:
    if not situation.memory.spec.monitoring.pod_monitor.enabled:
        return None
    if POD_MONITOR in situation.observed.unserved:
        text = (
            "the cluster does not know the kind PodMonitor: install the Prometheus operator, or disable "
            "spec.monitoring.podMonitor"
        )
        return Aspect("Monitored", "False", "KindNotServed", text)
    return Aspect("Monitored", "True", "PodMonitorMade", "a PodMonitor names the pods")


def _autoscaled(situation: Situation) -> Aspect | None:
    if situation.memory.spec.autoscaling.type != "KEDA":
        return None
    if SCALED_OBJECT in situation.observed.unserved:
        text = (
            "the cluster does not know the kind ScaledObject: install KEDA, or choose another "
            "spec.autoscaling.type; meanwhile the number of servers stays as it is"
        )
        return Aspect("Autoscaled", "False", "KindNotServed", text)
    return Aspect("Autoscaled", "True", "ScaledObjectMade", "KEDA decides on the number of servers")


def _backup_healthy(situation: Situation) -> Aspect | None:
    for refusal in situation.applied.refusals:
        if kind_of(refusal.manifest) == SOMA_MEMORY_BACKUP:
            reason = "Forbidden" if refusal.is_forbidden else "Refused"
            text = f"the SomaMemoryBackup {name_of(refusal.manifest)} may not be made: {refusal.message}"
            return Aspect("BackupHealthy", "False", reason, text)
    return backup_healthy(situation.memory, situation.observed)


_ASPECTS: tuple[Callable[[Situation], Aspect | None], ...] = (
    _available,
    _storage_ready,
    _secrets_ready,
    _monitored,
    _autoscaled,
    _backup_healthy,
    _growing,
    _paused,
    _hibernated,
    _update_pending,
    _rolled_back,
)
