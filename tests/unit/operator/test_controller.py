"""The loop around the core, on an API server in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soma_common.errors import Conflict, InvalidInput, Overloaded, PermissionRefused, Unavailable
from soma_operator.adapters.in_memory import InMemoryCluster
from soma_operator.controller import FORBIDDEN_RETRY_S
from soma_operator.core.kinds import (
    CONFIG_MAP,
    EVENT,
    OPTIONAL_KINDS,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE,
    SOMA_MEMORY,
    STORAGE_CLASS,
    Kind,
    Manifest,
)
from soma_operator.core.observed import ObjectKey
from soma_operator.metrics import Metrics
from soma_operator.queue import Pace, WorkQueue
from soma_operator.workers import Workers
from tests.support.controller_bench import KEY, Bench
from tests.support.somamemories import specs


@pytest.fixture
async def bench() -> Bench:
    """A world with one new SomaMemory."""
    bench = Bench()
    await bench.make()
    return bench


async def test_work_under_way_is_told_once(bench: Bench) -> None:
    """The first status of a generation stands until the next look, unless there is more to tell than work under way."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    found = {"apiVersion": STORAGE_CLASS.api_version, "kind": STORAGE_CLASS.name}
    await bench.cluster.create({**found, "metadata": {"name": "disk", "annotations": default}})
    asked: list[tuple[str, Kind]] = []
    bench.cluster.before = lambda verb, kind: asked.append((verb, kind))

    run = await bench.controller.reconcile(KEY)

    assert [one for one in asked if one == ("apply", SOMA_MEMORY)] == [("apply", SOMA_MEMORY)]
    assert [verb for verb, kind in asked if kind == EVENT] == ["create"]
    assert run.requeue_after_s == 0.0


async def test_a_settled_resource_is_left_alone(bench: Bench) -> None:
    """What was brought about and told needs no more writes."""
    await bench.settle()
    version = bench.cluster.version

    assert (await bench.controller.reconcile(KEY)).result == "unchanged"

    assert bench.cluster.version == version


async def test_a_resource_that_is_gone_is_forgotten(bench: Bench) -> None:
    """The garbage collector does the rest."""
    run = await bench.controller.reconcile(ObjectKey("default", "other"))

    assert run.result == "gone"


class Crash(BaseException):
    """The process dies here."""


async def test_a_crash_at_any_request_leads_to_the_same_world() -> None:
    """Killed before each request in turn, and started anew, the operator ends where it would have without."""
    smooth = Bench()
    await smooth.make()
    await smooth.settle()

    for fatal in range(1, await _count_requests() + 1):
        crashed = Bench()
        await crashed.make()
        _die_at(crashed.cluster, fatal)
        with pytest.raises(Crash):
            await crashed.controller.reconcile(KEY)
        crashed.heal()
        await crashed.settle()

        assert _without_uids(await crashed.world()) == _without_uids(await smooth.world()), fatal


async def _count_requests() -> int:
    bench, count = Bench(), [0]
    await bench.make()

    def before(_verb: str, _kind: Kind) -> None:
        count[0] += 1

    bench.cluster.before = before
    await bench.controller.reconcile(KEY)
    return count[0]


def _die_at(cluster: InMemoryCluster, fatal: int) -> None:
    count = [0]

    def before(_verb: str, _kind: Kind) -> None:
        count[0] += 1
        if count[0] == fatal:
            raise Crash

    cluster.before = before


def _without_uids(world: list[Manifest]) -> str:
    return str(world)


CHANGEABLE = (
    "image",
    "replicas",
    "deletionPolicy",
    "service",
    "resources",
    "podDisruptionBudget",
    "monitoring",
    "limits",
    "podTemplate",
    "autoscaling",
    "networkPolicy",
    "hibernated",
)


def changeable() -> st.SearchStrategy[Manifest]:
    """Specs without what cannot be changed."""
    return specs().map(lambda spec: {key: spec[key] for key in CHANGEABLE if key in spec})


@given(steps=st.lists(changeable(), min_size=1, max_size=4))
async def test_steps_lead_where_a_fresh_start_leads(steps: list[Manifest]) -> None:
    """However a resource came to its spec, its children are those of a new resource with that spec."""
    stepwise, fresh = Bench(), Bench()
    await stepwise.make()
    await fresh.make(**steps[-1])

    for spec in steps:
        await stepwise.edit(spec)
        await stepwise.controller.reconcile(KEY)
    await fresh.controller.reconcile(KEY)

    assert await stepwise.children() == await fresh.children()
    await stepwise.settle()
    assert (await stepwise.controller.reconcile(KEY)).result == "unchanged"


