"""From what is to why it is not ready: a chain of small checks, each with its own reason and sentence.

The first check that finds something speaks for `Ready`; the order goes from causes to effects. Whether a
finding stalls the resource is decided in `status.py`, where the progress deadline is known.
"""

from collections.abc import Callable, Mapping
from typing import Any

from soma_common.errors import InvalidInput
from soma_operator.core.backup.restore import restore_problem
from soma_operator.core.kinds import (
    PERSISTENT_VOLUME_CLAIM,
    SOMA_MEMORY_BACKUP,
    Manifest,
    kind_of,
    name_of,
)
from soma_operator.core.pods import Finding, diagnose
from soma_operator.core.resolve import ResolvedMemory
from soma_operator.core.situation import Situation, phase_of_claim

_DEFAULT_CLASS_ANNOTATION = "storageclass.kubernetes.io/is-default-class"


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


def secret_is_missing(situation: Situation) -> Finding | None:
    """Return which Secrets are not there."""
    missing = sorted(situation.observed.missing_secrets)
    if not missing:
        return None
    names = " and ".join(missing)
    tls = situation.memory.spec.tls
    if tls.cert_manager is not None and missing == [tls.secret_name]:
        text = (
            f"cert-manager has not made the Secret {names} yet: see the condition CertificateReady"
        )
        return Finding("SecretNotFound", text)
    text = f"the Secret {names} does not exist in this namespace: create it, or correct what names it in the spec"
    return Finding("SecretNotFound", text)


def volume_is_impossible(situation: Situation) -> Finding | None:
    """Return why the claim will get no volume."""
    claim = situation.claim
    if claim is None or phase_of_claim(claim) == "Bound" or not _needs_volume(situation):
        return None
    if phase_of_claim(claim) == "Lost":
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
    if claim is None or phase_of_claim(claim) == "Bound" or not _needs_volume(situation):
        return None
    return Finding("Progressing", f"claim {name_of(claim)} waits for its volume")


ROLLING = "the change is being rolled out"

_CHECKS: tuple[Callable[[Situation], Finding | None], ...] = (
    _name_is_taken,
    _write_was_refused,
    secret_is_missing,
    volume_is_impossible,
    _storage_is_not_restored,
    _pods_are_refused,
    _pods_have_a_problem,
    _roll_out_is_under_way,
    _volume_is_pending,
)
