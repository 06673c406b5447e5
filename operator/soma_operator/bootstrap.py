"""Composition root: settings -> adapters -> controller, and the order of start and stop.

Start: health -> CRD -> Lease -> watches -> one list of everything -> workers.
Stop: workers finish what they have -> watches end -> Lease given back -> session closed.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from soma_common.errors import SomaError
from soma_operator import __version__
from soma_operator.adapters.access import Access
from soma_operator.adapters.cached import CachedCluster, Memory
from soma_operator.adapters.kubernetes import KubernetesCluster, connect
from soma_operator.adapters.otlp import exporting
from soma_operator.backup_controller import BackupController
from soma_operator.controller import Controller
from soma_operator.core.events import Reporter
from soma_operator.core.kinds import OWN_KINDS, SOMA_MEMORY, SOMA_MEMORY_BACKUP
from soma_operator.core.observed import Defaults, ObjectKey
from soma_operator.health import Health, serve
from soma_operator.leader import Leader, Term
from soma_operator.metrics import Metrics
from soma_operator.ports import Watches
from soma_operator.queue import Pace, WorkQueue
from soma_operator.resync import Resync
from soma_operator.settings import OperatorSettings
from soma_operator.workers import Workers

_log = logging.getLogger(__name__)

CRD_POLL_S = 2.0
PRIME_RETRY_S = 1.0

CONTROLLER_NAME = f"{SOMA_MEMORY.group}/soma-operator"

MakeWatches = Callable[[WorkQueue, WorkQueue, Memory], Watches]
"""From the queues of memories and of backups, and from what is remembered."""

BACKUP_WORKERS = 2
"""Copies are looked at by workers of their own: they never make a memory wait."""


@dataclass(frozen=True, slots=True)
class Process:
    """What a process gives the operator that lives in it.

    Attributes:
        stop: Set when it is to end.
        arm_signals: Makes signals set `stop`; called again after another party took them.
        now: Wall time.
    """

    stop: asyncio.Event
    arm_signals: Callable[[], None]
    now: Callable[[], datetime]


async def run_operator(
    settings: OperatorSettings, access: Access, make_watches: MakeWatches, process: Process
) -> bool:
    """Run until told to stop.

    Returns:
        Whether the end was wished for; else the Lease was lost or the watches ended, and the process must end too.
    """
    process.arm_signals()
    clock = asyncio.get_running_loop().time
    metrics, health = Metrics(), Health()
    async with (
        serve(health, metrics, host=settings.http_host, port=settings.http_port),
        connect(access, metrics, timeout_s=settings.request_timeout_s) as cluster,
        _tracing(settings),
    ):
        _log.info("started", extra={"identity": settings.identity})
        leader = Leader(cluster, _term(settings), clock=clock, now=process.now)
        metrics.is_leader.set_function(lambda: float(leader.is_leading))
        acting = _Acting(settings, cluster, leader, make_watches, process, metrics, health)
        health.ready["crd"] = lambda: "the CRD is not served yet"
        if not await _unless_stopped(_crd_is_served(cluster), process.stop):
            return True
        del health.ready["crd"]
        try:
            election = leader.acquire() if settings.leader_election else asyncio.sleep(0)
            if not await _unless_stopped(election, process.stop):
                return True
            return await acting.run()
        finally:
            await leader.release()


class _Acting:
    """What the operator does while it holds the Lease; made before, so that its health can be told."""

    def __init__(
        self,
        settings: OperatorSettings,
        cluster: KubernetesCluster,
        leader: Leader,
        make_watches: MakeWatches,
        process: Process,
        metrics: Metrics,
        health: Health,
    ) -> None:
        clock = asyncio.get_running_loop().time
        self._settings = settings
        self._leader = leader
        self._process = process
        self._queue = WorkQueue(_pace(settings), clock, random.random)
        self._backups = WorkQueue(_pace(settings), clock, random.random)
        metrics.queue_depth.set_function(lambda: float(len(self._queue) + len(self._backups)))
        memory = Memory()
        self._watches = make_watches(self._queue, self._backups, memory)
        self._cluster = CachedCluster(cluster, memory, clock=clock)
        self._primed = asyncio.Event()
        defaults = Defaults(settings.server_image, settings.server_pull_policy, __version__)
        reporter = Reporter(CONTROLLER_NAME, settings.identity)
        memories, backups = (
            kind(
                self._cluster,
                defaults=defaults,
                reporter=reporter,
                now=process.now,
                may_write=self._is_chosen,
            )
            for kind in (Controller, BackupController)
        )
        timeout_s = settings.reconcile_timeout_s
        of_memories, of_backups = (
            Workers(kind, queue, metrics, clock=clock, timeout_s=timeout_s)
            for kind, queue in ((memories, self._queue), (backups, self._backups))
        )
        self._workers = (*[of_memories] * settings.workers, *[of_backups] * BACKUP_WORKERS)
        self._memory = memory
        kept = {
            "objects": lambda: len(memory),
            "keys": lambda: self._queue.known + self._backups.known,
            "resources": lambda: len(self._watches.seen),
            "tasks": lambda: len(asyncio.all_tasks()),
        }
        for what, count in kept.items():
            metrics.kept.labels(what).set_function(count)
        metrics.tell_backups(lambda: memory.all_of(SOMA_MEMORY))
        self._resync = Resync(
            self._listed,
            self._watches,
            self._queue,
            interval_s=settings.resync_s,
        )
        health.alive["watches"] = self._watches.problem
        health.alive["resync"] = self._resync.problem
        health.ready["started"] = self._still_starting

    async def run(self) -> bool:
        """Act until told to stop, or until something that must not end has ended."""
        stop = self._process.stop
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work(one)) for one in self._workers]
            priming = group.create_task(self._prime())
            resync = group.create_task(self._resync.run())
            stopping = group.create_task(stop.wait())
            holding = group.create_task(self._hold(stop))
            await asyncio.sleep(0)
            ours = asyncio.all_tasks()
            await self._watches.spawn()
            # The watches' library takes SIGTERM for itself; the order of the stop is ours to keep.
            self._process.arm_signals()
            watching = group.create_task(self._watch(ours))
            await asyncio.wait({stopping, holding, watching}, return_when=asyncio.FIRST_COMPLETED)
            is_wished = stop.is_set()
            _log.info("stopping", extra={"is_wished": is_wished})
            self._queue.close()
            self._backups.close()
            self._primed.set()
            if is_wished:
                await asyncio.wait(workers)
            self._watches.stop()
            await asyncio.wait({watching})
            for task in (*workers, priming, resync, stopping, holding):
                task.cancel()
        return is_wished

    async def _prime(self) -> None:
        """List everything once: what is not remembered then is not there."""
        while True:
            try:
                await self._listed()
            except SomaError as error:
                facts = {"reason": error.reason, "facts": error.facts}
                _log.warning("failed to list what there is", extra=facts)
                await asyncio.sleep(PRIME_RETRY_S)
            else:
                self._primed.set()
                return

    async def _listed(self) -> dict[ObjectKey, str]:
        await self._cluster.refresh(self._settings.namespaces or (None,))
        for key in self._memory.versions(SOMA_MEMORY_BACKUP):
            self._backups.add(key)
        return self._memory.versions()

    async def _work(self, workers: Workers) -> None:
        await self._primed.wait()
        await workers.run()

    def _is_chosen(self) -> bool:
        return self._leader.is_leading or not self._settings.leader_election

    def _still_starting(self) -> str | None:
        """Return why a chosen process does not act yet; one that waits for the Lease does its part."""
        is_late = self._is_chosen() and not (self._watches.is_started and self._primed.is_set())
        return "chosen, and has not seen everything yet" if is_late else None

    async def _watch(self, ours: Collection[asyncio.Task[object]]) -> None:
        try:
            await self._watches.run(ours)
        # Whatever ends the watches ends the process; it is told here, once, as a line of the log.
        except Exception:  # noqa: BLE001
            _log.exception("the watches ended")

    async def _hold(self, stop: asyncio.Event) -> None:
        if self._settings.leader_election:
            await self._leader.hold()
        else:
            await stop.wait()


def _tracing(settings: OperatorSettings) -> AbstractAsyncContextManager[None]:
    if settings.otlp_endpoint is None:
        return nullcontext()
    resource = {
        "service.name": settings.service,
        "service.version": __version__,
        "service.instance.id": settings.identity,
    }
    return exporting(settings.otlp_endpoint, share=settings.trace_share, resource=resource)


async def _unless_stopped(work: Awaitable[None], stop: asyncio.Event) -> bool:
    """Do the work, or give it up when told to stop; return whether it was done."""
    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(stop.wait())
        working = asyncio.ensure_future(work)
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
            return False
        working.result()
        return True


async def _crd_is_served(cluster: KubernetesCluster) -> None:
    """Wait for the CRDs: the chart may install them a moment after us, and watching what is not there fails."""
    while True:
        try:
            missing = [kind.plural for kind in OWN_KINDS if not await cluster.serves(kind)]
            if not missing:
                return
            _log.info("waiting for the CRD", extra={"kind": missing[0]})
        except SomaError as error:
            _log.warning("failed to ask for the CRD", extra={"reason": error.reason})
        await asyncio.sleep(CRD_POLL_S)


def _term(settings: OperatorSettings) -> Term:
    return Term(
        namespace=settings.namespace,
        name=settings.lease_name,
        identity=settings.identity,
        duration_s=settings.lease_duration_s,
        renew_s=settings.lease_renew_s,
    )


def _pace(settings: OperatorSettings) -> Pace:
    return Pace(
        min_interval_s=settings.min_interval_s,
        backoff_base_s=settings.backoff_base_s,
        backoff_cap_s=settings.backoff_cap_s,
    )


def utc_now() -> datetime:
    """Return the time: the one place that asks the clock on the wall."""
    return datetime.now(UTC)  # noqa: TID251 - the edge where time comes in
