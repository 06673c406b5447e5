"""The cluster of `KUBECONFIG`: somebody else's, neither made nor removed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from soma_dev import tools
from soma_dev.images import store
from soma_dev.images.catalog import REGISTRY as LOCAL
from soma_dev.paths import tool
from soma_dev.problem import Problem
from soma_dev.shell import run

REGISTRY = "SOMA_REGISTRY"
AUDIT_LOG = "SOMA_AUDIT_LOG"


@dataclass(frozen=True, slots=True)
class Existing:
    """A cluster that answers already, and a registry that it pulls from."""

    kubeconfig: Path
    registry: str | None
    audit: Path | None

    @property
    def description(self) -> str:
        """What it is, for people."""
        return f"the cluster of {self.kubeconfig}"

    @property
    def audit_log(self) -> Path:
        """Log of every write, which only whoever runs the cluster can give us."""
        if self.audit is None:
            mend = f"set {AUDIT_LOG} to its path on this machine"
            raise Problem("the audit log of the cluster is not known", mend=mend)
        return self.audit

    def is_up(self) -> bool:
        """Take it as running: it is not ours to start."""
        return True

    def up(self, say: Callable[[str], None]) -> Path:
        """Check that it answers, and that it can get our images."""
        if self.registry is None:
            raise Problem(
                "the cluster cannot pull images of this machine",
                mend=f"set {REGISTRY} to a registry that you may push to and the cluster may pull from, "
                f"or to {LOCAL} when its nodes have the images of `make images` already",
            )
        tools.ensure(tools.CLIENTS, say)
        mend = (
            f"check {self.kubeconfig}: the cluster must answer, and you must be allowed to install"
        )
        run(tool("kubectl"), "--kubeconfig", self.kubeconfig, "get", "--raw", "/readyz", mend=mend)
        return self.kubeconfig

    def load(self, names: Sequence[str], say: Callable[[str], None]) -> Mapping[str, str]:
        """Push images to the registry that the cluster pulls from."""
        moved = {name: f"{self.registry}/{name.rpartition('/')[2]}" for name in names}
        for name, target in moved.items():
            if name != target:
                say(f"pushing {target}")
                store.builder().push(name, target)
        return moved

    def down(self) -> bool:
        """Leave it."""
        return False
