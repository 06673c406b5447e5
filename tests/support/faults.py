"""A story that every fault is put into, and what its end must look like."""

import itertools
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soma_operator.core.kinds import (
    CHILD_KINDS,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    Manifest,
    is_deleting,
)
from tests.support.audit import Trail
from tests.support.fault_proxy import Asked, Fault, FaultProxy, Plan
from tests.support.kube_api import KubeApi, Room, eventually
from tests.support.operator_process import OperatorProcess
from tests.support.operator_rooms import ACCOUNT, a_room, an_operator

PATIENCE_S = 60.0
"""Faults, waits after them and a new start of the process fit in it many times."""

WISH: Manifest = {"service": {"annotations": {"cloud.test/internal": "1"}}}
CHANGE: Manifest = {
    "image": {"repository": "registry.test/server", "tag": "2.0"},
    "service": None,
    "podDisruptionBudget": {"enabled": False},
}
"""Makes new pods, takes a field back and removes a child."""

_HASH = re.compile(r"\b([0-9a-f]{16}|[0-9a-f]{10})\b")
_OF_THE_SERVER = frozenset({"clusterIP", "clusterIPs"})


def begin(room: Room) -> None:
    """Wish for a memory."""
    room.make(spec=WISH)


def converge(room: Room) -> None:
    """Play the controllers until the wish is fulfilled, however long the operator is away."""
    eventually(
        lambda: room.api.read(PERSISTENT_VOLUME_CLAIM, room.namespace, "mem-data"),
        timeout_s=PATIENCE_S,
        or_say=lambda: str(room.status()),
    )
    room.bind()
    _until_ready(room)


def change(room: Room) -> None:
    """Wish for another one."""
    room.edit({"spec": CHANGE})


def _until_ready(room: Room) -> None:
    def look() -> Manifest | None:
        if room.api.read(DEPLOYMENT, room.namespace, "mem") is not None:
            room.roll_out()
        return room.is_ready()

    eventually(look, timeout_s=PATIENCE_S, or_say=lambda: str(room.status()))


def snapshot(room: Room) -> dict[str, Manifest]:
    """Return all children without what differs between two that were made in the same way."""
    found: dict[str, list[str]] = {}
    for kind in CHILD_KINDS:
        for child in room.api.find(kind, room.namespace):
            metadata = child["metadata"]
            if not metadata["name"].startswith("mem") or is_deleting(child):
                continue
            text = json.dumps(_plain(child)).replace(room.namespace, "ROOM")
            name = _HASH.sub("HASH", f"{kind.name}/{metadata['name']}")
            found.setdefault(name, []).append(_HASH.sub("HASH", text))
    # Those whose names are hashes have no order but that of what they hold.
    return {
        f"{name}#{number}": json.loads(text)
        for name, texts in found.items()
        for number, text in enumerate(sorted(texts))
    }


def _plain(child: Manifest) -> Manifest:
    metadata = child["metadata"]
    owners = [owner["kind"] for owner in metadata.get("ownerReferences", [])]
    kept = {name: metadata.get(name, {}) for name in ("labels", "annotations")}
    spec = {key: one for key, one in child.get("spec", {}).items() if key not in _OF_THE_SERVER}
    content: Manifest = {key: child[key] for key in ("data", "revision") if key in child}
    return {**kept, "owners": owners, "spec": spec, **content}


def assert_ended_well(room: Room, golden: dict[str, Manifest]) -> None:
    """Wait until the children are as they would be without faults, and the memory is ready."""
    eventually(
        lambda: snapshot(room) == golden or None,
        timeout_s=PATIENCE_S,
        or_say=lambda: differences(snapshot(room), golden),
    )
    eventually(room.is_ready, timeout_s=PATIENCE_S, or_say=lambda: str(room.status()))


def assert_peace(api: KubeApi, rooms: list[Room], quiet_s: float) -> None:
    """Check that nothing is written any more in these rooms."""
    # What was under way when the last difference went may still be written.
    time.sleep(1.0)
    trail = Trail(api.plane.audit_log, ACCOUNT).now()
    time.sleep(quiet_s)
    names = {room.namespace for room in rooms}
    assert [write for write in trail.writes() if names & set(write.split("/"))] == []


def differences(found: dict[str, Manifest], golden: dict[str, Manifest]) -> str:
    """Return what is not as it should be."""
    names = sorted(set(found) | set(golden))
    return "\n".join(
        f"{name}: {found.get(name)} is not {golden.get(name)}"
        for name in names
        if found.get(name) != golden.get(name)
    )


@contextmanager
def behind(proxy: FaultProxy, kubeconfig: Path, folder: Path) -> Iterator[OperatorProcess]:
    """Run an operator that reaches the API server through the proxy only, and is quick to try again."""
    config = folder / "through-proxy"
    server = re.compile(r"server: \S+|\"server\": \"[^\"]+\"")
    config.write_text(
        server.sub(lambda found: _replaced(found[0], proxy.url), kubeconfig.read_text())
    )
    quick = {"resync_s": 1, "request_timeout_s": 2, "backoff_base_s": 0.05, "backoff_cap_s": 0.5}
    with an_operator(config, folder, "behind", leader_election=False, **quick) as process:
        yield process


def _replaced(text: str, url: str) -> str:
    return f'"server": "{url}"' if text.startswith('"') else f"server: {url}"


def in_room(room: Room, plan: Plan) -> Plan:
    """Return a plan that concerns writes of one room only."""
    return lambda asked: (
        plan(asked) if asked.is_write and f"/{room.namespace}/" in asked.path else None
    )


def at_write(number: int, fault: Fault) -> Plan:
    """Return a plan that meets the n-th request that it is asked about, from 1."""
    counter = itertools.count(1)
    return lambda _asked: fault if next(counter) == number else None


def learned_writes(api: KubeApi, proxy: FaultProxy) -> tuple[int, dict[str, Manifest]]:
    """Tell the whole story without a fault; return how many writes it took, and its end."""
    room, writes = a_room(api), []

    def note(asked: Asked) -> Fault | None:
        writes.append(asked)
        return None

    proxy.plan = in_room(room, note)
    tell(room)
    time.sleep(1.0)
    proxy.mend()
    return len(writes), snapshot(room)


def tell(room: Room) -> None:
    """Tell the story: a wish, its fulfilment, another wish, its fulfilment, and one revision kept for a way back."""
    begin(room)
    converge(room)
    change(room)
    _until_ready(room)
    eventually(
        lambda: len(room.api.find(CONTROLLER_REVISION, room.namespace)) == 2 or None,
        timeout_s=PATIENCE_S,
    )
