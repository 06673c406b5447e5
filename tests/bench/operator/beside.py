"""This operator and a published one on kopf, one after the other on the same control plane in one run."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from soma_dev import fake_nodes
from soma_dev.control_plane import ALL_CONTROLLERS, ControlPlane, control_plane
from soma_operator.core.kinds import DEPLOYMENT, Kind
from tests.bench.operator import peer
from tests.bench.operator.cluster import (
    at,
    children_made,
    processor_s,
    requests,
    requests_until_children,
)
from tests.bench.operator.contenders import Contender, apply, ours, parts, theirs
from tests.support import operator_rooms as rooms
from tests.support.audit import Trail
from tests.support.churn import resident_mib
from tests.support.kube_api import KubeApi, Room, eventually, path_of

QUIET_S = 30.0
SETTLED_S = 5.0
CLEARED_S = 120.0


def measure_beside(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    """Measure both in turns, where nobody but the operators acts, and once where pods are played."""
    environment = peer.make_environment(folder)
    alone: dict[str, list[dict[str, Any]]] = {"theirs": [], "ours": []}
    with control_plane(_made(folder / "alone")) as plane:
        api = rooms.install(plane)
        contenders = _contenders(api, folder / "alone", environment)
        for _ in range(rounds):
            for name, contender in contenders.items():
                alone[name].append(_measure_alone(plane, api, contender, count))
    with (
        control_plane(_made(folder / "played"), controllers=ALL_CONTROLLERS) as plane,
        fake_nodes.fake_nodes(plane, folder / "played", pods=3 * count, volumes=count),
    ):
        api = rooms.install(plane)
        contenders = _contenders(api, folder / "played", environment)
        played = {
            name: _measure_played(plane, api, contender, count)
            for name, contender in contenders.items()
        }
    return {
        "peer": peer.WISHED.read_text().split(),
        "resources": count,
        "rounds": rounds,
        "alone": alone,
        "ratio": _ratios(alone),
        "played": played,
    }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _measure_alone(
    plane: ControlPlane, api: KubeApi, contender: Contender, count: int
) -> dict[str, Any]:
    room = rooms.a_room(api)
    with contender.process() as pid:
        # What it does once, at its start, is none of a resource's.
        time.sleep(SETTLED_S)
        empty, busy = resident_mib(pid), processor_s(pid)
        trail = Trail(plane.audit_log, contender.account).now()
        apply(plane, room, replace(contender, tells_ready=None), count, parts(lambda _one: True))
        time.sleep(SETTLED_S)
        made = children_made(trail, contender.own)
        until_made = requests_until_children(trail, contender.own, r"\bmem-\d+\b")
        asked, busy = requests(trail), processor_s(pid) - busy
        calm = trail.now()
        time.sleep(QUIET_S)
        quiet, full = requests(calm), resident_mib(pid)
        _clear(room, contender.kind)
    assert len(made) == contender.children * count, f"{len(made)} children"
    return {
        "children_per_resource": contender.children,
        "first_to_last_child_s": made[-1] - made[0],
        "requests_per_resource_until_children": until_made,
        "requests_per_resource": asked["all"] / count,
        "requests_in_quiet": {"seconds": QUIET_S, **quiet},
        "processor_s": busy,
        "resident_mib": {"empty": empty, "full": full},
    }


def _measure_played(
    plane: ControlPlane, api: KubeApi, contender: Contender, count: int
) -> dict[str, Any]:
    room = rooms.a_room(api)
    with contender.process():
        time.sleep(SETTLED_S)
        times = apply(plane, room, contender, count, parts())
        assert not times.left, f"{len(times.left)} are not ready"
        _clear(room, contender.kind)
    waits = sorted(
        max(times.ended[f"{name}/{part}"] for part in range(contender.deployments)) - begun
        for name, begun in times.begun.items()
    )
    return {"pods_ready_s": {"p50": at(waits, 0.5), "p99": at(waits, 0.99)}}


def _contenders(api: KubeApi, folder: Path, environment: Path) -> dict[str, Contender]:
    return {"theirs": theirs(api, folder, environment), "ours": ours(api, folder)}


def _clear(room: Room, kind: Kind) -> None:
    """Delete all resources, and wait until the garbage collector has taken their children."""
    room.api.request("DELETE", path_of(kind, room.namespace))
    eventually(
        lambda: (
            room.api.find(kind, room.namespace) == [] == room.api.find(DEPLOYMENT, room.namespace)
        )
        or None,
        timeout_s=CLEARED_S,
    )


def _ratios(measured: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Return how many times more the peer takes, by the medians of the rounds."""
    values: dict[str, Callable[[dict[str, Any]], float]] = {
        "first_to_last_child_s": lambda one: one["first_to_last_child_s"],
        "requests_per_child": lambda one: (
            one["requests_per_resource"] / one["children_per_resource"]
        ),
        "processor_s": lambda one: one["processor_s"],
        "resident_mib": lambda one: one["resident_mib"]["full"],
    }

    def median(name: str, value: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(map(value, measured[name]))

    return {
        name: round(median("theirs", value) / median("ours", value), 2)
        for name, value in values.items()
    }
