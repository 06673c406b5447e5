"""Names, folders and addresses of one node.

Everything that is global to the machine carries the node's identity, so that nodes of several names and of
several checkouts run side by side, and so that what a dead node left behind is known to be its.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from soma_dev.paths import ROOT
from soma_dev.problem import Problem

LOCKS = Path("/run/lock")
HOME = Path("/var/lib/soma-node")
"""Outside the checkout: paths of Unix sockets are short here, whatever the checkout is called."""

MARKER = "SOMA_DEV_NODE"
"""Environment variable that holds the node's identity in every process of it."""

NODE_NAME = "node1"
API_PORT = 6443
SLOTS = 64
"""Nodes that can run side by side: each has one link, one /24 of pods and one /24 of Services."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One node; two layouts of the same checkout and name are equal."""

    name: str
    identity: str

    @property
    def state(self) -> Path:
        """Folder with all that the node keeps."""
        return HOME / self.identity

    @property
    def link(self) -> Path:
        """Link to the state, in the checkout."""
        return ROOT / ".cluster" / self.name

    @property
    def pki(self) -> Path:
        """Folder of keys, tokens and kubeconfig files."""
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        """Folder with one log per process."""
        return self.state / "logs"

    @property
    def audit_log(self) -> Path:
        """What was written through the API server, JSON lines."""
        return self.logs / "audit.log"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the administrator."""
        return self.pki / "admin.kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """Socket of the node's containerd."""
        return self.state / "containerd.sock"

    @property
    def volumes(self) -> Path:
        """Folder of the persistent volumes."""
        return self.state / "volumes"

    @property
    def network_namespace(self) -> Path:
        """Where the node's network namespace is mounted."""
        return Path("/run/netns") / f"soma-{self.identity}"

    @property
    def cgroup(self) -> str:
        """Parent of the cgroups of the node's pods."""
        return f"/soma-{self.identity}"

    @property
    def host_interface(self) -> str:
        """The host's end of the link; at most 15 characters."""
        return f"soma-{self.identity[-6:]}h"

    @property
    def node_interface(self) -> str:
        """The node's end of the link."""
        return f"soma-{self.identity[-6:]}n"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Networks of one running node."""

    slot: int

    @property
    def link(self) -> IPv4Network:
        """The link between host and node."""
        return IPv4Network(f"172.31.255.{4 * self.slot}/30")

    @property
    def pods(self) -> IPv4Network:
        """Addresses of pods."""
        return IPv4Network(f"10.244.{self.slot}.0/24")

    @property
    def services(self) -> IPv4Network:
        """Addresses of Services."""
        return IPv4Network(f"10.112.{self.slot}.0/24")

    @property
    def host(self) -> str:
        """The host, seen from the node."""
        return str(self.link[1])

    @property
    def node(self) -> str:
        """The node, seen from the host."""
        return str(self.link[2])

    @property
    def api_service(self) -> str:
        """The Service `kubernetes`."""
        return str(self.services[1])

    @property
    def dns_service(self) -> str:
        """The Service `kube-dns`."""
        return str(self.services[10])

    @property
    def all(self) -> tuple[IPv4Network, ...]:
        """Every network that the host must reach through the link."""
        return (self.link, self.pods, self.services)


def layout(name: str, *, checkout: Path = ROOT) -> Layout:
    """Return the layout of the node `name` of a checkout.

    Raises:
        Problem: The name cannot be part of a host's names.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]{0,11}", name):
        raise Problem(
            f"a cluster cannot be called {name!r}",
            mend="take at most twelve lower-case letters and digits, a letter first",
        )
    digest = hashlib.sha256(f"{checkout}\0{name}".encode()).hexdigest()[:6]
    return Layout(name, f"{name}-{digest}")


def free_addresses(identity: str, taken: Collection[IPv4Network]) -> Addresses:
    """Return addresses that overlap no network that the host already routes.

    The same node gets the same addresses as long as they are free.
    """
    first = int(identity[-6:], 16)
    for step in range(SLOTS):
        candidate = Addresses((first + step) % SLOTS)
        if not any(ours.overlaps(theirs) for ours in candidate.all for theirs in taken):
            return candidate
    raise Problem(
        "every network for a node is taken on this host",
        mend="stop another cluster: make cluster-down",
    )
