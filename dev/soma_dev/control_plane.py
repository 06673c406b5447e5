"""A real etcd and API server on the loopback address: all of Kubernetes but nodes.

It ends with the thread that started it, also when that one is killed.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from soma_dev import access, api_server, pki, processes
from soma_dev.paths import tool
from soma_dev.ports import free_port
from soma_dev.problem import Problem
from soma_dev.waiting import wait_for

HOUSEKEEPING = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
)
"""Controllers that clean up. Those of Deployments stay out, so that a test can play their part."""

ALL_CONTROLLERS = ("*",)

USERS = {
    access.ADMIN: access.User("admin", "system:masters"),
    "controllers": access.User("system:kube-controller-manager"),
}


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running API server and the administrator's way in."""

    base_url: str
    """Without a slash at its end."""
    ca_file: Path
    token: str
    """Of the administrator, member of system:masters."""
    kubeconfig: Path
    """Of the administrator."""
    audit_log: Path
    """JSON lines at Metadata level, one per finished request."""

    def kubeconfig_with(self, token: str, path: Path, *, namespace: str = "default") -> Path:
        """Write a kubeconfig for another token, such as a ServiceAccount's, and return its path."""
        path.write_text(access.kubeconfig(self.base_url, self.ca_file, token, namespace=namespace))
        return path


@contextlib.contextmanager
def control_plane(
    folder: Path | None = None, *, controllers: Sequence[str] = HOUSEKEEPING
) -> Iterator[ControlPlane]:
    """Run a control plane as long as the context lasts.

    Args:
        folder: Where keys, logs and data go; a temporary folder when not given.
        controllers: Names of the controllers that run; none when empty.

    Raises:
        Problem: It did not come up; names the log to read.
    """
    with contextlib.ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soma-api-")))
        yield _start(home, controllers, stack)


def _start(home: Path, controllers: Sequence[str], stack: contextlib.ExitStack) -> ControlPlane:
    host = "127.0.0.1"
    etcd_port, peer_port, port, controllers_port = (free_port(host) for _ in range(4))
    endpoint = _prepare(home, host, port)
    audit_log = home / "audit.log"
    etcd, peer = f"http://{host}:{etcd_port}", f"http://{host}:{peer_port}"

    run_tool(stack, home, "etcd", [
        f"--data-dir={home / 'etcd'}", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}", "--unsafe-no-fsync", "--log-level=warn",
    ])  # fmt: skip
    run_tool(stack, home, "kube-apiserver", [
        *api_server.flags(
            etcd=etcd, certificates=home, serving="apiserver",
            audit_policy=api_server.AUDIT_POLICY, audit_log=audit_log,
        ),
        f"--bind-address={host}", f"--secure-port={port}", f"--advertise-address={host}",
        # The Service `kubernetes` may not point to a loopback address, and here nobody asks for it.
        "--endpoint-reconciler-type=none",
        "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16",
    ])  # fmt: skip
    _wait(endpoint, "/readyz", home)
    if controllers:
        kubeconfig = home / "controllers.kubeconfig"
        run_tool(stack, home, "kube-controller-manager", [
            f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}", "--leader-elect=false",
            f"--bind-address={host}", f"--secure-port={controllers_port}",
            # Many resources at once are to show the operator's speed, not that of these controllers.
            "--kube-api-qps=1000", "--kube-api-burst=2000",
            f"--controllers={','.join(controllers)}", "--use-service-account-credentials",
            f"--service-account-private-key-file={home / 'sa.key'}", f"--root-ca-file={home / 'ca.crt'}",
        ])  # fmt: skip
        _wait(endpoint, "/api/v1/namespaces/default/serviceaccounts/default", home)
    return ControlPlane(
        base_url=endpoint.url,
        ca_file=endpoint.authority,
        token=endpoint.token,
        kubeconfig=home / f"{access.ADMIN}.kubeconfig",
        audit_log=audit_log,
    )


def _prepare(home: Path, host: str, port: int) -> api_server.Endpoint:
    """Make keys, tokens and kubeconfig files."""
    authority = pki.make_authority(home, "soma-control-plane")
    pki.sign(authority, home, "apiserver", subject="/CN=kube-apiserver", names=[f"IP:{host}"])
    pki.make_signing_key(home / "sa.key")
    tokens = access.write_access(
        home, USERS, server=f"https://{host}:{port}", authority=authority.certificate
    )
    return api_server.Endpoint(host, port, authority.certificate, tokens[access.ADMIN])


def run_tool(stack: contextlib.ExitStack, home: Path, name: str, arguments: list[str]) -> None:
    """Start a pinned tool with its log in a folder, and leave its end to the stack.

    Raises:
        Problem: It was never built.
    """
    binary = tool(name)
    if not binary.exists():
        raise Problem(f"{name} is not built", mend="make tools")
    # Should we be killed, the kernel ends the process for us.
    command = ["setpriv", "--pdeathsig", "KILL", "--", str(binary), *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    identity = processes.spawn(command, log=home / f"{name}.log", environment=environment)
    stack.callback(processes.stop, identity)


def _wait(endpoint: api_server.Endpoint, path: str, home: Path) -> None:
    wait_for(
        lambda: endpoint.answers(path),
        f"the API server at {endpoint.url} does not serve {path}",
        timeout_s=60,
        mend=f"read the logs in {home}",
    )
