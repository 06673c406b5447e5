"""Where operators of tests work: an API server with the chart on it, and a namespace for each test."""

import itertools
import subprocess
from functools import partial
from pathlib import Path

from soma_dev.control_plane import ControlPlane
from soma_dev.paths import tool
from soma_operator.core.kinds import OWN_KINDS, Kind, Manifest
from tests.support.kube_api import (
    APPLY,
    NAMESPACE,
    KubeApi,
    Refused,
    Room,
    eventually,
    path_of,
)
from tests.support.operator_process import ROOT, OperatorProcess

SYSTEM = "soma-system"
"""Namespace of the chart."""

ACCOUNT = f"system:serviceaccount:{SYSTEM}:soma-operator"
"""The operator, to the API server."""

TOO_MANY_REQUESTS = 429

_numbers = itertools.count(1)


def chart(namespace: str = SYSTEM, *values: str) -> bytes:
    """Return the manifests of the chart, with values as `--set` takes them."""
    folder = str(ROOT / "charts/soma-stack")
    options = [part for value in values for part in ("--set", value)]
    command = [str(tool("helm")), "template", "soma", folder, "--namespace", namespace, *options]
    return subprocess.run(command, check=True, capture_output=True).stdout


def install(plane: ControlPlane) -> KubeApi:
    """Put the chart on an API server, and return the administrator's way to it; may be repeated."""
    admin = KubeApi(plane, plane.token)
    if admin.read(NAMESPACE, None, SYSTEM) is None:
        _make_namespace(admin, SYSTEM)
    kubectl = apply_chart(plane, chart())
    crds = [f"crd/{kind.plural}.{kind.group}" for kind in OWN_KINDS]
    wait = [*kubectl, "wait", "--for=condition=Established", *crds]
    subprocess.run(wait, check=True, capture_output=True)
    for kind in OWN_KINDS:
        eventually(partial(_listed, admin, kind))
    return admin


def _listed(api: KubeApi, kind: Kind) -> list[Manifest] | None:
    """Return what there is of a kind; None: a moment after it is established its cache is still being filled."""
    try:
        return api.find(kind, SYSTEM)
    except Refused as refusal:
        if refusal.code != TOO_MANY_REQUESTS:
            raise
        return None


def apply_chart(plane: ControlPlane, manifests: bytes) -> list[str]:
    """Apply manifests as the administrator; return the beginning of kubectl's command line."""
    kubectl = [str(tool("kubectl")), "--kubeconfig", str(plane.kubeconfig)]
    command = [*kubectl, "apply", "-f", "-"]
    ended = subprocess.run(command, check=False, input=manifests, capture_output=True)
    assert ended.returncode == 0, ended.stderr.decode()
    return kubectl


def kubeconfig_of_the_operator(api: KubeApi, path: Path, namespace: str = SYSTEM) -> Path:
    """Write access with the rights that the chart gives the operator, and no more."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    where = f"/api/v1/namespaces/{namespace}/serviceaccounts/soma-operator/token"
    return api.plane.kubeconfig_with(api.request("POST", where, request)["status"]["token"], path)


def serve(api: KubeApi, kind: Kind) -> None:
    """Let the API server know a kind of somebody else, as that one's CRD does; may be repeated."""
    name = f"{kind.plural}.{kind.group}"
    open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": open_schema},
    }
    names = {"kind": kind.name, "plural": kind.plural}
    spec = {
        "group": kind.group,
        "names": names,
        "scope": "Namespaced",
        "versions": [version],
    }
    manifest = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": spec,
    }
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?fieldManager=test"
    api.request("PATCH", path, manifest, APPLY)
    eventually(lambda: served(api, kind) or None)


def served(api: KubeApi, kind: Kind) -> bool:
    """Return whether the API server knows the kind."""
    try:
        found = api.request("GET", f"/apis/{kind.group}/{kind.version}")["resources"]
    except Refused:
        return False
    return kind.plural in [one["name"] for one in found]


def a_room(api: KubeApi) -> Room:
    """Return a new namespace."""
    name = f"room-{next(_numbers)}"
    _make_namespace(api, name)
    return Room(api, name)


def an_operator(
    kubeconfig: Path, folder: Path, name: str = "one", **settings: object
) -> OperatorProcess:
    """Return an operator with the chart's Lease, not yet started."""
    own: dict[str, object] = {"namespace": SYSTEM, "lease_name": "soma-operator", **settings}
    return OperatorProcess(kubeconfig, folder / f"{name}.log", **own)


def _make_namespace(api: KubeApi, name: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api.request("POST", path_of(NAMESPACE, None), manifest)
