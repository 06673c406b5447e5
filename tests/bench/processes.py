"""What a server takes of the machine: its process and those that it has started, front processes mostly."""

import os
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return the CPU time so far of a process and its children that live, with all their threads."""
    ticks = sum(sum(map(int, _stat(each)[11:13])) for each in _with_children(pid))
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> int:
    """Return the resident memory of a process and its children; what they share counts for each."""
    pages = sum(int(_stat(each)[21]) for each in _with_children(pid))
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def _with_children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [
        pid,
        *(int(child) for task in tasks for child in (task / "children").read_text().split()),
    ]


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on; the name before them may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
