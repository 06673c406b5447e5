"""The real cluster that end-to-end tests share: real pods of the images of the present sources."""

import json
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from soma_dev import debian
from soma_dev.cluster import provider
from soma_dev.images import store
from soma_dev.images.catalog import MEMORY_SERVER, OPERATOR
from soma_dev.kubernetes import SYSTEM_NAMESPACE, Kubernetes
from soma_dev.problem import Problem
from somamemory import MemoryClient
from tests.support.environment import GIVEN

Found = TypeVar("Found")

NAME = "test"
GRPC_PORT = 50053
OPERATOR_ACCOUNT = f"system:serviceaccount:{SYSTEM_NAMESPACE}:soma-operator"


@dataclass(frozen=True, slots=True)
class Installed:
    """A cluster with the operator in it."""

    kubernetes: Kubernetes
    server_image: str
    audit_log: Path
    """Of every write, JSON lines."""

    def address_of_this_machine(self) -> str:
        """Return an address of this machine that pods reach: the one from which it speaks to their node."""
        addresses = self.kubernetes.get("nodes")["items"][0]["status"]["addresses"]
        node = next(one["address"] for one in addresses if one["type"] == "InternalIP")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.connect((node, GRPC_PORT))  # Nothing is sent: the system chooses the way.
            return str(way.getsockname()[0])

    def operator_pods(self) -> list[str]:
        """Return the names of the operator's pods that are not on their way out."""
        pods = self.kubernetes.get("pods", "-n", SYSTEM_NAMESPACE)["items"]
        return [
            pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]
        ]


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace of one test, and the SomaMemory `mem` in it."""

    installed: Installed
    namespace: str
    name: str = "mem"

    @property
    def kubernetes(self) -> Kubernetes:
        """The cluster."""
        return self.installed.kubernetes

    def apply(self, spec: dict[str, Any] | None = None) -> None:
        """Apply the SomaMemory, as a user does."""
        wish = {
            "apiVersion": "memory.soma.sh/v1alpha1",
            "kind": "SomaMemory",
            "metadata": {"name": self.name},
            "spec": spec if spec is not None else {"storage": {"embedded": {"size": "1Gi"}}},
        }
        self.kubectl("apply", "-f", "-", input_text=json.dumps(wish))

    def refusal(self, spec: dict[str, Any]) -> str:
        """Apply a SomaMemory that the API server refuses, and return what it says."""
        with pytest.raises(Problem) as raised:
            self.apply(spec)
        return raised.value.what

    def kubectl(self, *arguments: str, input_text: str | None = None) -> str:
        """Run kubectl in the namespace."""
        return self.kubernetes.kubectl("-n", self.namespace, *arguments, input_text=input_text)

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return an object of the namespace, or a list."""
        return self.kubernetes.get("-n", self.namespace, *arguments)

    def wait_ready(self) -> dict[str, Any]:
        """Wait until the SomaMemory is ready as it is wished now, and return it."""
        return self.kubernetes.wait_ready(self.namespace, self.name)

    def condition(self, kind: str) -> dict[str, Any] | None:
        """Return a condition of the SomaMemory; None when it has none of that type."""
        status = self.get("somamemory", self.name).get("status", {})
        return next((one for one in status.get("conditions", []) if one["type"] == kind), None)

    def wait_reason(self, kind: str, reason: str) -> dict[str, Any]:
        """Wait until a condition has a reason, and return the condition."""

        def look() -> dict[str, Any] | None:
            found = self.condition(kind)
            return found if found and found["reason"] == reason else None

        return eventually(look, or_say=lambda: f"{kind} is {self.condition(kind)}")

    def leftovers(self) -> list[str]:
        """Return what is in the namespace, but for what Kubernetes puts in every one."""
        kinds = "deployments,replicasets,pods,services,configmaps,serviceaccounts,pvc,pdb,secrets,somamemories"
        found = self.kubectl("get", kinds, "-o", "name").split()
        return sorted(set(found) - {"configmap/kube-root-ca.crt", "serviceaccount/default"})

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods that are not on their way out."""
        pods = self.get("pods")["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def forwarded(self) -> AbstractContextManager[str]:
        """Give an address on this machine that leads to the server of now."""
        return self.kubernetes.forwarded(self.namespace, self.name, GRPC_PORT)

    def payloads(self) -> dict[str, Any]:
        """Return the payload of every memory, by id, from the server of now."""
        with self.forwarded() as address, MemoryClient(address) as client:
            return {one.id: one.payload for one in client.list_memories()}


def eventually(
    look: Callable[[], Found | None], *, timeout_s: float = 60, or_say: Callable[[], str] = str
) -> Found:
    """Look until something other than None or False is seen, and return it."""
    end = time.monotonic() + timeout_s
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < end, or_say()
        time.sleep(0.3)


@pytest.fixture(scope="session")
def installed() -> Iterator[Installed]:
    """Run the cluster with the operator in it; a cluster that was there before stays."""
    debian.extend_path()
    cluster = provider.choose(NAME, environment=GIVEN)
    was_there = cluster.is_up()
    kubernetes = Kubernetes(cluster.up(_say))
    try:
        built = store.ensure(_say)
        names = cluster.load(list(built.values()), _say)
        server_image = names[built[MEMORY_SERVER]]
        kubernetes.install(names[built[OPERATOR]], server_image)
        yield Installed(kubernetes, server_image, cluster.audit_log)
    finally:
        if not was_there:
            cluster.down()


@pytest.fixture
def place(installed: Installed) -> Iterator[Place]:
    """Give a namespace of its own, and remove it with all that is in it."""
    with _place(installed) as made:
        yield made


@pytest.fixture
def another_place(installed: Installed) -> Iterator[Place]:
    """Give a second namespace."""
    with _place(installed) as made:
        yield made


@contextmanager
def _place(installed: Installed) -> Iterator[Place]:
    namespace = f"e2e-{secrets.token_hex(3)}"
    installed.kubernetes.make_namespace(namespace)
    yield Place(installed, namespace)
    installed.kubernetes.kubectl("delete", "namespace", namespace, "--wait=false")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
