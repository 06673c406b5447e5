"""The long form of the operator's faults: it dies before and after each write of the story, one after the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from soma_dev.control_plane import ControlPlane
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.faults import (
    assert_ended_well,
    assert_peace,
    at_write,
    behind,
    in_room,
    learned_writes,
    tell,
)
from tests.support.kube_api import Room
from tests.support.operator_rooms import a_room, install, kubeconfig_of_the_operator

QUIET_S = 60.0


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    """The way to the API server."""
    with FaultProxy(control_plane) as proxy:
        yield proxy


@pytest.mark.timeout(1800)
def test_a_death_at_any_write_is_survived(
    control_plane: ControlPlane, proxy: FaultProxy, tmp_path: Path
) -> None:
    """For each write of the story: killed before it and killed after it, the end is the one without deaths."""
    api = install(control_plane)
    kubeconfig = kubeconfig_of_the_operator(api, tmp_path / "config")
    told: list[Room] = []
    with behind(proxy, kubeconfig, tmp_path) as process:
        process.wait_ready()
        writes, golden = learned_writes(api, proxy)

        def die() -> None:
            process.kill()
            process.start()

        for number in range(1, writes + 1):
            for is_late in (False, True):
                room = a_room(api)
                told.append(room)
                proxy.plan = in_room(room, at_write(number, Fault(is_late=is_late, then=die)))
                tell(room)
                proxy.mend()
                assert_ended_well(room, golden)
        assert_peace(api, told, QUIET_S)
