"""Which cluster to run in, and what differs between the kinds: making it, loading images, removing it."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from soma_dev import debian, tools
from soma_dev.cluster.native import node
from soma_dev.cluster.native.layout import Layout, layout
from soma_dev.images import base, store
from soma_dev.images.builder import docker_answers
from soma_dev.paths import ROOT, tool
from soma_dev.problem import Problem
from soma_dev.shell import run

KINDS = ("existing", "kind", "native")
CHOICE = "SOMA_CLUSTER"
REGISTRY = "SOMA_REGISTRY"


class Cluster(Protocol):
    """A cluster to run in."""

    @property
    def description(self) -> str:
        """What it is, for people."""

    def up(self, say: Callable[[str], None]) -> Path:
        """Start it, or leave a healthy one as it is, and return the administrator's kubeconfig."""

    def load(self, names: Sequence[str], say: Callable[[str], None]) -> Mapping[str, str]:
        """Bring images to it; return under which name each is known there."""

    def down(self) -> bool:
        """Remove it, when it is ours; True when there was something to remove."""


@dataclass(frozen=True, slots=True)
class Existing:
    """The cluster of `KUBECONFIG`: somebody else's, neither made nor removed."""

    kubeconfig: Path
    registry: str | None

    @property
    def description(self) -> str:
        """What it is, for people."""
        return f"the cluster of {self.kubeconfig}"

    def up(self, say: Callable[[str], None]) -> Path:
        """Check that it answers."""
        tools.ensure(tools.CLIENTS, say)
        mend = (
            f"check {self.kubeconfig}: the cluster must answer, and you must be allowed to install"
        )
        run(tool("kubectl"), "--kubeconfig", self.kubeconfig, "get", "--raw", "/readyz", mend=mend)
        return self.kubeconfig

    def load(self, names: Sequence[str], say: Callable[[str], None]) -> Mapping[str, str]:
        """Push images to the registry that the cluster pulls from."""
        if self.registry is None:
            raise Problem(
                "the cluster cannot pull images of this machine",
                mend=f"set {REGISTRY} to a registry that you may push to and the cluster may pull from",
            )
        moved = {name: f"{self.registry}/{name.rpartition('/')[2]}" for name in names}
        for name, target in moved.items():
            say(f"pushing {target}")
            store.builder().push(name, target)
        return moved

    def down(self) -> bool:
        """Leave it."""
        return False


@dataclass(frozen=True, slots=True)
class Kind:
    """A cluster in Docker."""

    name: str

    @property
    def description(self) -> str:
        """What it is, for people."""
        return f"kind cluster {self._full_name}"

    @property
    def _full_name(self) -> str:
        return f"soma-{self.name}"

    @property
    def _kubeconfig(self) -> Path:
        return ROOT / ".cluster" / f"{self._full_name}.kubeconfig"

    def up(self, say: Callable[[str], None]) -> Path:
        """Make it, unless it is there."""
        tools.ensure((*tools.CLIENTS, tools.KIND.name), say)
        self._kubeconfig.parent.mkdir(exist_ok=True)
        if self._full_name in run(tool("kind"), "get", "clusters").split():
            self._kubeconfig.write_text(
                run(tool("kind"), "get", "kubeconfig", "--name", self._full_name)
            )
        else:
            given = (
                "--name",
                self._full_name,
                "--kubeconfig",
                str(self._kubeconfig),
                "--wait",
                "120s",
            )
            run(tool("kind"), "create", "cluster", *given)
        return self._kubeconfig

    def load(self, names: Sequence[str], say: Callable[[str], None]) -> Mapping[str, str]:
        """Copy images from Docker into the cluster's node; kind leaves out what is there."""
        for name in names:
            say(f"loading {name}")
            run(tool("kind"), "load", "docker-image", name, "--name", self._full_name)
        return {name: name for name in names}

    def down(self) -> bool:
        """Remove it."""
        if not tool("kind").exists():
            return False
        there = self._full_name in run(tool("kind"), "get", "clusters").split()
        run(tool("kind"), "delete", "cluster", "--name", self._full_name)
        self._kubeconfig.unlink(missing_ok=True)
        return there


@dataclass(frozen=True, slots=True)
class Native:
    """A node of our own, without Docker."""

    node: Layout

    @property
    def description(self) -> str:
        """What it is, for people."""
        return f"native node {self.node.identity}"

    def up(self, say: Callable[[str], None]) -> Path:
        """Start it, or leave a healthy one as it is."""
        if unable := native_unable():
            raise unable
        debian.ensure((*debian.NATIVE_NODE, *debian.BUILDAH), say)
        tools.ensure(tools.NATIVE_NODE, say)
        return node.up(self.node, base.pause_archive())

    def load(self, names: Sequence[str], say: Callable[[str], None]) -> Mapping[str, str]:
        """Import images that are not there."""
        present = node.ctr(self.node, "images", "list", "--quiet").split()
        for name in names:
            if name not in present:
                say(f"loading {name}")
                node.ctr(self.node, "images", "import", store.archive(name))
        return {name: name for name in names}

    def down(self) -> bool:
        """Remove it with all that it left."""
        return node.down(self.node)


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
            return Existing(Path(given), environment.get(REGISTRY))
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
    return asked or ("kind" if docker() else "native")


def native_unable() -> Problem | None:
    """Return why a native node cannot run here; None when it can."""
    if sys.platform != "linux":
        return Problem("a native node needs Linux", mend="install Docker, so that kind is used")
    if os.geteuid() != 0:
        return Problem(
            "a native node needs root, for network namespaces and mounts",
            mend="run the command as root, or install Docker, so that kind is used",
        )
    return None
