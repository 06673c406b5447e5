"""Who is measured: this operator and a published one on kopf, each as a process with what it is given."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from soma_dev.control_plane import ControlPlane
from soma_operator.core.kinds import DEPLOYMENT, SOMA_MEMORY, Kind, Manifest, name_of
from tests.bench.operator import peer
from tests.bench.operator.cluster import AS_TAKEN, Pace, Times, Told, Watched, apply_all
from tests.support import operator_rooms as rooms
from tests.support.kube_api import KubeApi, Room


@dataclass(frozen=True, slots=True)
class Contender:
    """One operator, and how it is measured.

    Attributes:
        kind: What it is given.
        account: Its name to the API server.
        process: Starts it; acts once entered, and gives the id of the process.
        wish: Makes a resource's manifest from namespace and name.
        deployments: How many Deployments a resource has; it is ready when all their pods are.
        children: How many objects it makes for a resource.
        own: Kinds of objects that it makes and that are no children.
        tells_ready: Tells the name of a resource whose own status says that it is ready; None: none says so.
    """

    kind: Kind
    account: str
    process: Callable[[], AbstractContextManager[int]]
    wish: Callable[[str, str], Manifest]
    deployments: int
    children: int
    own: frozenset[str]
    tells_ready: Told | None = None


def is_ready(deployment: Manifest) -> bool:
    """Return whether all pods of a Deployment are ready."""
    ready: int = deployment.get("status", {}).get("readyReplicas", 0)
    return ready >= int(deployment["spec"]["replicas"])


def parts(is_so: Callable[[Manifest], bool] = is_ready) -> Watched:
    """Return a watch that tells the n-th Deployment of a resource for which something is so, as NAME/n."""
    seen: dict[str, list[str]] = {}

    def told(deployment: Manifest) -> str | None:
        name = name_of(deployment)
        if not is_so(deployment):
            return None
        resource = "-".join(name.split("-")[:2])
        parts = seen.setdefault(resource, [])
        if name not in parts:
            parts.append(name)
        return f"{resource}/{parts.index(name)}"

    return Watched(DEPLOYMENT, told)


def apply(
    plane: ControlPlane,
    room: Room,
    contender: Contender,
    count: int,
    watched: Watched,
    pace: Pace = AS_TAKEN,
) -> Times:
    """Apply resources, and wait until all their Deployments were told of, or patience ends."""
    wishes = [contender.wish(room.namespace, f"mem-{number}") for number in range(count)]
    wished = {f"{name_of(one)}/{part}" for one in wishes for part in range(contender.deployments)}
    told = [watched]
    if contender.tells_ready is not None:
        told.append(Watched(contender.kind, contender.tells_ready))
        wished |= {name_of(one) for one in wishes}
    return asyncio.run(apply_all(plane, contender.kind, wishes, told, wished, pace))


def ours(api: KubeApi, folder: Path) -> Contender:
    """Return this operator."""
    kubeconfig = rooms.kubeconfig_of_the_operator(api, folder / "access")

    @contextmanager
    def process() -> Iterator[int]:
        with rooms.an_operator(kubeconfig, folder, min_interval_s=1, lease_duration_s=120) as one:
            one.wait_leading()
            yield one.pid
            assert one.stop() == 0

    return Contender(
        kind=SOMA_MEMORY,
        account=rooms.ACCOUNT,
        process=process,
        wish=lambda namespace, name: Room(api, namespace).manifest(name),
        deployments=1,
        children=8,
        own=frozenset({"events", "leases"}),
        tells_ready=ready_memory,
    )


def theirs(api: KubeApi, folder: Path, environment: Path) -> Contender:
    """Return the peer, with its CRDs on the API server."""
    operator = peer.DaskOperator(api, folder, environment)
    operator.install()

    @contextmanager
    def process() -> Iterator[int]:
        with operator:
            yield operator.pid

    return Contender(
        kind=peer.DASK_CLUSTER,
        account=peer.ACCOUNT,
        process=process,
        wish=lambda namespace, name: peer.a_dask_cluster(name, namespace),
        deployments=2,
        children=4,
        own=frozenset({"events"}),
    )


def ready_memory(resource: Manifest) -> str | None:
    """Return the name of a SomaMemory that is ready."""
    return name_of(resource) if resource.get("status", {}).get("phase") == "Ready" else None
