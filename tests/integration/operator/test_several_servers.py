"""Several servers of one memory, which a storage for many will allow: what is rendered for them, on real controllers.

The embedded store allows one server, so that no SomaMemory asks for more yet. Its children for three are rendered here
and handed to the API server with the controllers of Deployments and of disruption; the kubelet is played.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from soma_dev.control_plane import HOUSEKEEPING, control_plane
from soma_operator.core.kinds import DEPLOYMENT, POD, SOMA_MEMORY, Manifest
from soma_operator.core.observed import Observed
from soma_operator.core.plan import Applied
from soma_operator.core.published import Status, condition, format_time
from soma_operator.core.render import render
from soma_operator.core.render.pods import newest_revision
from soma_operator.core.resolve import Replicas, ResolvedMemory, resolve
from soma_operator.core.revision import Choice
from soma_operator.core.situation import Situation
from soma_operator.core.status import status_of
from tests.support.kube_api import KubeApi, Refused, Room, eventually, path_of
from tests.support.operator_rooms import a_room, install
from tests.support.somamemories import DEFAULTS, conditions_of

SERVERS = 3
DEADLINE_S = 10


@pytest.fixture(scope="module")
def acting_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """An API server with the controllers that make pods of Deployments and count disruptions."""
    acting = ("deployment-controller", "replicaset-controller", "disruption-controller")
    folder = tmp_path_factory.mktemp("acting")
    with control_plane(folder, controllers=(*HOUSEKEEPING, *acting)) as plane:
        yield install(plane)


class Several:
    """A SomaMemory of several servers, with the operator's and the kubelet's parts in it played."""

    def __init__(self, room: Room) -> None:
        self.room = room
        strategy = {"progressDeadlineSeconds": DEADLINE_S}
        room.make(spec={"updateStrategy": strategy, "image": {"tag": "1"}})

    def apply(self, tag: str) -> None:
        """Let the pods be those of an image, as the operator would."""
        if self._resource()["spec"]["image"]["tag"] != tag:
            self.room.edit({"spec": {"image": {"tag": tag}}})
        memory = self._memory()
        for manifest in render(memory, self._choice(memory)).manifests:
            self.room.api.apply(manifest, "soma-operator")

    def status(self) -> Status:
        """Return what the operator would publish."""
        memory, observed = self._memory(), self._observed()
        done = Applied(observed.children, (), (), is_complete=True)
        return status_of(Situation(memory, observed, done, self._choice(memory)))

    def pods(self) -> list[Manifest]:
        """Return the pods that nobody has told to go."""
        found = self.room.api.find(POD, self.room.namespace)
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    def ready(self) -> set[str]:
        """Return the names of the pods that serve."""
        return {one["metadata"]["name"] for one in self.pods() if is_ready(one)}

    def let_one_serve(self) -> None:
        """Play the kubelet: one pod more becomes ready."""
        pod = eventually(lambda: next((one for one in self.pods() if not is_ready(one)), None))
        now = format_time(datetime.now(UTC))
        status = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
        }
        name = pod["metadata"]["name"]
        self.room.api.patch(POD, self.room.namespace, name, {"status": status}, "/status")

    def serve_all(self) -> set[str]:
        """Let all pods serve, and return their names."""
        for count in range(1, SERVERS + 1):
            self.let_one_serve()
            self._wait_for_ready(count)
        self.settled()
        return self.ready()

    def settled(self) -> None:
        """Wait until the Deployment's controller has seen everything."""
        eventually(lambda: self._is_settled() or None)

    def evict(self, name: str) -> None:
        """Ask for a pod to go, as a drain does."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": self.room.namespace},
        }
        where = path_of(POD, self.room.namespace, name)
        self.room.api.request("POST", f"{where}/eviction", body)

    def _is_settled(self) -> bool:
        live = self.room.child(DEPLOYMENT)
        status = live.get("status", {})
        seen = status.get("observedGeneration") == live["metadata"]["generation"]
        return bool(seen and status.get("readyReplicas", 0) == len(self.ready()))

    def _wait_for_ready(self, count: int) -> None:
        eventually(lambda: len(self.ready()) == count or None)

    def _resource(self) -> Manifest:
        return self.room.api.get(SOMA_MEMORY, self.room.namespace, "mem")

    def _memory(self) -> ResolvedMemory:
        return replace(resolve(self._observed()), is_exclusive=False, replicas=Replicas(SERVERS))

    def _choice(self, memory: ResolvedMemory) -> Choice:
        newest = newest_revision(memory)
        return Choice(newest, newest)

    def _observed(self) -> Observed:
        live = self.room.api.read(DEPLOYMENT, self.room.namespace, "mem")
        if live is not None:
            live |= {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.name}
        return Observed(
            resource=self._resource(),
            children=() if live is None else (live,),
            pods=(),
            storage_classes=None,
            now=datetime.now(UTC),
            defaults=DEFAULTS,
        )


def is_ready(pod: Manifest) -> bool:
    found = condition(pod.get("status", {}), "Ready")
    return found is not None and found["status"] == "True"


@pytest.fixture
def several(acting_api: KubeApi) -> Iterator[Several]:
    """A memory of three servers that serve."""
    room = a_room(acting_api)
    made = Several(room)
    made.apply("1")
    made.serve_all()
    yield made
    room.clear()


def test_servers_are_replaced_one_after_the_other(several: Several) -> None:
    """All through a roll-out as many serve as are wished for; the status counts, and is Ready at its end only."""
    old = several.ready()
    several.apply("2")
    told = []
    for _ in range(SERVERS):
        eventually(lambda: len(several.pods()) == SERVERS + 1 or None)
        several.settled()
        assert len(several.ready()) == SERVERS
        told.append(condition(several.status(), "Ready"))
        several.let_one_serve()
        eventually(lambda: len(several.ready()) == SERVERS or None)
        several.settled()

    assert not old & several.ready()
    assert [one["reason"] for one in told if one] == ["Progressing"] * SERVERS
    assert [one["message"][:9] for one in told if one] == [f"{n} of 3 po" for n in (1, 2, 3)]
    assert conditions_of(several.status())["Ready"] == ("True", "Ready")


def test_a_release_that_does_not_come_up_stops_at_its_first_server(several: Several) -> None:
    """The others are not touched, and going back takes away the one that never served."""
    old = several.ready()
    several.apply("2")
    eventually(lambda: len(several.pods()) == SERVERS + 1 or None)
    eventually(lambda: is_late(several) or None, timeout_s=DEADLINE_S + 20)

    assert several.ready() == old
    several.apply("1")
    eventually(lambda: len(several.pods()) == SERVERS or None)
    several.settled()
    assert several.ready() == old
    assert conditions_of(several.status())["Ready"] == ("True", "Ready")


def is_late(several: Several) -> bool:
    """Return whether the Deployment's controller has given the roll-out up."""
    live = several.room.child(DEPLOYMENT)
    progressing = condition(live.get("status", {}), "Progressing")
    return progressing is not None and progressing["reason"] == "ProgressDeadlineExceeded"


def test_a_drain_takes_one_server_at_a_time(several: Several) -> None:
    """The second one goes when the first one has a successor that serves."""
    first, second, _ = sorted(several.ready())
    eventually(lambda: evicted(several, first) or None)

    with pytest.raises(Refused) as caught:
        several.evict(second)
    assert caught.value.code == 429
    assert "disruption budget" in caught.value.message

    several.let_one_serve()
    eventually(lambda: evicted(several, second) or None)


def evicted(several: Several, name: str) -> bool:
    """Evict a pod; return whether that was allowed, for the budget is counted a moment later."""
    try:
        several.evict(name)
    except Refused as refusal:
        if refusal.code != 429:
            raise
        return False
    return True
