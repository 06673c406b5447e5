"""What /proc tells of processes."""

import os
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that live."""
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def resident_mib(pid: int) -> float:
    """Return the memory that a process has now, MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
