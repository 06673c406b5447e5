"""A converged resource costs no write."""

import time
from pathlib import Path

import pytest

from soma_operator.core.kinds import CHILD_KINDS
from tests.support.audit import Trail
from tests.support.kube_api import KubeApi, Room
from tests.support.operator_process import OperatorProcess
from tests.support.operator_rooms import ACCOUNT, a_room, an_operator

WINDOW_S = 6.0
RESYNC_S = 1.0
"""Many resyncs fit in the window: each looks at every resource and must find nothing to do."""


@pytest.fixture
def operator(operator_kubeconfig: Path, tmp_path: Path) -> OperatorProcess:
    """An operator that looks at everything all the time, not yet started."""
    return an_operator(operator_kubeconfig, tmp_path, resync_s=RESYNC_S)


def test_nothing_is_written_when_nothing_differs(
    api: KubeApi, operator: OperatorProcess, room: Room
) -> None:
    """No write while nothing changes, when others touch the resource, or when the operator starts anew."""
    stuck = a_room(api)
    trail = Trail(api.plane.audit_log, ACCOUNT)
    with operator:
        operator.wait_leading()
        room.make()
        room.run()
        stuck.make(spec={"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}})
        stuck.wait_for("Stalled", "True")
        time.sleep(RESYNC_S)

        converged = trail.now()
        time.sleep(WINDOW_S)
        room.edit({"metadata": {"labels": {"team.test/note": "x"}}})
        time.sleep(RESYNC_S)
        assert operator.stop() == 0
        operator.start()
        operator.wait_leading()
        time.sleep(WINDOW_S / 2)

    assert [write for write in converged.writes() if f"/{room.namespace}/" in write] == []
    assert any("/services?" in str(entry["requestURI"]) for entry in converged.entries())


UNTIL_CHILDREN = 3
"""Requests besides one for each child: the first status, its Event, and the storage classes."""

UNTIL_READY = 6
"""Requests after that: two more statuses, an Event or two, and looks at the claim, which is not watched."""


def test_a_resource_costs_few_requests(
    api: KubeApi, operator_kubeconfig: Path, tmp_path: Path, room: Room
) -> None:
    """One request makes a child, and what was told by a watch or by an own write is not asked for again."""
    # No resync falls into it: how many do depends on how busy the machine is.
    with an_operator(operator_kubeconfig, tmp_path, resync_s=60.0) as operator:
        operator.wait_leading()
        trail = Trail(api.plane.audit_log, ACCOUNT).now()
        room.make()
        room.run()
        time.sleep(RESYNC_S / 2)

        asked = [
            f"{entry['verb']} {entry['requestURI']}"
            for entry in trail.entries()
            if f"/{room.namespace}/" in entry["requestURI"]
            or "/storageclasses" in entry["requestURI"]
        ]

    last = max(number for number, one in enumerate(asked, 1) if "/deployments/" in one)
    children = sum(len(api.find(kind, room.namespace)) for kind in CHILD_KINDS)
    assert last <= children + UNTIL_CHILDREN, "\n".join(asked)
    assert len(asked) <= children + UNTIL_CHILDREN + UNTIL_READY, "\n".join(asked)
