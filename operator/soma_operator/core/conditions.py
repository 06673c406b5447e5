"""The conditions of a SomaMemory beside Ready, Reconciling and Stalled: one check for each aspect of its life."""

from collections.abc import Callable, Mapping
from typing import Any

from soma_operator.api.v1alpha1 import (
    APPROVE_ANNOTATION,
    REJECT_ANNOTATION,
    RESTART_ANNOTATION,
)
from soma_operator.core.backup.schedule import backup_healthy
from soma_operator.core.kinds import (
    CERTIFICATE,
    POD_MONITOR,
    SCALED_OBJECT,
    SOMA_MEMORY_BACKUP,
    Kind,
    Manifest,
    controller_of,
    is_deleting,
    kind_of,
    name_of,
)
from soma_operator.core.observed import find
from soma_operator.core.pods import shortened
from soma_operator.core.problems import secret_is_missing, volume_is_impossible
from soma_operator.core.published import Aspect, format_time
from soma_operator.core.quantity import parse_quantity, same_quantity
from soma_operator.core.resolve import secrets_of
from soma_operator.core.revision import Choice, Pending
from soma_operator.core.situation import Situation, capacity_of, phase_of_claim
from soma_operator.core.windows import opens_at


def aspects(situation: Situation) -> tuple[Aspect, ...]:
    """Return the conditions that hold something to tell."""
    found = (check(situation) for check in _ASPECTS)
    return tuple(aspect for aspect in found if aspect is not None)


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
    if claim is not None and phase_of_claim(claim) == "Bound":
        wished, asked = situation.memory.spec.storage.embedded.size, situation.memory.claim_size
        if not same_quantity(wished, asked):
            text = (
                f"claim {name_of(claim)} has {asked}, more than the {wished} of storage.embedded.size: "
                "a volume cannot shrink"
            )
            return Aspect("StorageReady", "True", "LargerThanWished", text)
        return Aspect("StorageReady", "True", "Bound", f"claim {name_of(claim)} has its volume")
    problem = volume_is_impossible(situation)
    if problem is not None:
        return Aspect("StorageReady", "False", problem.reason, problem.message)
    return Aspect("StorageReady", "False", "WaitingForVolume", "the claim has no volume yet")


def _growing(situation: Situation) -> Aspect | None:
    claim = situation.claim
    if claim is None or phase_of_claim(claim) != "Bound":
        return None
    wished = claim["spec"]["resources"]["requests"]["storage"]
    present = capacity_of(claim)
    # A volume may be larger than what was asked for.
    if present is None or (parse_quantity(present) or 0) >= (parse_quantity(wished) or 0):
        return None
    text = f"the volume grows from {present} to {wished}"
    problem = _resize_problem(claim)
    if problem is not None:
        # A smaller size is refused, and a claim never asks for less than it did.
        way_out = "mend that, or export the memories and import them into a new SomaMemory"
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
    choice = situation.choice
    failed = choice.failed
    if choice.is_rejected:
        return _rejected(choice)
    if failed is None:
        return None
    told = situation.observed.condition("RolledBack")
    stalled = situation.observed.condition("Stalled")
    if told is not None and not situation.observed.is_new_generation:
        return Aspect("RolledBack", "True", "RolledBack", str(told["message"]))
    cause = stalled["message"] if stalled else "it did not succeed"
    text = (
        f"revision {failed.name} was taken back, the pods run {choice.running.name}: {cause}; "
        f"correct the spec, or set the annotation {RESTART_ANNOTATION} to try it again"
    )
    return Aspect("RolledBack", "True", "RolledBack", text)


def _rejected(choice: Choice) -> Aspect:
    if choice.failed is None:
        text = (
            f"revision {choice.newest.name} runs although the annotation {REJECT_ANNOTATION} names it: "
            "nothing is known that served before it"
        )
        return Aspect("RolledBack", "False", "NothingToGoBackTo", text)
    text = (
        f"revision {choice.failed.name} was rejected by the annotation {REJECT_ANNOTATION}, the pods run "
        f"{choice.running.name}: correct the spec, or remove the annotation to run what it says"
    )
    return Aspect("RolledBack", "True", "Rejected", text)


