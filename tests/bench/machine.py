"""What a measurement was taken on."""

import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.server_process import ROOT


def facts() -> dict[str, Any]:
    """Return processor, memory, system, what an fsync takes, and the load now."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "fsync_ms": _fsync_ms(),
        "load": os.getloadavg()[0],
    }


def commit() -> str:
    """Return what git calls the present state."""
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _fsync_ms() -> float:
    with tempfile.NamedTemporaryFile(buffering=0) as file:
        times = []
        for _ in range(100):
            file.write(b"x" * 4096)
            before = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - before)
    return 1000 * statistics.median(times)
