"""From what is to why it is not ready: a chain of small checks, each with its own reason and sentence.

The first check that finds something speaks for `Ready`; the order goes from causes to effects. Whether a
finding stalls the resource is decided in `status.py`, where the progress deadline is known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from soma_common.errors import InvalidInput
from soma_operator.core.kinds import (
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    Manifest,
    name_of,
)
from soma_operator.core.observed import Observed, find
from soma_operator.core.plan import Applied
from soma_operator.core.pods import Finding, diagnose
from soma_operator.core.quantity import same_quantity
from soma_operator.core.resolve import ResolvedMemory

_DEFAULT_CLASS_ANNOTATION = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a check may look at."""

    memory: ResolvedMemory
    observed: Observed
    applied: Applied

    @property
    def deployment(self) -> Manifest | None:
        """The live Deployment."""
        return find(self.applied.children, DEPLOYMENT, self.memory.name)

    @property
    def claim(self) -> Manifest | None:
        """The live claim."""
        return find(self.applied.children, PERSISTENT_VOLUME_CLAIM, self.memory.names.claim)


@dataclass(frozen=True, slots=True)
class Aspect:
    """A condition without its times."""

    type: str
    status: str
    reason: str
    message: str


def find_problem(situation: Situation) -> Finding | None:
    """Return why the resource is not as wished; None: it is."""
    return next((found for check in _CHECKS if (found := check(situation)) is not None), None)


def invalid_spec(error: InvalidInput) -> Finding:
    """Return the finding for a spec that cannot be understood."""
    bad = "; ".join(f"{one.field}: {one.description}" for one in error.violations)
    return Finding("InvalidSpec", f"correct the resource: {bad}", is_final=True)


def aspects(situation: Situation) -> tuple[Aspect, ...]:
    """Return the domain conditions, apart from Ready, Reconciling and Stalled."""
    found = [_available(situation), _storage_ready(situation)]
    growing = _growing(situation)
    if growing is not None:
        found.append(Aspect("ResizePending", "True", "VolumeGrowing", growing))
    if situation.memory.is_paused:
        text = "the operator changes nothing until spec.paused and the annotation that pauses are removed"
        found.append(Aspect("Paused", "True", "Paused", text))
    return tuple(found)


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
        what = f"{refusal.manifest['kind']} {name_of(refusal.manifest)}"
        if refusal.is_forbidden:
            return Finding("Forbidden", f"the {what} may not be written: {refusal.message}")
        return Finding(
            "Refused", f"the API server refuses the {what}: {refusal.message}", is_final=True
        )
    return None


def _volume_is_impossible(situation: Situation) -> Finding | None:
    claim = situation.claim
    if claim is None or _phase(claim) == "Bound" or situation.memory.spec.replicas == 0:
        return None
    if _phase(claim) == "Lost":
        text = "its volume is gone: bring the PersistentVolume back, or delete the claim and restore the memories"
        return Finding(
            "VolumeLost", f"claim {name_of(claim)} has lost its data, {text}", is_final=True
        )
    classes = situation.observed.storage_classes
    return None if classes is None else _class_is_missing(claim, classes)


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
    wished = situation.memory.spec.replicas
    updated, ready, present = (
        status.get(name, 0) for name in ("updatedReplicas", "readyReplicas", "replicas")
    )
    if present > updated:
        return Finding("Progressing", "the pod of the previous configuration is still ending")
    if updated < wished or ready < wished:
        return Finding("Progressing", f"{ready} of {wished} pods are ready")
    return None


def _volume_is_pending(situation: Situation) -> Finding | None:
    claim = situation.claim
    if claim is None or _phase(claim) == "Bound" or situation.memory.spec.replicas == 0:
        return None
    return Finding("Progressing", f"claim {name_of(claim)} waits for its volume")


ROLLING = "the change is being rolled out"

_CHECKS: tuple[Callable[[Situation], Finding | None], ...] = (
    _name_is_taken,
    _write_was_refused,
    _volume_is_impossible,
    _pods_are_refused,
    _pods_have_a_problem,
    _roll_out_is_under_way,
    _volume_is_pending,
)


def _available(situation: Situation) -> Aspect:
    if situation.memory.spec.replicas == 0:
        return Aspect("Available", "False", "ScaledToZero", "spec.replicas is 0: the data is kept")
    ready = (situation.deployment or {}).get("status", {}).get("readyReplicas", 0)
    if ready:
        return Aspect("Available", "True", "Serving", "at least one pod serves")
    return Aspect("Available", "False", "NotServing", "no pod serves")


def _storage_ready(situation: Situation) -> Aspect:
    claim = situation.claim
    if claim is not None and _phase(claim) == "Bound":
        return Aspect("StorageReady", "True", "Bound", f"claim {name_of(claim)} has its volume")
    problem = _volume_is_impossible(situation)
    if problem is not None:
        return Aspect("StorageReady", "False", problem.reason, problem.message)
    return Aspect("StorageReady", "False", "WaitingForVolume", "the claim has no volume yet")


def _growing(situation: Situation) -> str | None:
    claim = situation.claim
    if claim is None or _phase(claim) != "Bound":
        return None
    wished = claim["spec"]["resources"]["requests"]["storage"]
    present = capacity_of(claim)
    conditions: list[Mapping[str, Any]] = claim.get("status", {}).get("conditions", [])
    is_growing = any(one["type"] in _RESIZE_CONDITIONS for one in conditions)
    if present is None or not is_growing or same_quantity(wished, present):
        return None
    return f"the volume grows from {present} to {wished}"


_RESIZE_CONDITIONS = frozenset({"Resizing", "FileSystemResizePending"})


def capacity_of(claim: Manifest) -> str | None:
    """Return the size that the volume of a claim has."""
    capacity: str | None = claim.get("status", {}).get("capacity", {}).get("storage")
    return capacity


def _phase(claim: Manifest) -> str:
    phase: str = claim.get("status", {}).get("phase", "Pending")
    return phase
