"""The cgroups that hold a node's pods: how its containers are known among all processes.

The kubelet kills what it does not know below its root, so two nodes may never share one.
"""

import contextlib
from pathlib import Path

from soma_dev import processes

MOUNT = Path("/sys/fs/cgroup")
WANTED = ("cpu", "cpuset", "memory", "pids", "io", "hugetlb")


def make(name: str) -> None:
    """Make the cgroup that a kubelet takes as its root."""
    if _unified():
        available = (MOUNT / "cgroup.controllers").read_text().split()
        for controller in WANTED:
            if controller in available:
                (MOUNT / "cgroup.subtree_control").write_text(f"+{controller}")
    for hierarchy in _hierarchies():
        folder = hierarchy / name.lstrip("/")
        folder.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # Only with cgroup v1 the root has these; there a child begins with none, and can hold nobody.
            if (hierarchy / setting).exists() and not (folder / setting).read_text().strip():
                (folder / setting).write_text((hierarchy / setting).read_text())


def members(name: str) -> list[processes.Identity]:
    """Return the processes in the cgroup and below it."""
    pids = {
        int(pid)
        for hierarchy in _hierarchies()
        for listing in (hierarchy / name.lstrip("/")).rglob("cgroup.procs")
        for pid in _lines(listing)
    }
    return [identity for pid in pids if (identity := processes.identify(pid)) is not None]


def remove(name: str) -> None:
    """Remove the cgroup and those below it, once they are empty."""
    for hierarchy in _hierarchies():
        top = hierarchy / name.lstrip("/")
        folders = [path for path in top.rglob("*") if path.is_dir()] if top.is_dir() else []
        for folder in [*sorted(folders, reverse=True), top]:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _unified() -> bool:
    return (MOUNT / "cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    """Return the roots of all hierarchies: one with cgroup v2, one per controller with v1."""
    if _unified():
        return [MOUNT]
    return [path for path in MOUNT.iterdir() if path.is_dir() and not path.is_symlink()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
