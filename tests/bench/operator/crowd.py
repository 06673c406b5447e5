"""Many resources, beside a published operator in the same run: how long until children exist and pods are ready.

Each operator in its turn has a control plane of its own, so that none meets what the other left behind: the same
programs on the same machine. Ours goes first and last: the machine may be busy with something else at one time and not
at another. Where nobody else acts, the operator alone decides how long it takes until children exist; with all
controllers and played nodes, pods are ready at last, and everybody shares the processors.
"""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from soma_dev import fake_nodes
from soma_dev.control_plane import ALL_CONTROLLERS, HOUSEKEEPING, ControlPlane, control_plane
from soma_operator.core.kinds import Manifest
from tests.bench.operator import peer
from tests.bench.operator.cluster import (
    Pace,
    Times,
    at,
    is_child,
    processor_s,
    processors_s,
    requests,
)
from tests.bench.operator.contenders import Contender, apply, ours, parts, theirs
from tests.support import operator_rooms as rooms
from tests.support.audit import Trail, entries
from tests.support.churn import resident_mib
from tests.support.kube_api import KubeApi

SETTLED_S = 5.0
TURNS = ("ours", "theirs", "ours")
NAME = re.compile(r"\bmem-\d+\b")

CHILDREN, VOLUME, ON_NODES, READY, SAYS_SO = (
    "children exist",
    "volume is bound",
    "pods are on nodes",
    "pods are ready",
    "its status says so",
)
"""Stages of a resource, in their order."""

Waits = dict[str, float]
"""Seconds from the apply of a resource, by its name."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What is measured.

    Attributes:
        count: Number of resources.
        pace: How fast they come; an operator that is not done when patience ends is stopped.
        is_played: Whether all controllers act and pods are played; else it is over when the children exist.
    """

    count: int
    pace: Pace
    is_played: bool


def measure_crowd(folder: Path, crowd: Crowd) -> dict[str, Any]:
    """Measure both operators in turns; a folder takes all files."""
    environment = peer.make_environment(folder)
    makers: dict[str, Callable[[KubeApi, Path], Contender]] = {
        "ours": ours,
        "theirs": lambda api, where: theirs(api, where, environment),
    }
    turns = []
    for number, name in enumerate(TURNS):
        where = folder / f"turn-{number}"
        where.mkdir()
        turns.append({"operator": name, **_turn(where, makers[name], crowd)})
    return {
        "peer": peer.WISHED.read_text().split(),
        "resources": crowd.count,
        "per_second": crowd.pace.per_second,
        "patience_s": crowd.pace.patience_s,
        "turns": turns,
    }


def _turn(folder: Path, make: Callable[[KubeApi, Path], Contender], crowd: Crowd) -> dict[str, Any]:
    load = Path("/proc/loadavg").read_text().split()[0]
    controllers = ALL_CONTROLLERS if crowd.is_played else HOUSEKEEPING
    with ExitStack() as stack:
        plane = stack.enter_context(control_plane(folder, controllers=controllers))
        if crowd.is_played:
            count = crowd.count
            stack.enter_context(fake_nodes.fake_nodes(plane, folder, pods=2 * count, volumes=count))
        api = rooms.install(plane)
        measured = _measure(plane, api, make(api, folder), folder, crowd)
    return {"load_average_at_start": float(load), **measured}


def _measure(
    plane: ControlPlane, api: KubeApi, contender: Contender, folder: Path, crowd: Crowd
) -> dict[str, Any]:
    room = rooms.a_room(api)
    if not crowd.is_played:
        contender = replace(contender, tells_ready=None)
    watched = parts() if crowd.is_played else parts(lambda _made: True)
    with contender.process() as pid:
        time.sleep(SETTLED_S)
        empty, busy, tools = resident_mib(pid), processor_s(pid), processors_s(folder)
        trail = Trail(plane.audit_log, contender.account).now()
        times = apply(plane, room, contender, crowd.count, watched, crowd.pace)
        time.sleep(SETTLED_S)
        full, busy = resident_mib(pid), processor_s(pid) - busy
        spent = {name: now - tools.get(name, 0.0) for name, now in processors_s(folder).items()}
        asked, reached = requests(trail), _reached(trail, contender, times)
    if not crowd.is_played:
        reached = {CHILDREN: reached[CHILDREN]}
    return {
        "took_s": max(times.ended.values()) - min(times.begun.values()),
        "stages": {stage: _told(waits, crowd.count) for stage, waits in reached.items()},
        "requests_per_resource": asked["all"] / crowd.count,
        "writes_per_resource": asked["writes"] / crowd.count,
        "processor_s": {"operator": busy, **dict(sorted(spent.items()))},
        "resident_mib": {"empty": empty, "full": full},
    }


def _told(waits: Waits, count: int) -> dict[str, float | int | None]:
    """Return the shares of a stage; None: not so many reached it."""
    known = sorted(waits.values())
    shares = {"p50": 0.5, "p99": 0.99}
    return {
        "reached": len(known),
        **{
            name: at(known, share * count / len(known)) if share * count < len(known) else None
            for name, share in shares.items()
        },
    }


def _reached(trail: Trail, contender: Contender, times: Times) -> dict[str, Waits]:
    """Return when each resource was through each stage, by the audit log and by what was watched."""
    applied: dict[str, float] = {}
    last: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries(trail.log, trail.start):
        found = NAME.search(f"{entry['requestURI']} {entry['objectRef'].get('name', '')}")
        if found is None or entry["responseStatus"]["code"] >= 300:
            continue
        if entry["verb"] == "create" and entry["objectRef"]["resource"] == contender.kind.plural:
            applied[found[0]] = _moment(entry, "requestReceivedTimestamp")
        for stage in _stages(entry, contender):
            last[stage][found[0]].append(_moment(entry, "stageTimestamp"))
    wished = {CHILDREN: contender.children, VOLUME: 1, ON_NODES: contender.deployments}
    through = {
        stage: {
            name: max(moments) - applied[name]
            for name, moments in last[stage].items()
            if len(moments) >= least
        }
        for stage, least in wished.items()
    }
    through[READY] = _all_told(times, contender.deployments)
    through[SAYS_SO] = {
        name: times.ended[name] - begun
        for name, begun in times.begun.items()
        if name in times.ended
    }
    return {stage: waits for stage, waits in through.items() if waits}


def _all_told(times: Times, deployments: int) -> Waits:
    """Return when the last of a resource's Deployments was told of."""
    return {
        name: max(times.ended[f"{name}/{part}"] for part in range(deployments)) - begun
        for name, begun in times.begun.items()
        if all(f"{name}/{part}" in times.ended for part in range(deployments))
    }


def _stages(entry: Manifest, contender: Contender) -> Iterable[str]:
    """Return what a request did for its resource."""
    user, reference = entry["user"]["username"], entry["objectRef"]
    what = reference["resource"], reference.get("subresource"), entry["verb"]
    if user == contender.account and is_child(entry, contender.own):
        yield CHILDREN
    if what == ("persistentvolumeclaims", "status", "update"):
        yield VOLUME
    if what == ("pods", "binding", "create"):
        yield ON_NODES


def _moment(entry: Manifest, which: str) -> float:
    return datetime.fromisoformat(entry[which]).timestamp()
