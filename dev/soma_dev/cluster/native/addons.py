"""What a cluster has beside its processes: the DNS Service, rights, and a default StorageClass."""

import json
from collections.abc import Iterator
from pathlib import Path

from soma_dev.cluster.native.layout import NODE_NAME, Addresses, Layout

VOLUMES = 20
CAPACITY = "64Gi"
"""Promised, not kept apart: a local volume is a folder on the host's disk."""

VOLUME_LABEL = "memory.soma.sh/local-volume"
STORAGE_CLASS = "standard"


def manifests(node: Layout, addresses: Addresses) -> str:
    """Return all of them as one list for `kubectl apply`."""
    items = [
        *_dns(addresses),
        *_rights("dns", "system:coredns", _DNS_RULES),
        *_rights("volumes", "soma:volumes", _VOLUMES_RULES),
        _storage_class(),
        *(volume(path) for path in volume_folders(node)),
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def volume_folders(node: Layout) -> Iterator[Path]:
    """Give the folders of the volumes; made when missing."""
    for number in range(VOLUMES):
        folder = node.volumes / f"{number:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


def volume_name(folder: Path) -> str:
    """Return the name of the PersistentVolume of a folder."""
    return f"local-{folder.name}"


def volume(folder: Path) -> dict[str, object]:
    """Return the PersistentVolume of a folder. Of type `local`: unlike hostPath it takes a pod's fsGroup."""
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(folder), "labels": {VOLUME_LABEL: folder.name}},
        "spec": {
            "capacity": {"storage": CAPACITY},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def _storage_class() -> dict[str, object]:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "annotations": default},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        # Every volume is larger than what is asked for: growing is granted without a move.
        "allowVolumeExpansion": True,
    }


def _dns(addresses: Addresses) -> list[dict[str, object]]:
    """Return a Service without selector and its one endpoint: the server runs on the node."""
    where = {"name": "kube-dns", "namespace": "kube-system"}
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": where,
            "spec": {"clusterIP": addresses.dns_service, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**where, "labels": {"kubernetes.io/service-name": "kube-dns"}},
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [addresses.node]}],
        },
    ]


_DNS_RULES = [
    {
        "apiGroups": [""],
        "resources": ["services", "pods", "namespaces"],
        "verbs": ["list", "watch"],
    },
    {
        "apiGroups": ["discovery.k8s.io"],
        "resources": ["endpointslices"],
        "verbs": ["list", "watch"],
    },
]
_VOLUMES_RULES = [
    {
        "apiGroups": [""],
        "resources": ["persistentvolumes"],
        "verbs": ["list", "watch", "create", "delete"],
    }
]


def _rights(name: str, user: str, rules: list[dict[str, list[str]]]) -> list[dict[str, object]]:
    group = "rbac.authorization.k8s.io"
    metadata = {"name": f"soma:{name}"}
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": metadata,
            "rules": rules,
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": f"soma:{name}"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        },
    ]
