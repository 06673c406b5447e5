"""The operator is killed again and again in the middle of its work."""

import random
import time
from pathlib import Path

from soma_operator.core.kinds import CHILD_KINDS, HORIZONTAL_POD_AUTOSCALER
from tests.support.kube_api import Room
from tests.support.operator_rooms import an_operator

KILLS = 6


def test_a_roll_out_survives_kills(operator_kubeconfig: Path, room: Room, tmp_path: Path) -> None:
    """Killed at random moments of creating and changing, the operator ends where it would have without."""
    chance = random.Random(7)
    room.make()

    for number in range(KILLS):
        # Without a Lease: this is about half-done work, not about waiting for a dead leader.
        with an_operator(operator_kubeconfig, tmp_path, f"op-{number}", leader_election=False):
            time.sleep(1.0 + chance.random())
        room.edit({"spec": {"image": {"tag": f"2.{number}"}}})
    with an_operator(operator_kubeconfig, tmp_path, "last", leader_election=False) as last:
        last.wait_ready()
        room.run()

    assert room.status()["version"] == f"2.{KILLS - 1}"
    for kind in set(CHILD_KINDS) - {HORIZONTAL_POD_AUTOSCALER}:
        found = room.api.find(kind, room.namespace)
        assert len([one for one in found if "mem" in one["metadata"]["name"]]) == 1, kind
