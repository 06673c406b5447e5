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

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
PERSISTENT_VOLUME_CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
POD_DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
SERVICE = Kind("", "v1", "Service", "services")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")

EVENT = Kind("events.k8s.io", "v1", "Event", "events")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
POD = Kind("", "v1", "Pod", "pods")
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)

CHILD_KINDS = (
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE,
    POD_DISRUPTION_BUDGET,
    DEPLOYMENT,
)
"""Kinds rendered for a SomaMemory, in the order of applying: what a pod mounts or names exists before the pod."""

_KINDS = {
    (kind.api_version, kind.name): kind
    for kind in (SOMA_MEMORY, *CHILD_KINDS, EVENT, LEASE, POD, STORAGE_CLASS)
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


def is_deleting(manifest: Mapping[str, Any]) -> bool:
    """Return whether the object waits for its finalizers only."""
    return "deletionTimestamp" in manifest["metadata"]
