"""One hot resource does not starve the others."""

import threading
import time
from pathlib import Path

from soma_operator.core.kinds import DEPLOYMENT, SOMA_MEMORY
from soma_operator.queue import HASTE
from tests.support.audit import Trail
from tests.support.kube_api import KubeApi, Room, eventually
from tests.support.operator_rooms import ACCOUNT, an_operator

INTERVAL_S = 1.0
CHANGE_EVERY_S = 0.05
HOT_S = 3.0
CALM = [f"calm-{number}" for number in range(15)]
STATUSES_A_RUN = 2


def test_a_hot_resource_takes_its_share_and_no_more(
    api: KubeApi, operator_kubeconfig: Path, room: Room, tmp_path: Path
) -> None:
    """While one spec changes twenty times a second, all others get their children, and it is run once an interval."""
    trail = Trail(api.plane.audit_log, ACCOUNT).now()
    with an_operator(operator_kubeconfig, tmp_path, min_interval_s=INTERVAL_S) as operator:
        operator.wait_leading()
        room.make("hot")
        stop = threading.Event()
        hot = threading.Thread(target=change, args=(room, stop))
        begin = time.monotonic()
        hot.start()
        try:
            for name in CALM:
                room.make(name)
            eventually(lambda: len(api.find(DEPLOYMENT, room.namespace)) == 1 + len(CALM) or None)
            time.sleep(HOT_S)
        finally:
            stop.set()
            hot.join()
        last = api.get(SOMA_MEMORY, room.namespace, "hot")["metadata"]["generation"]
        eventually(lambda: room.status("hot")["observedGeneration"] == last or None)
        took_s = time.monotonic() - begin

    told = [write for write in trail.writes() if "/somamemories/hot/status" in write]
    assert len(told) <= STATUSES_A_RUN * (HASTE + 2 + took_s / INTERVAL_S)


def change(room: Room, stop: threading.Event) -> None:
    number = 0
    while not stop.wait(CHANGE_EVERY_S):
        number += 1
        room.edit({"spec": {"updateStrategy": {"progressDeadlineSeconds": 100 + number}}}, "hot")
