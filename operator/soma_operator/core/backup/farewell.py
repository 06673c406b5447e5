"""The deletion of a memory with the policy Snapshot: a last copy, then the volume goes, then the resource.

Rule 1: no server runs from the mark of deletion on, so that the last copy holds every acknowledged write.
Rule 2: the volume goes only after the last copy was verified, or when somebody says so by an annotation.
Rule 3: a deletion ends. What cannot be copied in time stays on its volume, as with the policy Retain.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from soma_operator.api.v1alpha1 import FORCE_DELETE_ANNOTATION
from soma_operator.core.backup.picture import FAILED, SUCCEEDED, of_origin, phase_of
from soma_operator.core.backup.schedule import copy_of
from soma_operator.core.difference import covers
from soma_operator.core.kinds import (
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    SCALED_OBJECT,
    SOMA_MEMORY,
    Kind,
    Manifest,
    controller_of,
    is_deleting,
    never_got_volume,
)
from soma_operator.core.observed import Observed
from soma_operator.core.plan import Apply, Delete, Refusal
from soma_operator.core.pods import Finding
from soma_operator.core.published import condition, format_time, parse_time
from soma_operator.core.render.deployment import deployment
from soma_operator.core.render.metadata import with_applied_hash
from soma_operator.core.render.pods import newest_revision
from soma_operator.core.resolve import Names, Replicas, ResolvedMemory
from soma_operator.core.revision import choose

FINALIZER = "memory.soma.sh/last-copy"
"""On a SomaMemory with the policy Snapshot: its deletion waits for us."""

Guard = Literal["set", "released"]


@dataclass(frozen=True, slots=True)
class Farewell:
    """What is to be done for a resource whose deletion waits for us.

    Attributes:
        actions: Writes.
        finding: What it waits for, or why it no longer does.
        is_over: Whether it may go after the writes.
        requeue_after_s: When time alone changes this, seconds; None: never.
    """

    actions: tuple[Apply | Delete, ...]
    finding: Finding
    is_over: bool
    requeue_after_s: float | None = None


def is_guarded(resource: Manifest) -> bool:
    """Return whether a deletion of the resource waits for us."""
    return FINALIZER in (resource["metadata"].get("finalizers") or [])


def wished_guard(memory: ResolvedMemory, observed: Observed) -> Guard | None:
    """Return what is to be done about the finalizer; None: nothing."""
    wished = memory.spec.deletion_policy == "Snapshot"
    if wished == is_guarded(observed.resource):
        return None
    return "set" if wished else "released"


def guard_manifest(observed: Observed) -> Manifest:
    """Return what is applied to set the finalizer, on this very object or on none."""
    metadata = {
        name: observed.metadata[name] for name in ("name", "namespace", "uid", "resourceVersion")
    }
    return {
        "apiVersion": SOMA_MEMORY.api_version,
        "kind": SOMA_MEMORY.name,
        "metadata": {**metadata, "finalizers": [FINALIZER]},
    }


def farewell(memory: ResolvedMemory, observed: Observed) -> Farewell:
    """Return what is to be done for a resource that is being deleted."""
    claim = _claim(memory, observed)
    annotations: Mapping[str, str] = observed.metadata.get("annotations") or {}
    if memory.spec.deletion_policy == "Retain" or memory.is_restoring:
        return _over("Deleting", "the volume stays")
    if (
        memory.spec.deletion_policy == "Delete"
        or annotations.get(FORCE_DELETE_ANNOTATION) == "true"
    ):
        return _over("Deleting", "the volume goes without a last copy", claim)
    if claim is None or never_got_volume(claim):
        return _over("Deleting", "there is no volume that a copy could be made of", claim)
    copies = of_origin(observed.copies, "deletion", memory.uid)
    if copies and phase_of(copies[-1]) == SUCCEEDED:
        return _over("Deleting", "the last copy is verified", claim)
    return _waiting(memory, observed, copies[-1] if copies else None)


def after_refusals(leave: Farewell, refusals: tuple[Refusal, ...]) -> Farewell:
    """Return what follows from what the API server refused: in a namespace that ends nothing can be kept."""
    if any(one.is_forbidden and "is being terminated" in one.message for one in refusals):
        return _over("Deleting", "the namespace is being deleted, with all that is in it")
    if refusals and not leave.is_over:
        text = f"the last copy may not be made: {refusals[0].message}; {_way_out(leave)}"
        return replace(leave, finding=Finding("SnapshotFailed", text))
    return leave


def _waiting(memory: ResolvedMemory, observed: Observed, copy: Manifest | None) -> Farewell:
    timeout_s = memory.spec.deletion_timeout_seconds
    deadline = parse_time(observed.metadata["deletionTimestamp"]) + timedelta(seconds=timeout_s)
    left_s = (deadline - observed.now).total_seconds()
    if left_s <= 0:
        text = f"no last copy was verified within {timeout_s} seconds: the claim {memory.names.claim} stays"
        return replace(_over("SnapshotGivenUp", text), finding=Finding("SnapshotGivenUp", text))
    actions = [*_stop(memory, observed), *([] if copy else [Apply(_last_copy(memory), "Missing")])]
    until = (
        f"until {format_time(deadline)}, then the claim {memory.names.claim} stays; the annotation "
        f'{FORCE_DELETE_ANNOTATION}: "true" deletes it without a copy at once'
    )
    if copy is not None and phase_of(copy) == FAILED:
        ready = condition(copy["status"], "Ready")
        cause = ready["message"] if ready else "it does not say why"
        text = (
            f"the last copy {copy['metadata']['name']} failed: {cause}; mend that and delete this SomaMemoryBackup for "
            f"another try {until}"
        )
        return Farewell(tuple(actions), Finding("SnapshotFailed", text), False, left_s)
    text = f"the last copy is being made, {until}"
    return Farewell(tuple(actions), Finding("SnapshotUnderWay", text), False, left_s)


def _way_out(leave: Farewell) -> str:
    return leave.finding.message.partition(", ")[2] or leave.finding.message


def _over(reason: str, text: str, claim: Manifest | None = None) -> Farewell:
    is_there = claim is not None and not is_deleting(claim)
    return Farewell(
        (Delete(claim),) if claim is not None and is_there else (), Finding(reason, text), True
    )


def _last_copy(memory: ResolvedMemory) -> Manifest:
    policy = memory.spec.backup
    assert policy.target is not None, "the CRD has a rule for it"
    deadline_s = min(policy.deadline_seconds, memory.spec.deletion_timeout_seconds)
    name = f"{memory.name}-last-{memory.uid[:5]}"
    return copy_of(memory, name, "deletion", policy.target, deadline_s)


def _stop(memory: ResolvedMemory, observed: Observed) -> list[Apply | Delete]:
    """Return the writes that end the servers, where the garbage collector has not done it."""
    scaler = _own(SCALED_OBJECT, memory, observed)
    # It would start servers again, on the volume that is being copied.
    unscaled = [] if scaler is None else [Delete(scaler)]
    live = _own(DEPLOYMENT, memory, observed)
    if live is None:
        return [*unscaled]
    asleep = replace(_unpatched(memory), replicas=Replicas(0))
    choice = choose(newest_revision(asleep), asleep, observed)
    wished = with_applied_hash(deployment(asleep, choice.running))
    return [*unscaled, *([] if covers(live, wished) else [Apply(wished, "Different")])]


def _unpatched(memory: ResolvedMemory) -> ResolvedMemory:
    """Return a memory without its patches: no pod is made any more, and one that cannot be made must not hold us up."""
    template = memory.spec.pod_template.model_copy(update={"patches": []})
    return replace(memory, spec=memory.spec.model_copy(update={"pod_template": template}))


def doomed_claim(observed: Observed) -> Manifest | None:
    """Return the claim that would go with the resource although its spec does not say so.

    Asked of the spec as it is stored, which nothing else has to be right for: a pause, a class that is missing or a
    size that is refused must cost nobody their data.
    """
    policy = (observed.resource.get("spec") or {}).get("deletionPolicy", "Retain")
    claim = observed.child(PERSISTENT_VOLUME_CLAIM, Names(observed.key.name).claim)
    if policy == "Delete" or claim is None or is_deleting(claim):
        return None
    owners = claim["metadata"].get("ownerReferences", [])
    return claim if any(one["uid"] == observed.metadata["uid"] for one in owners) else None


def _claim(memory: ResolvedMemory, observed: Observed) -> Manifest | None:
    """Return the claim, which has no owner while its data is to stay; one of somebody else is none of ours."""
    claim = observed.child(PERSISTENT_VOLUME_CLAIM, memory.names.claim)
    owner = None if claim is None else controller_of(claim)
    return claim if owner is None or owner["uid"] == memory.uid else None


def _own(kind: Kind, memory: ResolvedMemory, observed: Observed) -> Manifest | None:
    """Return a child that the garbage collector has not begun to take; what has another owner is none."""
    live = observed.child(kind, memory.name)
    is_ours = live is not None and (controller_of(live) or {}).get("uid") == memory.uid
    return live if live is not None and is_ours and not is_deleting(live) else None
