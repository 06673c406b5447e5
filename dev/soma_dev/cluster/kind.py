"""A cluster in Docker."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from soma_dev import api_server, tools
from soma_dev.paths import ROOT, tool
from soma_dev.shell import run

INSIDE = "/var/log/soma"
"""Where the node sees the folder that it shares with this machine."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind cluster of this name on this machine."""

    name: str

    @property
    def description(self) -> str:
        """What it is, for people."""
        return f"kind cluster {self._full_name}"

    @property
    def audit_log(self) -> Path:
        """Log of every write, in the shared folder."""
        return self._shared / "audit.log"

    @property
    def _full_name(self) -> str:
        return f"soma-{self.name}"

    @property
    def _shared(self) -> Path:
        return ROOT / ".cluster" / self._full_name

    @property
    def _kubeconfig(self) -> Path:
        return self._shared / "admin.kubeconfig"

    def is_up(self) -> bool:
        """Tell whether kind lists it."""
        kind = tool(tools.KIND.name)
        return kind.exists() and self._full_name in run(kind, "get", "clusters").split()

    def up(self, say: Callable[[str], None]) -> Path:
        """Make it, unless it is there."""
        tools.ensure((*tools.CLIENTS, tools.KIND.name), say)
        self._shared.mkdir(parents=True, exist_ok=True)
        if self.is_up():
            self._kubeconfig.write_text(self._run("get", "kubeconfig"))
            return self._kubeconfig
        wish = cluster_config(self._shared)
        given = ("--kubeconfig", self._kubeconfig, "--wait", "120s", "--config", "-")
        self._run("create", "cluster", *given, input_text=wish)
        return self._kubeconfig

    def load(self, names: Sequence[str], say: Callable[[str], None]) -> Mapping[str, str]:
        """Copy images from Docker into the node; kind leaves out what is there."""
        for name in names:
            say(f"loading {name}")
            self._run("load", "docker-image", name)
        return {name: name for name in names}

    def down(self) -> bool:
        """Remove it."""
        was_there = self.is_up()
        if was_there:
            self._run("delete", "cluster")
        return was_there

    def _run(self, *arguments: str | Path, input_text: str | None = None) -> str:
        kind = tool(tools.KIND.name)
        return run(kind, *arguments, "--name", self._full_name, input_text=input_text)


def cluster_config(shared: Path) -> str:
    """Return the wish for a cluster whose API server logs all writes into a folder of this machine."""
    (shared / "policy.json").write_text(json.dumps(api_server.WRITES_ONLY))
    flags = {"audit-policy-file": f"{INSIDE}/policy.json", "audit-log-path": f"{INSIDE}/audit.log"}
    volume = {"name": "soma", "hostPath": INSIDE, "mountPath": INSIDE, "pathType": "Directory"}
    server = {"extraArgs": flags, "extraVolumes": [volume]}
    node = {
        "role": "control-plane",
        "extraMounts": [{"hostPath": str(shared), "containerPath": INSIDE}],
        "kubeadmConfigPatches": [json.dumps({"kind": "ClusterConfiguration", "apiServer": server})],
    }
    return json.dumps({"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]})