def _secrets_ready(situation: Situation) -> Aspect | None:
    problem = secret_is_missing(situation)
    if problem is not None:
        return Aspect("SecretsReady", "False", problem.reason, problem.message)
    if not secrets_of(situation.memory.spec):
        return None
    return Aspect("SecretsReady", "True", "Found", "every Secret that the pods need is there")


def _certificate_ready(situation: Situation) -> Aspect | None:
    if situation.memory.spec.tls.cert_manager is None:
        return _left_over("CertificateReady", CERTIFICATE, situation)
    mend = "install cert-manager, or keep the Secret yourself with spec.tls.mode Secret"
    return _if_served(CERTIFICATE, _issued(situation), mend, situation)


def _issued(situation: Situation) -> Aspect:
    """Return what cert-manager says of the certificate."""
    live = find(situation.applied.children, CERTIFICATE, situation.memory.name) or {}
    told: list[Mapping[str, Any]] = live.get("status", {}).get("conditions", [])
    ready = next((one for one in told if one["type"] == "Ready"), None)
    if ready is not None and ready["status"] == "True":
        secret = situation.memory.spec.tls.secret_name
        text = f"cert-manager keeps the certificate in the Secret {secret}"
        return Aspect("CertificateReady", "True", "Issued", text)
    said = shortened(ready.get("message", "")) if ready is not None else ""
    text = f"cert-manager has not issued the certificate: {said or 'it says nothing yet'}"
    return Aspect("CertificateReady", "False", "NotIssued", text)


def _monitored(situation: Situation) -> Aspect | None:
    if not situation.memory.spec.monitoring.pod_monitor.enabled:
        return _left_over("Monitored", POD_MONITOR, situation)
    made = Aspect("Monitored", "True", "PodMonitorMade", "a PodMonitor names the pods")
    mend = "install the Prometheus operator, or disable spec.monitoring.podMonitor"
    return _if_served(POD_MONITOR, made, mend, situation)


def _autoscaled(situation: Situation) -> Aspect | None:
    if situation.memory.spec.autoscaling.type != "KEDA":
        return _left_over("Autoscaled", SCALED_OBJECT, situation)
    text = "KEDA decides on the number of servers"
    made = Aspect("Autoscaled", "True", "ScaledObjectMade", text)
    mend = (
        "install KEDA, or choose another spec.autoscaling.type; meanwhile the number of servers stays "
        "as it is"
    )
    return _if_served(SCALED_OBJECT, made, mend, situation)


def _if_served(kind: Kind, made: Aspect, mend: str, situation: Situation) -> Aspect:
    """Return what to tell of a wished child of a kind that the cluster may not know."""
    if kind not in situation.observed.unserved:
        return made
    text = f"the cluster does not know the kind {kind.name}: {mend}"
    return Aspect(made.type, "False", "KindNotServed", text)


def _left_over(told_by: str, kind: Kind, situation: Situation) -> Aspect | None:
    """Return what to tell of a child that nobody wishes for any more, as long as a pause keeps it.

    Nothing else tells a later look that it is there to be removed.
    """
    live = find(situation.applied.children, kind, situation.memory.name)
    if live is None or is_deleting(live):
        return None
    if (controller_of(live) or {}).get("uid") != situation.memory.uid:
        return None
    text = f"the {kind.name} is no longer wished for, and goes when the pause ends"
    return Aspect(told_by, "Unknown", "Paused", text)


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
    _certificate_ready,
    _monitored,
    _autoscaled,
    _backup_healthy,
    _growing,
    _paused,
    _hibernated,
    _update_pending,
    _rolled_back,
)
