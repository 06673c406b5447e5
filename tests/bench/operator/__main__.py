"""Measures the operator with many resources on played nodes: `make scale`; JSON in docs/benchmarks/operator."""

import argparse
import asyncio
import json
import platform
import subprocess
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soma_dev import fake_nodes, tools
from soma_dev.control_plane import ALL_CONTROLLERS, ControlPlane, control_plane
from soma_dev.paths import ROOT
from soma_operator.adapters.access import of_kubeconfig
from soma_operator.adapters.kubernetes import KubernetesCluster, connect
from soma_operator.core.kinds import SOMA_MEMORY, Manifest
from soma_operator.metrics import Metrics
from tests.bench.operator.report import page
from tests.support.audit import WRITES, Trail
from tests.support.operator_process import OperatorProcess
from tests.support.operator_rooms import (
    ACCOUNT,
    a_room,
    an_operator,
    install,
    kubeconfig_of_the_operator,
)

FOLDER = ROOT / "docs/benchmarks/operator"
AT_ONCE = 16
QUIET_S = 30.0
PATIENCE_S = 1200.0


def main() -> None:
    """Measure, keep the numbers, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=int, default=1000)
    count = parser.parse_args().resources
    tools.ensure((*tools.TEST_CONTROL_PLANE, *tools.CLIENTS, *fake_nodes.TOOLS))
    with (
        tempfile.TemporaryDirectory(prefix="soma-scale-") as name,
        control_plane(Path(name), controllers=ALL_CONTROLLERS) as plane,
        fake_nodes.fake_nodes(plane, Path(name), pods=count),
    ):
        measured = {**_about(count), **_measure(plane, Path(name), count)}
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{count}.json").write_text(json.dumps(measured, indent=1) + "\n")
    (FOLDER.parent / "operator.md").write_text(page(FOLDER))
    print(json.dumps(measured, indent=1))


def _measure(plane: ControlPlane, folder: Path, count: int) -> dict[str, Any]:
    api = install(plane)
    room = a_room(api)
    kubeconfig = kubeconfig_of_the_operator(api, folder / "access")
    # A machine that is busy with playing a cluster must not end the leader.
    operator = an_operator(kubeconfig, folder, min_interval_s=1, lease_duration_s=120)
    with operator:
        operator.wait_leading()
        empty = _resident_mib(operator)
        trail = Trail(plane.audit_log, ACCOUNT).now()
        started = time.monotonic()
        waits = asyncio.run(_apply_all(plane, room.namespace, count))
        took = time.monotonic() - started
        time.sleep(5)
        asked = _requests(trail)
        calm = Trail(plane.audit_log, ACCOUNT).now()
        time.sleep(QUIET_S)
        quiet = _requests(calm)
        full = _resident_mib(operator)
        assert operator.stop() == 0
        again = Trail(plane.audit_log, ACCOUNT).now()
        operator.start()
        operator.wait_leading()
        time.sleep(QUIET_S)
        restarted = _requests(again)
    return {
        "apply_to_ready_s": {"p50": _at(waits, 0.5), "p99": _at(waits, 0.99), "max": max(waits)},
        "all_ready_s": took,
        "requests_per_resource": {verb: number / count for verb, number in asked.items()},
        "requests_in_quiet": {"seconds": QUIET_S, **quiet},
        "requests_after_restart": {"seconds": QUIET_S, **restarted},
        "resident_mib": {"empty": empty, "full": full},
    }


async def _apply_all(plane: ControlPlane, namespace: str, count: int) -> list[float]:
    """Create all resources as fast as they are taken; return how long each took until it was ready."""
    born: dict[str, float] = {}
    ready: dict[str, float] = {}
    async with connect(of_kubeconfig(plane.kubeconfig), Metrics(), timeout_s=60) as cluster:
        watching = asyncio.create_task(_note_ready(cluster, namespace, count, ready))
        names = iter([f"mem-{number}" for number in range(count)])

        async def work() -> None:
            for name in names:
                born[name] = time.monotonic()
                await cluster.create(_wish(name, namespace))

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        async with asyncio.timeout(PATIENCE_S):
            await watching
    return sorted(ready[name] - born[name] for name in born)


async def _note_ready(
    cluster: KubernetesCluster, namespace: str, count: int, ready: dict[str, float]
) -> None:
    while len(ready) < count:
        for one in await cluster.find(SOMA_MEMORY, namespace):
            if one.get("status", {}).get("phase") == "Ready":
                ready.setdefault(one["metadata"]["name"], time.monotonic())
        await asyncio.sleep(0.5)


def _wish(name: str, namespace: str) -> Manifest:
    return {
        "apiVersion": SOMA_MEMORY.api_version,
        "kind": SOMA_MEMORY.name,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {},
    }


def _requests(trail: Trail) -> dict[str, int]:
    """Return the operator's requests by verb, but for those of its Lease."""
    verbs = Counter(
        entry["verb"] for entry in trail.entries() if entry["objectRef"]["resource"] != "leases"
    )
    return {**verbs, "writes": sum(verbs[verb] for verb in WRITES), "all": verbs.total()}


def _resident_mib(operator: OperatorProcess) -> float:
    status = Path(f"/proc/{operator.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _at(values: list[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)]


def _about(count: int) -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    load = Path("/proc/loadavg").read_text().split()[0]
    return {
        "resources": count,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "load_average_at_start": float(load),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
