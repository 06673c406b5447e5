"""How many processors this process may use, and how many front processes they are good for."""

import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_QUOTA_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_PERIOD_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")

_MOST = 2


def front_processes(processors: float) -> int:
    """Return how many front processes pay off.

    With one processor there is nothing to share: gRPC runs in the engine's process. One front process relays more calls
    than an engine answers recalls or writes; the second is for many small calls.
    """
    return min(int(processors // 2), _MOST)


def available_processors() -> float:
    """Return the processors that this process may use: those it is bound to, or what a container's limit leaves."""
    bound = float(len(os.sched_getaffinity(0)))
    quota = _quota()
    return bound if quota is None else min(bound, quota)


def _quota() -> float | None:
    """Return the limit of this control group, in processors; None: there is none, or it cannot be read."""
    try:
        if _QUOTA.exists():
            quota, period = _QUOTA.read_text().split()
        else:
            quota, period = _QUOTA_V1.read_text(), _PERIOD_V1.read_text()
        return None if quota == "max" or int(quota) < 0 else int(quota) / int(period)
    except (OSError, ValueError):
        return None
