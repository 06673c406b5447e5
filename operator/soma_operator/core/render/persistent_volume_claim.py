"""PersistentVolumeClaim of the embedded store."""

from soma_operator.core.kinds import PERSISTENT_VOLUME_CLAIM, Manifest
from soma_operator.core.render.metadata import child
from soma_operator.core.resolve import ResolvedMemory


def persistent_volume_claim(memory: ResolvedMemory) -> Manifest:
    """Return the claim.

    A claim that must outlive the resource carries no owner reference, else the garbage collector takes it; and no
    label, else a GitOps tool counts it to the application and prunes it.
    """
    spec: Manifest = {
        "accessModes": [memory.access_mode],
        "resources": {"requests": {"storage": memory.claim_size}},
    }
    if memory.storage_class is not None:
        spec["storageClassName"] = memory.storage_class
    manifest = child(PERSISTENT_VOLUME_CLAIM, memory.names.claim, memory, spec=spec)
    if memory.retains_data:
        for mark in ("labels", "ownerReferences"):
            del manifest["metadata"][mark]
    return manifest
