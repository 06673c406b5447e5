"""A real API server with the chart on it, a namespace for each test, an operator for each file."""

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.kube_api import NAMESPACE, KubeApi, Room, path_of
from tests.support.operator_process import ROOT, OperatorProcess

from soma_dev.control_plane import ControlPlane
from soma_dev.paths import tool

SYSTEM = "soma-system"

ACCOUNT = f"system:serviceaccount:{SYSTEM}:soma-operator"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> KubeApi:
    """The administrator, on an API server with the chart's CRD and rights."""
    admin = KubeApi(control_plane, control_plane.token)
    _make_namespace(admin, SYSTEM)
    rendered = subprocess.run(
        [tool("helm"), "template", "soma", ROOT / "charts/soma-stack", "--namespace", SYSTEM],
        check=True,
        capture_output=True,
    )
    command = [tool("kubectl"), "--kubeconfig", control_plane.kubeconfig, "apply", "-f", "-"]
    subprocess.run(command, check=True, input=rendered.stdout, capture_output=True)
    crd = "crd/somamemories.memory.soma.sh"
    subprocess.run(
        [*command[:3], "wait", "--for=condition=Established", crd], check=True, capture_output=True
    )
    return admin


@pytest.fixture(scope="session")
def operator_kubeconfig(api: KubeApi, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Access with the rights that the chart gives the operator, and no more."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/soma-operator/token"
    token = api.request("POST", path, request)["status"]["token"]
    return api.plane.kubeconfig_with(token, tmp_path_factory.mktemp("access") / "config")


@pytest.fixture
def room(api: KubeApi) -> Room:
    """A namespace for one test."""
    return a_room(api)


@pytest.fixture(scope="module")
def operator(
    operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """An operator that serves all namespaces."""
    with an_operator(operator_kubeconfig, tmp_path_factory.mktemp("operator")) as process:
        yield process.wait_leading()


def a_room(api: KubeApi) -> Room:
    """Return a new namespace."""
    name = f"room-{next(_numbers)}"
    _make_namespace(api, name)
    return Room(api, name)


def an_operator(
    kubeconfig: Path, folder: Path, name: str = "one", **settings: object
) -> OperatorProcess:
    """Return an operator with the chart's Lease, not yet started."""
    return OperatorProcess(
        kubeconfig,
        folder / f"{name}.log",
        **{"namespace": SYSTEM, "lease_name": "soma-operator", **settings},
    )


def _make_namespace(api: KubeApi, name: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api.request("POST", path_of(NAMESPACE, None), manifest)
