"""Faults between the operator and the API server: whatever happens, the end is the one without faults, and then peace.

Short forms; every write and longer quiet times are in tests/chaos.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soma_operator.core.kinds import Manifest
from tests.support.fault_proxy import Asked, Fault, FaultProxy
from tests.support.faults import (
    PATIENCE_S,
    assert_ended_well,
    assert_peace,
    behind,
    learned_writes,
    tell,
)
from tests.support.kube_api import KubeApi, Room, eventually
from tests.support.operator_process import OperatorProcess
from tests.support.operator_rooms import a_room

QUIET_S = 3.0
"""Two resyncs fit in it."""

Golden = tuple[int, dict[str, Manifest]]
"""Writes of the story without faults, and its end."""


@pytest.fixture(scope="module")
def proxy(api: KubeApi) -> Iterator[FaultProxy]:
    """The way to the API server."""
    with FaultProxy(api.plane) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def operator(
    proxy: FaultProxy, operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """An operator behind the proxy, for all tests that let it live."""
    with behind(proxy, operator_kubeconfig, tmp_path_factory.mktemp("faults")) as process:
        yield process.wait_ready()


@pytest.fixture(scope="module")
def golden(api: KubeApi, proxy: FaultProxy, operator: OperatorProcess) -> Golden:
    """The story without faults."""
    assert operator.page("/readyz")[0] == 200
    return learned_writes(api, proxy)


@pytest.fixture(scope="module")
def told(api: KubeApi) -> Iterator[list[Room]]:
    """Rooms of stories that ended: at the end of all there must be peace in them."""
    rooms: list[Room] = []
    yield rooms
    assert_peace(api, rooms, QUIET_S)


@pytest.fixture
def scene(api: KubeApi, operator: OperatorProcess, told: list[Room]) -> Room:
    """A namespace for one story, with the operator at work."""
    # A watch that the story before broke may still be making up for it.
    eventually(
        lambda: operator.page("/livez")[0] == 200 or None,
        timeout_s=PATIENCE_S,
        or_say=operator.log_path.read_text,
    )
    room = a_room(api)
    told.append(room)
    return room


ANSWERS = [
    Fault(401),
    Fault(403),
    Fault(409),
    Fault(410),
    Fault(422),
    Fault(429, (("Retry-After", "1"),)),
    Fault(500),
    Fault(504),
    Fault(),
    Fault(is_late=True),
    Fault(500, is_late=True),
]


def named(fault: Fault) -> str:
    return f"{fault.code or 'broken'}{' after it was done' if fault.is_late else ''}"


@pytest.mark.parametrize("fault", ANSWERS, ids=named)
def test_answers_that_are_no_answers_change_nothing_in_the_end(
    proxy: FaultProxy,
    golden: Golden,
    scene: Room,
    fault: Fault,
) -> None:
    """Every third request of the operator fails, reads and writes alike, eight times."""
    numbers, left = itertools.count(1), [None] * 8

    def plan(asked: Asked) -> Fault | None:
        if not asked.is_watch and left and next(numbers) % 3 == 0:
            left.pop()
            return fault
        return None

    proxy.plan = plan
    tell(scene)
    assert left == []
    proxy.mend()

    assert_ended_well(scene, golden[1])


def lost(asked: Asked, event: dict[str, Any]) -> dict[str, Any] | None:
    return event if "somamemories" in asked.path else None


def expired(code: int) -> Callable[[Asked, dict[str, Any]], dict[str, Any]]:
    """Return what ends every third event's watch with an error in the stream."""
    numbers = itertools.count(1)

    def line(_asked: Asked, event: dict[str, Any]) -> dict[str, Any]:
        if next(numbers) % 3:
            return event
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        return {"type": "ERROR", "object": {**status, "reason": "Expired", "message": "injected"}}

    return line


@pytest.mark.parametrize(
    "line", [lost, lambda _asked, _event: None, expired(410)], ids=["children", "all", "410"]
)
def test_lost_events_are_made_up_for(
    proxy: FaultProxy,
    golden: Golden,
    scene: Room,
    line: Callable[[Asked, dict[str, Any]], dict[str, Any] | None],
) -> None:
    """Watches that tell nothing, or end all the time, delay what is done, and change nothing of it."""
    proxy.line = line
    tell(scene)
    proxy.mend()

    assert_ended_well(scene, golden[1])


def test_stale_answers_do_no_harm(proxy: FaultProxy, golden: Golden, scene: Room) -> None:
    """Every read is answered with the state of the read before: the end is the same."""
    proxy.stale = True
    tell(scene)
    proxy.mend()

    assert_ended_well(scene, golden[1])


def test_requests_that_nobody_answers_are_given_up(
    proxy: FaultProxy, golden: Golden, scene: Room
) -> None:
    """Half-open connections hold up one worker for the request's time limit, and nothing for ever."""
    left = [None] * 2

    def plan(asked: Asked) -> Fault | None:
        if left and not asked.is_watch and scene.namespace in asked.path:
            left.pop()
            return Fault(hangs=True)
        return None

    proxy.plan = plan
    tell(scene)
    assert left == []
    proxy.mend()

    assert_ended_well(scene, golden[1])
