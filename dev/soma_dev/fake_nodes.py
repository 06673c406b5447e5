"""Nodes and pods that are only played: a scheduler and kwok beside a control plane, and volumes to bind."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml

from soma_dev import golang
from soma_dev.control_plane import ControlPlane, run_tool
from soma_dev.kubernetes import Kubernetes
from soma_dev.paths import ROOT

READY = "pod/fast/pod-ready"
STAGES = (READY, "pod/fast/pod-delete", "node/fast/node-initialize")
PODS_A_NODE = 500
MARK = "kwok.x-k8s.io/node"
STORAGE_CLASS = "played"
ZONE = "topology.kubernetes.io/zone"


@contextlib.contextmanager
def fake_nodes(
    plane: ControlPlane,
    folder: Path,
    *,
    pods: int,
    volumes: int,
    volume_size: str = "10Gi",
    nodes: int = 1,
    zones: int = 1,
    ready_after_ms: int = 0,
) -> Iterator[None]:
    """Play as many nodes as these pods need, and volumes, as long as the context lasts.

    The control plane must run all controllers.

    Args:
        plane: The control plane.
        folder: Where logs and configuration go.
        pods: How many pods there may be.
        volumes: How many claims may be bound.
        volume_size: Size of each volume.
        nodes: How many nodes there are at least.
        zones: In how many zones they lie, in turns.
        ready_after_ms: How long a pod that has a node takes until it is ready.

    Raises:
        Problem: A tool was never built.
    """
    admin = Kubernetes(plane.kubeconfig)
    made = _nodes(max(nodes, 1 + pods // PODS_A_NODE), zones)
    _apply(admin, [_storage_class(), *made, *_volumes(volumes, volume_size)])
    with contextlib.ExitStack() as stack:
        run_tool(stack, folder, "kube-scheduler", [f"--config={_scheduler(plane, folder)}"])
        run_tool(stack, folder, "kwok", [
            f"--kubeconfig={plane.kubeconfig}", f"--config={_stages(folder, ready_after_ms)}",
            "--manage-all-nodes=false", f"--manage-nodes-with-annotation-selector={MARK}=fake",
            "--node-lease-duration-seconds=40", "--server-address=127.0.0.1:0",
        ])  # fmt: skip
        yield


def _scheduler(plane: ControlPlane, folder: Path) -> Path:
    path = folder / "scheduler.json"
    connection = {"kubeconfig": str(plane.kubeconfig), "qps": 1000, "burst": 2000}
    config = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": connection,
    }
    path.write_text(json.dumps(config))
    return path


def _stages(folder: Path, ready_after_ms: int) -> Path:
    """Join the stages of the pinned kwok: what it plays is a matter of its configuration."""
    where = [str(golang.find()), "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]
    module = subprocess.run(
        where, cwd=ROOT / "dev/tools/kwok", check=True, capture_output=True, text=True
    )
    source = Path(module.stdout.strip()) / "kustomize" / "stage"
    stages = {stage: yaml.safe_load((source / f"{stage}.yaml").read_text()) for stage in STAGES}
    stages[READY]["spec"]["delay"] = {"durationMilliseconds": ready_after_ms}
    path = folder / "stages.yaml"
    path.write_text(yaml.safe_dump_all(stages.values()))
    return path


def _nodes(count: int, zones: int) -> Iterator[dict[str, object]]:
    for number in range(count):
        name = f"played-{number}"
        capacity = {"cpu": "1000", "memory": "4Ti", "pods": str(PODS_A_NODE)}
        labels = {"kubernetes.io/hostname": name, ZONE: f"zone-{number % zones}"}
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels, "annotations": {MARK: "fake"}},
            "status": {"allocatable": capacity, "capacity": capacity},
        }


def _storage_class() -> dict[str, object]:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "annotations": default},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "Immediate",
    }


def _volumes(count: int, size: str) -> Iterator[dict[str, object]]:
    for number in range(count):
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"played-{number}"},
            "spec": {
                "capacity": {"storage": size},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": STORAGE_CLASS,
                "hostPath": {"path": "/nowhere"},
            },
        }


def _apply(admin: Kubernetes, manifests: list[dict[str, object]]) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": manifests}
    admin.kubectl("create", "-f", "-", input_text=json.dumps(items), timeout_s=600)
