"""What is measured on a cluster of which everything shares one machine: readiness, requests, memory."""

import asyncio
import contextlib
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import aiohttp

from soma_dev.control_plane import ControlPlane
from soma_operator.adapters.access import of_kubeconfig
from soma_operator.core.kinds import Kind, Manifest, name_of
from tests.support.audit import WRITES, Trail
from tests.support.kube_api import path_of

AT_ONCE = 16
PATIENCE_S = 1200.0
LONGEST_WATCH_S = 7200.0
LONGEST_LINE = 2**24
"""Bytes of one event of a watch."""

Told = Callable[[Manifest], str | None]
"""Returns what an object tells of by its state; None: nothing yet."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Objects of a kind, in the namespace of the resources, and what they tell of."""

    kind: Kind
    told: Told


@dataclass(slots=True)
class Times:
    """Moments, monotonic seconds, by name.

    Attributes:
        left: What was not told of before patience ended.
    """

    left: set[str]
    begun: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)

    def waits(self) -> list[float]:
        """Return how long each took, the shortest first."""
        return sorted(self.ended[name] - begun for name, begun in self.begun.items())


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast resources come, and how long they are waited for.

    Attributes:
        per_second: How many; None: as fast as the API server takes them.
        patience_s: Longest wait after the last one was taken, seconds.
    """

    per_second: float | None = None
    patience_s: float = PATIENCE_S


AS_TAKEN = Pace()


async def apply_all(
    plane: ControlPlane,
    kind: Kind,
    manifests: list[Manifest],
    watched: Iterable[Watched],
    wished: set[str],
    pace: Pace = AS_TAKEN,
) -> Times:
    """Create all resources, and wait for all that is wished, or until patience ends.

    Args:
        plane: Where.
        kind: Of the resources.
        manifests: Of the resources.
        watched: Who tells, each thing of a name of its own.
        wished: All that is to be told of; times are kept by these names and by those of the resources.
        pace: How fast they come. One that is due begins then, also where the API server is not ready for it yet.
    """
    access = of_kubeconfig(plane.kubeconfig)
    times = Times(set(wished))
    namespace = manifests[0]["metadata"]["namespace"]
    async with (
        aiohttp.ClientSession(
            access.server,
            connector=aiohttp.TCPConnector(ssl=access.ssl_context()),
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"Authorization": f"Bearer {access.bearer()}"},
            read_bufsize=LONGEST_LINE,
            raise_for_status=True,
        ) as session,
        asyncio.TaskGroup() as group,
    ):
        told = asyncio.Event()
        watches = [
            group.create_task(_watch(session, path_of(one.kind, namespace), one.told, times, told))
            for one in watched
        ]
        left = iter(enumerate(manifests))
        start = time.monotonic()

        async def work() -> None:
            for number, manifest in left:
                begun = time.monotonic()
                if pace.per_second is not None:
                    begun = start + number / pace.per_second
                    await asyncio.sleep(begun - time.monotonic())
                times.begun[name_of(manifest)] = begun
                async with session.post(path_of(kind, namespace), json=manifest):
                    pass

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pace.patience_s):
                await told.wait()
        for watch in watches:
            watch.cancel()
    return times


async def _watch(
    session: aiohttp.ClientSession, where: str, told: Told, times: Times, all_told: asyncio.Event
) -> None:
    """Note when each thing was told first; a watch costs the cluster less than lists, again and again."""
    query = {"watch": "1", "timeoutSeconds": str(int(LONGEST_WATCH_S))}
    async with session.get(where, params=query) as answer:
        async for line in answer.content:
            name = told(json.loads(line)["object"])
            if name in times.left:
                times.left.discard(name)
                times.ended[name] = time.monotonic()
            if not times.left:
                all_told.set()


def requests(trail: Trail) -> dict[str, int]:
    """Return the requests of an operator by verb, but for those of its Lease."""
    verbs = Counter(
        entry["verb"] for entry in trail.entries() if entry["objectRef"]["resource"] != "leases"
    )
    return {**verbs, "writes": sum(verbs[verb] for verb in WRITES), "all": verbs.total()}


def requests_until_children(trail: Trail, own: frozenset[str], name: str) -> float:
    """Return the mean number of requests that a resource takes until the last of its children exists.

    A request that names a resource is its own; those that name none, such as lists, are shared by all.

    Args:
        trail: Of the operator.
        own: As for `children_made`.
        name: Pattern of the resources' names.
    """
    told: dict[str | None, list[Manifest]] = defaultdict(list)
    for entry in trail.entries():
        reference = entry["objectRef"]
        if reference["resource"] != "leases":
            found = re.search(name, f"{entry['requestURI']} {reference.get('name', '')}")
            told[found and found[0]].append(entry)
    shared = told.pop(None, [])
    last = {resource: _last_made(entries, own) for resource, entries in told.items()}
    asked: int = sum(
        entry["stageTimestamp"] <= last[resource]
        for resource, entries in told.items()
        for entry in entries
    )
    asked += sum(entry["stageTimestamp"] <= max(last.values()) for entry in shared)
    return asked / len(told)


def _last_made(entries: list[Manifest], own: frozenset[str]) -> str:
    return max(str(entry["stageTimestamp"]) for entry in entries if is_child(entry, own))


def is_child(entry: Manifest, own: frozenset[str]) -> bool:
    """Return whether a request made a child; `own` as for `children_made`."""
    is_new = entry["responseStatus"]["code"] == 201
    return is_new and entry["objectRef"]["resource"] not in own


def children_made(trail: Trail, own: frozenset[str]) -> list[float]:
    """Return when the operator made each child, seconds of the wall, in order.

    Args:
        trail: Of the operator.
        own: Resources that are no children, such as what it is given and Events.
    """
    made = [entry for entry in trail.entries() if is_child(entry, own)]
    return sorted(datetime.fromisoformat(one["stageTimestamp"]).timestamp() for one in made)


def processor_s(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def processors_s(folder: Path) -> dict[str, float]:
    """Return the processor time so far of each tool of a control plane, whose files are in a folder, by name."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text().split("\0")
            if any(str(folder) in argument for argument in command[1:]):
                found[Path(command[0]).name] = processor_s(int(process.name))
        except OSError:
            continue  # It ended meanwhile.
    return found


def at(values: list[float], share: float) -> float:
    """Return the value below which a share of the sorted ones lies."""
    return values[min(int(len(values) * share), len(values) - 1)]
