"""The native node as a cluster to run in."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from soma_dev import debian, tools
from soma_dev.cluster.native import node
from soma_dev.cluster.native.layout import Layout
from soma_dev.images import base, store
from soma_dev.problem import Problem


@dataclass(frozen=True, slots=True)
class Native:
    """One node."""

    layout: Layout

    @property
    def description(self) -> str:
        """What it is, for people."""
        return f"native node {self.layout.identity}"

    @property
    def audit_log(self) -> Path:
        """Log of every write."""
        return self.layout.audit_log

    def is_up(self) -> bool:
        """Tell whether it runs and is whole."""
        return node.is_healthy(self.layout)

    def up(self, say: Callable[[str], None]) -> Path:
        """Start it, or leave a healthy one as it is."""
        if problem := unable():
            raise problem
        debian.ensure((*debian.NATIVE_NODE, *debian.BUILDAH), say)
        tools.ensure(tools.NATIVE_NODE, say)
        return node.up(self.layout, base.pause_archive())

    def load(self, names: Sequence[str], say: Callable[[str], None]) -> Mapping[str, str]:
        """Import images that are not there."""
        present = node.ctr(self.layout, "images", "list", "--quiet").split()
        for name in names:
            if name not in present:
                say(f"loading {name}")
                node.ctr(self.layout, "images", "import", store.archive(name))
        return {name: name for name in names}

    def down(self) -> bool:
        """Remove it with all that it left."""
        return node.down(self.layout)


def unable() -> Problem | None:
    """Return why a native node cannot run here; None when it can."""
    if sys.platform != "linux":
        return Problem("a native node needs Linux", mend="install Docker, so that kind is used")
    if os.geteuid() != 0:
        return Problem(
            "a native node needs root, for network namespaces and mounts",
            mend="run the command as root, or install Docker, so that kind is used",
        )
    return None
