"""The kinds of objects the operator knows, and what a manifest is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]
"""An object as the API takes and gives it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Where objects of one kind live in the API."""

    group: str
    version: str
    name: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return the value of `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version


SOMA_MEMORY = Kind("memory.soma.sh", "v1alpha1", "SomaMemory", "somamemories")
SOMA_MEMORY_BACKUP = Kind("memory.soma.sh", "v1alpha1", "SomaMemoryBackup", "somamemorybackups")
SOMA_MEMORY_CLASS = Kind(
    "memory.soma.sh", "v1alpha1", "SomaMemoryClass", "somamemoryclasses", namespaced=False
)

OWN_KINDS = (SOMA_MEMORY, SOMA_MEMORY_BACKUP, SOMA_MEMORY_CLASS)
"""Kinds that our own CRDs define."""

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
CONTROLLER_REVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
HORIZONTAL_POD_AUTOSCALER = Kind(
    "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"
)
JOB = Kind("batch", "v1", "Job", "jobs")
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
PERSISTENT_VOLUME_CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
POD_DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
SERVICE = Kind("", "v1", "Service", "services")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")

CERTIFICATE = Kind("cert-manager.io", "v1", "Certificate", "certificates")
EVENT = Kind("events.k8s.io", "v1", "Event", "events")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
POD = Kind("", "v1", "Pod", "pods")
POD_MONITOR = Kind("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors")
SCALED_OBJECT = Kind("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects")
SECRET = Kind("", "v1", "Secret", "secrets")
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)

CHILD_KINDS = (
    SERVICE_ACCOUNT,
    NETWORK_POLICY,
    CONTROLLER_REVISION,
    CONFIG_MAP,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE,
    POD_DISRUPTION_BUDGET,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
)
"""Kinds rendered for a SomaMemory, in the order of applying: what a pod mounts, names or is guarded by exists before
the pod; what takes a pod back is stored before the pod is made."""

OPTIONAL_KINDS = (CERTIFICATE, POD_MONITOR, SCALED_OBJECT)
"""Kinds of children that a cluster may not know: not watched, and looked for only where they are wished for."""

_KINDS = {
    (kind.api_version, kind.name): kind
    for kind in (
        *OWN_KINDS,
        JOB,
        *CHILD_KINDS,
        *OPTIONAL_KINDS,
        EVENT,
        LEASE,
        POD,
        SECRET,
        STORAGE_CLASS,
    )
}


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """Return the kind that a manifest says it is."""
    return _KINDS[manifest["apiVersion"], manifest["kind"]]


def name_of(manifest: Mapping[str, Any]) -> str:
    """Return the name in a manifest."""
    name: str = manifest["metadata"]["name"]
    return name


def controller_of(manifest: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the owner reference of the controller of an object, if it has one."""
    owners = manifest["metadata"].get("ownerReferences", [])
    return next((owner for owner in owners if owner.get("controller")), None)


def never_got_volume(claim: Mapping[str, Any]) -> bool:
    """Return whether a claim has no volume and never had one, so that nothing is lost with it.

    Asked twice over, by phase and by volume: what is deleted for this must be certain to hold nothing.
    """
    is_pending = claim.get("status", {}).get("phase") == "Pending"
    return is_pending and "volumeName" not in claim.get("spec", {})


def is_deleting(manifest: Mapping[str, Any]) -> bool:
    """Return whether the object waits for its finalizers only."""
    return "deletionTimestamp" in manifest["metadata"]
