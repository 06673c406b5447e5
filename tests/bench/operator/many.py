"""Many resources at once: time to Ready, requests, quiet, a new start, memory."""

import asyncio
import time
from pathlib import Path
from typing import Any

from soma_dev import fake_nodes
from soma_dev.control_plane import ALL_CONTROLLERS, ControlPlane, control_plane
from soma_operator.core.kinds import SOMA_MEMORY
from tests.bench.operator.cluster import Watched, apply_all, at, processor_s, requests
from tests.bench.operator.contenders import ready_memory
from tests.support.audit import Trail
from tests.support.churn import resident_mib
from tests.support.operator_rooms import (
    ACCOUNT,
    a_room,
    an_operator,
    install,
    kubeconfig_of_the_operator,
)

QUIET_S = 30.0


def measure_many(folder: Path, count: int) -> dict[str, Any]:
    """Measure the operator with this many resources on played nodes."""
    with (
        control_plane(folder, controllers=ALL_CONTROLLERS) as plane,
        fake_nodes.fake_nodes(plane, folder, pods=count, volumes=count),
    ):
        return _measure(plane, folder, count)


def _measure(plane: ControlPlane, folder: Path, count: int) -> dict[str, Any]:
    api = install(plane)
    room = a_room(api)
    kubeconfig = kubeconfig_of_the_operator(api, folder / "access")
    # A machine that is busy with playing a cluster must not end the leader.
    operator = an_operator(kubeconfig, folder, min_interval_s=1, lease_duration_s=120)
    names = [f"mem-{number}" for number in range(count)]
    with operator:
        operator.wait_leading()
        empty, busy = resident_mib(operator.pid), processor_s(operator.pid)
        trail = Trail(plane.audit_log, ACCOUNT).now()
        wishes = [room.manifest(name) for name in names]
        watched = [Watched(SOMA_MEMORY, ready_memory)]
        times = asyncio.run(apply_all(plane, SOMA_MEMORY, wishes, watched, set(names)))
        assert not times.left, f"{len(times.left)} are not ready"
        time.sleep(5)
        asked, busy = requests(trail), processor_s(operator.pid) - busy
        calm = Trail(plane.audit_log, ACCOUNT).now()
        time.sleep(QUIET_S)
        quiet = requests(calm)
        full = resident_mib(operator.pid)
        assert operator.stop() == 0
        again = Trail(plane.audit_log, ACCOUNT).now()
        operator.start()
        operator.wait_leading()
        time.sleep(QUIET_S)
        restarted = requests(again)
    waits = times.waits()
    return {
        "resources": count,
        "apply_to_ready_s": {"p50": at(waits, 0.5), "p99": at(waits, 0.99), "max": waits[-1]},
        "all_ready_s": max(times.ended.values()) - min(times.begun.values()),
        "processor_s_of_the_operator": busy,
        "requests_per_resource": {verb: number / count for verb, number in asked.items()},
        "requests_in_quiet": {"seconds": QUIET_S, **quiet},
        "requests_after_restart": {"seconds": QUIET_S, **restarted},
        "resident_mib": {"empty": empty, "full": full},
    }
