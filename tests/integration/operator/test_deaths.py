"""The operator dies around its writes; the long form, around each of them, is in tests/chaos."""

from pathlib import Path

import pytest

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
from tests.support.kube_api import KubeApi, Room

STRIDE = 5
"""Writes that a successor makes before it dies as well."""

QUIET_S = 3.0


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
def test_a_process_that_dies_at_its_writes_is_followed(
    api: KubeApi, operator_kubeconfig: Path, room: Room, tmp_path: Path, is_late: bool
) -> None:
    """Killed around every few writes of the story, each successor goes on where the one before it was."""
    deaths: list[int] = []
    with FaultProxy(api.plane) as proxy, behind(proxy, operator_kubeconfig, tmp_path) as process:
        process.wait_ready()
        writes, golden = learned_writes(api, proxy)

        def die() -> None:
            deaths.append(len(deaths))
            process.kill()
            proxy.plan = in_room(room, at_write(STRIDE, Fault(is_late=is_late, then=die)))
            process.start()

        proxy.plan = in_room(room, at_write(2, Fault(is_late=is_late, then=die)))
        tell(room)
        proxy.mend()

        assert len(deaths) >= writes // STRIDE - 1
        assert_ended_well(room, golden)
        assert_peace(api, [room], QUIET_S)
