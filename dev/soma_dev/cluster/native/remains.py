"""Ending a node, whole or half dead: whatever it left is known by what it is.

    - processes: by the marker in the environment that they were started with;
    - containers: by the cgroup that they live in;
    - mounts: by their place below the node's folder;
    - network: by names that carry the node's identity.

So nothing has to be remembered between start and end, and nothing that we did not start is touched.
"""

import contextlib
import shutil
from pathlib import Path

from soma_dev import processes
from soma_dev.cluster.native import cgroups, network
from soma_dev.cluster.native.layout import HOME, MARKER, Layout
from soma_dev.problem import Problem
from soma_dev.shell import succeeds

ROUNDS = 10
"""A dying supervisor may start something new once more: look again until nothing is found."""


def exist(node: Layout) -> bool:
    """Tell whether anything of the node is there, running or dead."""
    return bool(
        node.state.exists()
        or node.network_namespace.exists()
        or processes.with_environment(MARKER, node.identity)
        or cgroups.members(node.cgroup)
    )


def clear(node: Layout) -> None:
    """End the node's processes and remove all that it made; nothing happens when there is nothing."""
    _end_processes(node)
    _unmount(node)
    network.remove(node)
    cgroups.remove(node.cgroup)
    if node.state.exists():
        shutil.rmtree(node.state)
    with contextlib.suppress(OSError):  # other nodes live here, or it was never made
        HOME.rmdir()
    if node.link.is_symlink():
        node.link.unlink()


def mounts(folder: Path) -> list[Path]:
    """Return what is mounted below a folder, innermost first."""
    lines = Path("/proc/mounts").read_text().splitlines()
    points = [Path(line.split()[1].encode().decode("unicode_escape")) for line in lines]
    return sorted((point for point in points if point.is_relative_to(folder)), reverse=True)


def _end_processes(node: Layout) -> None:
    found = _processes(node)
    for _ in range(ROUNDS):
        if not found:
            return
        for identity in found:
            processes.kill(identity)
        found = _processes(node)
    raise Problem(
        f"processes of the cluster {node.name} do not end: {[one.pid for one in found]}",
        mend="look at them with ps; one that waits for a broken disk ends only with the machine",
    )


def _processes(node: Layout) -> list[processes.Identity]:
    """Return the node's services, then its containers: who starts something new comes first."""
    return processes.with_environment(MARKER, node.identity) + cgroups.members(node.cgroup)


def _unmount(node: Layout) -> None:
    for point in mounts(node.state):
        succeeds("umount", "--lazy", point)
    if left := mounts(node.state):
        # Removing the folder now would remove what is mounted in it.
        raise Problem(
            f"still mounted: {', '.join(map(str, left))}",
            mend="unmount them by hand, then run the command again",
        )
