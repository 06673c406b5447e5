"""What all children have in common: labels, owner, hashes."""

import re
from typing import Any

from soma_operator.core.content import content_hash
from soma_operator.core.kinds import SOMA_MEMORY, Kind, Manifest
from soma_operator.core.resolve import ResolvedMemory

FIELD_MANAGER = "somamemory-operator"
STATUS_FIELD_MANAGER = f"{FIELD_MANAGER}/status"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "soma-operator"
NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"

MEMORY_LABEL = f"{SOMA_MEMORY.group}/memory"
"""On a copy and on the pods that make it: name of the SomaMemory. No label that GitOps tools track objects by."""

MEMORY_UID_LABEL = f"{SOMA_MEMORY.group}/memory-uid"
"""On a copy that the operator wished for: UID of the SomaMemory, so that a namesake does not inherit it."""

ORIGIN_LABEL = f"{SOMA_MEMORY.group}/origin"
"""On a copy that the operator wished for: `schedule` or `deletion`."""

BACKUP_APP, RESTORE_APP = "somamemory-backup", "somamemory-restore"
"""Names of the applications that make and take copies: another one than the server's, which Services select by."""

APPLIED_HASH_ANNOTATION = f"{SOMA_MEMORY.group}/applied-hash"
"""On a child: hash of the manifest applied last. A field that left the manifest shows as a difference here only."""

CONFIG_HASH_ANNOTATION = f"{SOMA_MEMORY.group}/config-hash"
"""On a pod template: hash of the settings read at start, so that their change rolls the pods."""


def selector_of(name: str) -> dict[str, str]:
    """Return the labels that pods of a SomaMemory are found by; a Deployment's selector can never change."""
    return {NAME_LABEL: "somamemory", INSTANCE_LABEL: name}


def labels_of(memory: ResolvedMemory) -> dict[str, str]:
    """Return the labels of children and pods; without a version, so that a label never rolls pods."""
    return {
        **selector_of(memory.name),
        "app.kubernetes.io/component": "memory-server",
        "app.kubernetes.io/part-of": "somamemory",
        MANAGED_BY_LABEL: MANAGED_BY,
    }


def task_labels(app: str, instance: str, memory: str) -> dict[str, str]:
    """Return the labels of a Job and its pods.

    Args:
        app: Name of the application.
        instance: Name of the resource that the Job belongs to.
        memory: Name of the SomaMemory that is copied or restored.
    """
    return {
        NAME_LABEL: app,
        INSTANCE_LABEL: instance,
        "app.kubernetes.io/part-of": "somamemory",
        MANAGED_BY_LABEL: MANAGED_BY,
        MEMORY_LABEL: memory,
    }


def version_label(version: str) -> dict[str, str]:
    """Return a version as a label, in the form that labels allow."""
    # A tag may begin with "_", and be cut at a dot: a label does neither begin nor end so.
    text = re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", version[:63])
    return {"app.kubernetes.io/version": text} if text else {}


def owner_reference(memory: ResolvedMemory) -> Manifest:
    """Return the reference by which the garbage collector removes a child with its SomaMemory."""
    return owned_by(SOMA_MEMORY, memory.name, memory.uid)


def owned_by(kind: Kind, name: str, uid: str) -> Manifest:
    """Return the reference by which the garbage collector removes an object with its owner."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def child(kind: Kind, name: str, memory: ResolvedMemory, **content: Any) -> Manifest:
    """Return a manifest that belongs to the SomaMemory."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {
            "name": name,
            "namespace": memory.namespace,
            "labels": labels_of(memory),
            "ownerReferences": [owner_reference(memory)],
        },
        **content,
    }


def with_applied_hash(manifest: Manifest) -> Manifest:
    """Return the manifest with the hash of itself."""
    metadata = manifest["metadata"]
    annotations = {
        **metadata.get("annotations", {}),
        APPLIED_HASH_ANNOTATION: content_hash(manifest),
    }
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}
