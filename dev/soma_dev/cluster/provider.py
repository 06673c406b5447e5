"""Which cluster to run in, and what differs between the kinds: making it, loading images, removing it."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from soma_dev.cluster.existing import AUDIT_LOG, REGISTRY, Existing
from soma_dev.cluster.kind import Kind
from soma_dev.cluster.native.layout import layout
from soma_dev.cluster.native.provider import Native
from soma_dev.images.builder import docker_answers
from soma_dev.problem import Problem

CHOICE = "SOMA_CLUSTER"
EXISTING, KIND, NATIVE = KINDS = ("existing", "kind", "native")


class Cluster(Protocol):
    """A cluster to run in."""

    @property
    def description(self) -> str:
        """What it is, for people."""

    @property
    def audit_log(self) -> Path:
        """Log of every write through the API server, JSON lines, on this machine."""

    def is_up(self) -> bool:
        """Tell whether it runs."""

    def up(self, say: Callable[[str], None]) -> Path:
        """Start it, or leave a healthy one as it is, and return the administrator's kubeconfig."""

    def load(self, names: Sequence[str], say: Callable[[str], None]) -> Mapping[str, str]:
        """Bring images to it; return under which name each is known there."""

    def down(self) -> bool:
        """Remove it, when it is ours; True when there was something to remove."""


def choose(name: str, *, environment: Mapping[str, str] = os.environ) -> Cluster:
    """Return the cluster to use; `name` tells several of one checkout apart.

    Raises:
        Problem: What is asked for is not possible.
    """
    match chosen_kind(environment, docker=docker_answers):
        case "existing":
            given = environment.get("KUBECONFIG")
            if not given:
                raise Problem(f"{CHOICE}=existing without KUBECONFIG", mend="set KUBECONFIG")
            audit = environment.get(AUDIT_LOG)
            return Existing(Path(given), environment.get(REGISTRY), Path(audit) if audit else None)
        case "kind":
            return Kind(name)
        case _:
            return Native(layout(name))


def chosen_kind(environment: Mapping[str, str], *, docker: Callable[[], bool]) -> str:
    """Decide between the kinds: what is asked for, else kind where a Docker engine answers, else a native node.

    A `KUBECONFIG` alone is no wish: nobody's cluster is written to because it happened to be set.
    """
    asked = environment.get(CHOICE)
    if asked and asked not in KINDS:
        raise Problem(f"{CHOICE}={asked} is unknown", mend=f"set it to one of: {', '.join(KINDS)}")
    return asked or (KIND if docker() else NATIVE)
