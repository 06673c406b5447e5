"""Several servers of one memory on several nodes, which kwok plays: placed by the real scheduler, run by nobody."""

from collections import Counter
from collections.abc import Iterator

import pytest

from soma_dev.control_plane import ALL_CONTROLLERS, control_plane
from soma_dev.fake_nodes import ZONE, fake_nodes
from soma_operator.core.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, POD, Manifest
from soma_operator.core.published import condition
from tests.support.kube_api import MERGE, KubeApi, eventually, path_of
from tests.support.operator_rooms import a_room, install
from tests.support.several_servers import SERVERS, Several, is_ready
from tests.support.somamemories import conditions_of

NODES = 4
ZONES = 2
SCALED = 5
LONG_S = 60
READY_AFTER_MS = 500

APART = [
    {
        "topologyKey": "kubernetes.io/hostname",
        "maxSkew": 1,
        "whenUnsatisfiable": "DoNotSchedule",
        "minDomains": NODES + 1,
    },
    {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"},
]
"""Constraints: one server on a node, for more nodes are asked for than there are, and as many in each zone."""


@pytest.fixture(scope="module")
def played_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """An API server with all controllers, the scheduler, and nodes whose pods become ready."""
    folder = tmp_path_factory.mktemp("played")
    with (
        control_plane(folder, controllers=ALL_CONTROLLERS) as plane,
        fake_nodes(
            plane,
            folder,
            pods=100,
            volumes=3,
            nodes=NODES,
            zones=ZONES,
            ready_after_ms=READY_AFTER_MS,
        ),
    ):
        yield install(plane)


def settled(several: Several, count: int, image: str) -> list[Manifest]:
    """Wait until so many pods of an image are all there is and serve; return them."""

    def all_of_it() -> list[Manifest] | None:
        pods = several.pods()
        tags = {pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in pods}
        return pods if len(pods) == count and tags == {image} and all(map(is_ready, pods)) else None

    found = eventually(all_of_it, timeout_s=LONG_S)
    several.settled()
    return found


def nodes_of(pods: list[Manifest]) -> list[str]:
    return [pod["spec"]["nodeName"] for pod in pods]


def test_servers_are_spread_and_replaced_without_a_gap(played_api: KubeApi) -> None:
    """Over nodes and zones, before and after a roll-out, in which never fewer serve than are wished for."""
    room = a_room(played_api)
    several = Several(room, {"podTemplate": {"topologySpreadConstraints": APART}})
    several.apply("1")
    before = settled(several, SERVERS, "1")

    since = played_api.request("GET", path_of(POD, room.namespace))["metadata"]["resourceVersion"]
    several.apply("2")
    after = settled(several, SERVERS, "2")

    assert not names(before) & names(after)
    changes = played_api.history(POD, room.namespace, since)
    assert fewest_ready(names(before), changes) == SERVERS
    for pods in (before, after):
        assert len(set(nodes_of(pods))) == SERVERS
        in_zones = Counter(zone_of(played_api, node) for node in nodes_of(pods))
        assert sorted(in_zones.values()) == [1, 2]
    assert conditions_of(several.status())["Ready"] == ("True", "Ready")
    room.clear()


def test_a_server_for_which_there_is_no_node_waits(played_api: KubeApi) -> None:
    """The constraints hold for every server, and the status counts those that serve."""
    room = a_room(played_api)
    several = Several(room, {"podTemplate": {"topologySpreadConstraints": APART}})
    several.apply("1")
    settled(several, SERVERS, "1")

    scale(several, NODES + 1)
    waiting = eventually(lambda: unplaced(several.pods()) or None, timeout_s=LONG_S)
    eventually(lambda: len(several.ready()) == NODES or None, timeout_s=LONG_S)
    several.settled()

    assert len(waiting) == 1
    assert "topology spread constraints" in waiting[0]
    status = several.status()
    assert (status["replicas"], status["readyReplicas"]) == (NODES + 1, NODES)
    room.clear()


def fewest_ready(ready: set[str], changes: list[Manifest]) -> int:
    """Return how few pods served at any time, given those that did at first and every change since."""
    fewest = len(ready)
    for pod in changes:
        is_serving = is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
        ready = (
            ready | {pod["metadata"]["name"]} if is_serving else ready - {pod["metadata"]["name"]}
        )
        fewest = min(fewest, len(ready))
    return fewest


def unplaced(pods: list[Manifest]) -> list[str]:
    """Return why pods have no node."""
    found = [condition(pod["status"], "PodScheduled") for pod in pods]
    return [one["message"] for one in found if one and one["status"] == "False"]


def test_the_number_that_an_autoscaler_chose_is_left_to_it(played_api: KubeApi) -> None:
    """Also by a roll-out, which replaces all of them; the status counts what there is."""
    scaler = {"type": "HPA", "minReplicas": 2, "maxReplicas": SCALED}
    room = a_room(played_api)
    several = Several(room, {"resources": {"requests": {"cpu": "1"}}}, {"autoscaling": scaler})
    several.apply("1")
    settled(several, 2, "1")

    scale(several, SCALED)
    several.apply("1")
    before = settled(several, SCALED, "1")
    several.apply("2")
    after = settled(several, SCALED, "2")

    assert not names(before) & names(after)
    assert played_api.get(DEPLOYMENT, room.namespace, "mem")["spec"]["replicas"] == SCALED
    made = played_api.get(HORIZONTAL_POD_AUTOSCALER, room.namespace, "mem")["spec"]
    assert (made["minReplicas"], made["maxReplicas"]) == (2, SCALED)
    status = several.status()
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (5, 5, 5)
    assert conditions_of(status)["Ready"] == ("True", "Ready")
    room.clear()


def scale(several: Several, count: int) -> None:
    """Set the number of pods as the autoscaler's controller does."""
    where = path_of(DEPLOYMENT, several.room.namespace, "mem")
    path = f"{where}/scale?fieldManager=kube-controller-manager"
    several.room.api.request("PATCH", path, {"spec": {"replicas": count}}, MERGE)


def names(pods: list[Manifest]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def zone_of(api: KubeApi, node: str) -> str:
    zone: str = api.request("GET", f"/api/v1/nodes/{node}")["metadata"]["labels"][ZONE]
    return zone
