"""How many cores this process may keep busy."""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def usable_cores(root: Path = ROOT) -> int:
    """Return how many cores this process may keep busy, at least 1.

    A container's limit is time in each tenth of a second, not a set of cores: one thread more than it pays for stops
    all of them until the next one. One and a half cores are one. Where a system tells of no limit, there is none.

    Args:
        root: Where the system's files are.
    """
    # Not every system tells who may run where.
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, min([cores, *(int(limit) for limit in _limits(root))]))


def _limits(root: Path) -> Iterator[float]:
    """Yield the limits of the control groups that this process is in, in cores."""
    for folder in _folders(root):
        # Version 2 has quota and period in one file, version 1 in two; "max" and -1: no quota.
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            try:
                quota, period = " ".join((folder / name).read_text() for name in names).split()
                limit = int(quota) / int(period)
            except (OSError, ValueError, ZeroDivisionError):
                continue
            if limit > 0:
                yield limit


def _folders(root: Path) -> Iterator[Path]:
    """Yield the folders of the control groups: of version 2, and of version 1 for processor time.

    Inside of a container its own group is mounted where the top is outside, whatever its path is called.
    """
    mounts = root / "sys/fs/cgroup"
    paths = {mounts, mounts / "cpu", mounts / "cpu,cpuacct"}
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, _, named = line.partition(":")
        controllers, _, path = named.partition(":")
        if not controllers:
            paths.add(mounts / path.lstrip("/"))
        elif "cpu" in controllers.split(","):
            paths |= {mounts / mount / path.lstrip("/") for mount in ("cpu", "cpu,cpuacct")}
    yield from paths
