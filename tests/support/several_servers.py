"""A SomaMemory of several servers, which a storage for many will allow; the operator's part in it is played.

The embedded store allows one server, so that no SomaMemory asks for more yet, and no operator would make them. Its
children are rendered here for several, by the operator's own code, and handed to the API server.
"""

from dataclasses import replace
from datetime import UTC, datetime

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
from tests.support.kube_api import Room, eventually, path_of
from tests.support.somamemories import DEFAULTS

SERVERS = 3
DEADLINE_S = 10


class Several:
    """A SomaMemory of several servers.

    Args:
        room: Where it is made.
        spec: More of its spec.
        unchecked: Fields of the spec that the API server would refuse with the embedded store; it never sees them.
    """

    def __init__(
        self, room: Room, spec: Manifest | None = None, unchecked: Manifest | None = None
    ) -> None:
        self.room = room
        self._unchecked = unchecked or {}
        strategy = {"progressDeadlineSeconds": DEADLINE_S}
        room.make(spec={"updateStrategy": strategy, "image": {"tag": "1"}, **(spec or {})})

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
        resource = self.room.api.get(SOMA_MEMORY, self.room.namespace, "mem")
        resource["spec"] |= self._unchecked
        return resource

    def _memory(self) -> ResolvedMemory:
        memory = replace(resolve(self._observed()), is_exclusive=False)
        return (
            memory
            if "autoscaling" in self._unchecked
            else replace(memory, replicas=Replicas(SERVERS))
        )

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
