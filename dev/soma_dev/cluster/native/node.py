"""Starting a node, looking after its health, loading images into it, ending it."""

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from soma_dev import access, pki, processes
from soma_dev.api_server import Endpoint
from soma_dev.cluster.native import addons, cgroups, network, remains, services
from soma_dev.cluster.native.layout import (
    API_PORT,
    LOCKS,
    MARKER,
    NODE_NAME,
    Addresses,
    Layout,
    free_addresses,
)
from soma_dev.cluster.native.services import Service
from soma_dev.paths import tool
from soma_dev.problem import Problem
from soma_dev.shell import run
from soma_dev.waiting import wait_for

START_S = 90
"""A loaded machine takes several times the ten seconds of a quiet one."""


def up(node: Layout, pause_image: Path) -> Path:
    """Start the node, or leave a healthy one as it is; return the administrator's kubeconfig.

    A node that is not healthy is ended and made anew: it holds nothing that is to be kept.
    """
    with _held(node):
        if not is_healthy(node):
            remains.clear(node)
            _start(node, pause_image)
        return node.kubeconfig


def down(node: Layout) -> bool:
    """End the node and remove all that it made; True when there was something."""
    with _held(node):
        found = remains.exist(node)
        remains.clear(node)
        return found


def is_healthy(node: Layout) -> bool:
    """Tell whether every process of the node runs and its API server answers."""
    complete = node.state / "complete"
    if not complete.exists() or _ended(node, complete.read_text().split()):
        return False
    return _endpoint(node).answers("/readyz")


def ctr(node: Layout, *arguments: str | Path) -> str:
    """Run containerd's client on the images that the kubelet sees."""
    return run(tool("ctr"), "-a", node.containerd_socket, "-n", "k8s.io", *arguments)


def kubectl(node: Layout, *arguments: str, input_text: str | None = None) -> str:
    """Run kubectl as the administrator."""
    return run(tool("kubectl"), "--kubeconfig", node.kubeconfig, *arguments, input_text=input_text)


def _start(node: Layout, pause_image: Path) -> None:
    for folder in (node.pki, node.logs, _records(node)):
        folder.mkdir(parents=True, exist_ok=True)
    node.state.chmod(0o711)  # pods reach their volumes; nobody lists what else there is
    _link(node)
    addresses = free_addresses(node.identity, network.taken_networks())
    network.make(node, addresses)
    cgroups.make(node.cgroup)
    endpoint = _make_keys(node, addresses)

    _spawn(
        node,
        services.etcd(node),
        services.apiserver(node, addresses),
        services.containerd(node, addresses),
    )
    with ThreadPoolExecutor(1) as beside:
        loaded = beside.submit(_load_pause, node, pause_image)
        _wait(node, endpoint, "/readyz")
        _spawn(
            node,
            services.controllers(node),
            services.scheduler(node),
            services.proxy(node, addresses),
        )
        loaded.result()
    _spawn(node, services.kubelet(node, addresses))
    kubectl(node, "apply", "--server-side", "-f", "-", input_text=addons.manifests(node, addresses))
    _spawn(node, services.dns(node, addresses), _volume_keeper(node))
    _wait(node, endpoint, "/api/v1/namespaces/default/serviceaccounts/default")
    kubectl(node, "wait", "--for=condition=Ready", f"node/{NODE_NAME}", f"--timeout={START_S}s")
    started = [path.stem for path in _records(node).glob("*.json")]
    if ended := _ended(node, started):
        raise Problem(f"{', '.join(ended)} ended at once", mend=f"read the logs in {node.logs}")
    (node.state / "complete").write_text("\n".join(started))


def _make_keys(node: Layout, addresses: Addresses) -> Endpoint:
    authority = pki.make_authority(node.pki, f"soma-{node.identity}")
    host_names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    names = [f"IP:{ip}" for ip in ("127.0.0.1", addresses.node, addresses.api_service)]
    names += [f"DNS:{name}" for name in host_names]
    pki.sign(authority, node.pki, "apiserver", subject="/CN=kube-apiserver", names=names)
    pki.sign(
        authority,
        node.pki,
        "kubelet-client",
        subject="/O=system:masters/CN=kube-apiserver-kubelet-client",
    )
    pki.make_signing_key(node.pki / "sa.key")
    server = f"https://{addresses.node}:{API_PORT}"
    tokens = access.write_access(
        node.pki, services.USERS, server=server, authority=authority.certificate
    )
    (node.state / "api").write_text(addresses.node)
    return Endpoint(addresses.node, API_PORT, authority.certificate, tokens[access.ADMIN])


def _endpoint(node: Layout) -> Endpoint:
    """Return the API server of a node that was started before."""
    rows = (node.pki / "tokens.csv").read_text().splitlines()
    token = next(row.split(",")[0] for row in rows if row.split(",")[2] == access.ADMIN)
    return Endpoint((node.state / "api").read_text(), API_PORT, node.pki / "ca.crt", token)


def _spawn(node: Layout, *wanted: Service) -> None:
    """Start services in the node's network, and note who they are."""
    environment = {
        "PATH": f"{tool('')}:{os.environ['PATH']}",
        "HOME": str(node.state),
        MARKER: node.identity,
    }
    for service in wanted:
        # Not `ip netns exec`: it mounts a fresh /sys, which hides the cgroups from the kubelet.
        command = ["nsenter", f"--net={node.network_namespace}", *service.command]
        log = node.logs / f"{service.name}.log"
        identity = processes.spawn(command, log=log, environment=environment)
        identity.save(_records(node) / f"{service.name}.json")


def _ended(node: Layout, names: Iterable[str]) -> list[str]:
    """Return those of the services that do not run."""
    saved = {name: processes.load(_records(node) / f"{name}.json") for name in names}
    return [name for name, one in saved.items() if not (one and processes.is_running(one))]


def _records(node: Layout) -> Path:
    return node.state / "processes"


def _volume_keeper(node: Layout) -> Service:
    module = "soma_dev.cluster.native.volumes"
    return Service("volumes", (sys.executable, "-m", module, node.name, node.identity))


def _load_pause(node: Layout, archive: Path) -> None:
    mend = f"read {node.logs / 'containerd.log'}"
    wait_for(
        node.containerd_socket.is_socket, "containerd does not start", timeout_s=START_S, mend=mend
    )
    ctr(node, "images", "import", archive)


def _wait(node: Layout, endpoint: Endpoint, path: str) -> None:
    wait_for(
        lambda: endpoint.answers(path),
        f"the API server does not serve {path}",
        timeout_s=START_S,
        mend=f"read the logs in {node.logs}",
    )


def _link(node: Layout) -> None:
    """Show the node's folder in the checkout."""
    node.link.parent.mkdir(exist_ok=True)
    node.link.unlink(missing_ok=True)
    node.link.symlink_to(node.state)


@contextlib.contextmanager
def _held(node: Layout) -> Iterator[None]:
    """Let one command at a time work on a node; the kernel frees the lock of a killed one."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / f"soma-node-{node.identity}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
