"""dask-kubernetes, a published operator on kopf: an environment of its own, its CRDs from its wheel, a process.

It is no dependency of the product: uv makes the environment from a hash-pinned lock in this folder.
"""

import os
import subprocess
from pathlib import Path
from typing import Self

from soma_dev.paths import ROOT, tool
from soma_dev.ports import free_port
from soma_operator.core.kinds import Kind, Manifest
from tests.support.kube_api import NAMESPACE, KubeApi, eventually, path_of
from tests.support.operator_rooms import served
from tests.support.server_process import HOST

HERE = Path(__file__).resolve().parent
LOCK = HERE / "dask.txt"
WISHED = HERE / "dask.in"

DASK_CLUSTER = Kind("kubernetes.dask.org", "v1", "DaskCluster", "daskclusters")
SYSTEM = "dask-system"
ACCOUNT = f"system:serviceaccount:{SYSTEM}:dask"
PROBE_S = 60.0
STOP_TIMEOUT_S = 30.0


def make_environment(folder: Path) -> Path:
    """Make the peer's environment in a folder of its own, and return it."""
    environment = folder / "dask"
    uv = str(ROOT / ".venv/bin/uv")
    subprocess.run([uv, "venv", "--quiet", "--python", "3.11", str(environment)], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(environment / "bin/python")]
    subprocess.run([*install, "--require-hashes", "-r", str(LOCK)], check=True)
    return environment


class DaskOperator:
    """`kopf run -m dask_kubernetes.operator.controller`, as its own image starts it.

    Use it as a context manager; no process is left behind.
    """

    def __init__(self, api: KubeApi, folder: Path, environment: Path) -> None:
        self._api = api
        self._folder = folder
        self._environment = environment
        self._log = folder / "dask.log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Id of the process."""
        assert self._process is not None
        return self._process.pid

    def install(self) -> None:
        """Put the CRDs and an administrator's account on the API server."""
        charts = "dask_kubernetes/operator/deployment/helm/dask-kubernetes-operator/crds"
        [crds] = self._environment.glob(f"lib/python*/site-packages/{charts}")
        kubectl = [str(tool("kubectl")), "--kubeconfig", str(self._api.plane.kubeconfig)]
        # Server-side: they are too large for what kubectl would write down of them otherwise.
        subprocess.run(
            [*kubectl, "apply", "--server-side", "-f", str(crds)], check=True, capture_output=True
        )
        eventually(lambda: served(self._api, DASK_CLUSTER) or None)
        self._make_account()

    def _make_account(self) -> None:
        api = self._api
        api.request("POST", path_of(NAMESPACE, None), _named("v1", "Namespace", SYSTEM))
        accounts = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts"
        api.request("POST", accounts, _named("v1", "ServiceAccount", "dask"))
        bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}
        api.request("POST", bindings, {
            **_named("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "dask"),
            "roleRef": {**role, "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "dask", "namespace": SYSTEM}],
        })  # fmt: skip
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = api.request("POST", f"{accounts}/dask/token", request)
        api.plane.kubeconfig_with(answer["status"]["token"], self._folder / "dask.kubeconfig")

    def __enter__(self) -> Self:
        """Start it, and wait until it answers its probe."""
        python = self._environment / "bin/python"
        where = f"http://{HOST}:{self._port}/healthz"
        run = ["-m", "kopf", "run", "-m", "dask_kubernetes.operator.controller"]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "KUBECONFIG": str(self._folder / "dask.kubeconfig"),
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(python), *run, f"--liveness={where}", "--verbose", "--all-namespaces"],
                env=environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        eventually(
            lambda: b"Serving health status" in self._log.read_bytes() or None,
            timeout_s=PROBE_S,
            or_say=self._log.read_text,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End it; one that has much left to do takes longer than anybody waits."""
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def a_dask_cluster(name: str, namespace: str) -> Manifest:
    """Return the simplest cluster of the project's own documentation: a scheduler and one worker."""
    worker = {"containers": [{"name": "worker", "image": "dask", "args": ["dask-worker"]}]}
    scheduler = {"containers": [{"name": "scheduler", "image": "dask", "args": ["dask-scheduler"]}]}
    ports = [
        {"name": "tcp-comm", "protocol": "TCP", "port": 8786, "targetPort": "tcp-comm"},
        {"name": "http-dashboard", "protocol": "TCP", "port": 8787, "targetPort": "http-dashboard"},
    ]
    selector = {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
    service = {"type": "ClusterIP", "selector": selector, "ports": ports}
    return {
        "apiVersion": DASK_CLUSTER.api_version,
        "kind": DASK_CLUSTER.name,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "worker": {"replicas": 1, "spec": worker},
            "scheduler": {"spec": scheduler, "service": service},
        },
    }


def _named(api_version: str, kind: str, name: str) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}