async def test_what_a_pause_kept_goes_when_it_ends(bench: Bench) -> None:
    """Children of kinds that are not watched are told of as long as they are there, wished for or not."""
    issued = {"mode": "CertManager", "secretName": "cert"}
    keda = {"triggers": [{"type": "cron", "metadata": {}}]}
    await bench.edit(
        {
            "tls": {**issued, "certManager": {"issuerRef": {"name": "ca"}}},
            "monitoring": {"podMonitor": {"enabled": True}},
            "autoscaling": {"type": "KEDA", "keda": keda},
        }
    )
    await bench.settle()

    await bench.edit({"paused": True})
    await bench.settle()
    told = await bench.conditions()
    kept = [await bench.cluster.find(kind) for kind in OPTIONAL_KINDS]
    await bench.edit({})
    await bench.settle()

    assert [len(found) for found in kept] == [1, 1, 1]
    for kind in ("CertificateReady", "Monitored", "Autoscaled"):
        assert told[kind] == ("Unknown", "Paused")
        assert kind not in await bench.conditions()
    assert [await bench.cluster.find(kind) for kind in OPTIONAL_KINDS] == [[], [], []]


async def test_refused_content_is_a_condition(bench: Bench) -> None:
    """What the API server refuses is told, and not tried in a storm; the other children are made."""
    bench.fail("apply", SERVICE, InvalidInput("refused", detail="port is taken"))

    run = await bench.controller.reconcile(KEY)

    assert run.requeue_after_s is None
    assert (await bench.conditions())["Stalled"] == ("True", "Refused")
    assert await bench.cluster.read(CONFIG_MAP, "default", "mem-config") is not None


async def test_a_forbidden_write_is_tried_again_slowly(bench: Bench) -> None:
    """A quota may be raised without an event that tells us."""
    bench.fail("apply", SERVICE, PermissionRefused("forbidden", detail="exceeded quota"))

    run = await bench.controller.reconcile(KEY)

    assert run.requeue_after_s == FORBIDDEN_RETRY_S
    assert (await bench.conditions())["Reconciling"] == ("True", "Forbidden")


async def test_an_unreadable_storage_class_is_no_obstacle(bench: Bench) -> None:
    """Without the right to list storage classes only the diagnosis is poorer."""
    bench.fail("list", STORAGE_CLASS, PermissionRefused("forbidden", detail="no"))

    await bench.controller.reconcile(KEY)

    assert (await bench.conditions())["Ready"] == ("Unknown", "Progressing")
    assert await bench.cluster.read(PERSISTENT_VOLUME_CLAIM, "default", "mem-data") is not None


async def test_events_are_a_courtesy(bench: Bench) -> None:
    """An Event that cannot be told holds nothing up."""
    bench.fail("create", EVENT, Unavailable("no answer"))

    await bench.controller.reconcile(KEY)

    assert "Reconciling" in await bench.conditions()


async def test_who_lost_the_lease_writes_nothing(bench: Bench) -> None:
    """Leadership is asked for before each write."""
    bench.is_leader = False
    version = bench.cluster.version

    with pytest.raises(Unavailable):
        await bench.controller.reconcile(KEY)

    assert bench.cluster.version == version


async def test_a_status_never_lands_on_a_newer_spec(bench: Bench) -> None:
    """A spec that changes during the reconcile makes its status a conflict, not a lie."""

    def edit(verb: str, kind: Kind) -> None:
        if (verb, kind) == ("apply", CONFIG_MAP):
            stored = bench.cluster._objects[SOMA_MEMORY, "default", "mem"]
            stored.metadata["resourceVersion"] = "changed"
        if (verb, kind) == ("apply", SERVICE):
            raise InvalidInput("refused", detail="there is something to tell")

    bench.cluster.before = edit

    with pytest.raises(Conflict):
        await bench.controller.reconcile(KEY)


@pytest.fixture
def workers(bench: Bench) -> tuple[Workers, WorkQueue]:
    """Workers with their queue; time stands still."""
    queue = WorkQueue(Pace(1.0, 0.5, 300.0), lambda: 100.0, lambda: 1.0)
    made = Workers(bench.controller, queue, Metrics(), clock=lambda: 100.0, timeout_s=5)
    return made, queue


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        (Unavailable("no answer"), 0.5),
        (Overloaded("patience", retry_after_s=7.0), 7.0),
        (Conflict("changed"), 0.5),
        (RuntimeError("a bug"), 0.5),
    ],
)
async def test_any_failure_is_tried_again(
    bench: Bench, workers: tuple[Workers, WorkQueue], error: Exception, wait_s: float
) -> None:
    """Neither a lost answer nor a bug ends a worker; the key waits its time."""
    worker, queue = workers
    bench.fail("get", SOMA_MEMORY, error)
    queue.add(KEY)
    assert await queue.get() == KEY

    assert await worker.work_on(KEY) == "failed"

    assert queue._entries[KEY].due == 100.0 + wait_s


async def test_a_closed_queue_ends_the_worker(workers: tuple[Workers, WorkQueue]) -> None:
    """What was handed out is finished, then the worker returns."""
    worker, queue = workers
    queue.add(KEY)
    queue.close()

    await worker.run()

    assert len(queue) == 1
