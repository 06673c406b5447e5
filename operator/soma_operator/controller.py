"""The loop around the pure core: observe, decide, apply, publish; one resource at a time per worker."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from soma_common.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NotFound,
    PermissionRefused,
    SomaError,
    Unavailable,
)
from soma_operator.core.events import Event, Reporter, event_manifest
from soma_operator.core.kinds import Manifest, kind_of, name_of
from soma_operator.core.observed import Defaults, ObjectKey, Observed
from soma_operator.core.plan import Applied, Apply, Delete, Refusal
from soma_operator.core.reconcile import Decision, Outcome, conclude, decide
from soma_operator.core.status import status_manifest, strangers
from soma_operator.observer import Observer
from soma_operator.ports import Cluster

_log = logging.getLogger(__name__)

FORBIDDEN_RETRY_S = 60.0
"""A quota or a right may be granted any time, without an event that tells us."""

Result = Literal["unchanged", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class Run:
    """What one reconcile did, and when time alone asks for the next."""

    result: Result
    requeue_after_s: float | None = None


class Controller:
    """Reconciles SomaMemories.

    Args:
        cluster: The objects.
        defaults: What the release decides.
        reporter: Who tells Events.
        now: Wall time.
        may_write: Whether this process is the leader, asked before each write.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        defaults: Defaults,
        reporter: Reporter,
        now: Callable[[], datetime],
        may_write: Callable[[], bool],
    ) -> None:
        self._cluster = cluster
        self._observer = Observer(cluster, defaults=defaults, now=now)
        self._reporter = reporter
        self._may_write = may_write

    async def reconcile(self, key: ObjectKey) -> Run:
        """Bring one SomaMemory from what is to what is wished; may be repeated and cancelled any time.

        Raises:
            SomaError: The API server did not do its part; to be tried again.
        """
        observed = await self._observer.observe(key)
        if observed is None:
            return Run("gone")
        decision = decide(observed)
        if isinstance(decision, Outcome):
            await self._publish(observed, decision)
            return _run(decision, writes=0)
        if decision.opening is not None:
            observed = await self._publish(observed, decision.opening)
        applied = await self._carry_out(decision, observed)
        outcome = conclude(observed, decision, applied)
        if decision.opening is not None and outcome.is_passing:
            # The opening says as much; what it leaves out is told at the next look, with what has happened by then.
            return Run("changed", requeue_after_s=0.0)
        await self._publish(observed, outcome)
        return _run(outcome, writes=len(decision.plan.actions), refusals=applied.refusals)

    async def _carry_out(self, decision: Decision, observed: Observed) -> Applied:
        children = {(kind_of(one), name_of(one)): one for one in observed.children}
        refusals: list[Refusal] = []
        for action in decision.plan.actions:
            self._check_leadership()
            if isinstance(action, Delete):
                await self._cluster.delete(action.live)
                children.pop((kind_of(action.live), name_of(action.live)), None)
                self._tell_write("deleted a child", observed.key, action.live, why="Unwished")
                continue
            applied = await self._apply(action, observed.key)
            if isinstance(applied, Refusal):
                refusals.append(applied)
            else:
                children[kind_of(applied), name_of(applied)] = applied
        return Applied(
            children=tuple(children.values()),
            obstacles=decision.plan.obstacles,
            refusals=tuple(refusals),
            is_complete=decision.is_complete and not refusals,
        )

    async def _apply(self, action: Apply, key: ObjectKey) -> Manifest | Refusal:
        # What is not known is not written over: it may be somebody else's, and not watched.
        write = self._cluster.make if action.why == "Missing" else self._cluster.apply
        try:
            live = await write(action.manifest)
        except AlreadyExists as error:
            raise Conflict("a child that was missing is there", **error.facts) from None
        except InvalidInput as error:
            return Refusal(action.manifest, False, str(error.facts["detail"]))
        except PermissionRefused as error:
            return Refusal(action.manifest, True, str(error.facts["detail"]))
        self._tell_write("applied a child", key, live, why=action.why)
        return live

    async def _publish(self, observed: Observed, outcome: Outcome) -> Observed:
        if outcome.status is None:
            return observed
        self._check_leadership()
        try:
            resource = await self._cluster.apply_status(status_manifest(outcome.status, observed))
            if types := strangers(outcome.status, resource):
                resource = await self._cluster.drop_conditions(resource, types)
        except NotFound:
            return observed  # Deleted meanwhile: nobody is left to tell.
        for event in outcome.events:
            await self._tell(event, observed)
        return replace(observed, resource=resource)

    async def _tell(self, event: Event, observed: Observed) -> None:
        _log.info(
            "state changed",
            extra={**fields_of(observed.key), "reason": event.reason, "generation": observed.metadata["generation"]},
        )  # fmt: skip
        try:
            await self._cluster.create(event_manifest(event, observed, self._reporter))
        except AlreadyExists:
            return
        except SomaError as error:
            # An Event is a courtesy: what matters is in the status, and must not be held up.
            _log.warning(
                "failed to write an event",
                extra={**fields_of(observed.key), "reason": error.reason},
            )

    def _check_leadership(self) -> None:
        if not self._may_write():
            raise Unavailable("this process is no longer the leader")

    def _tell_write(self, text: str, key: ObjectKey, live: Manifest, *, why: str) -> None:
        _log.info(
            text,
            extra={**fields_of(key), "child": f"{live['kind']}/{name_of(live)}", "reason": why},
        )


def _run(outcome: Outcome, *, writes: int, refusals: tuple[Refusal, ...] = ()) -> Run:
    waits = [outcome.requeue_after_s] if outcome.requeue_after_s is not None else []
    if any(refusal.is_forbidden for refusal in refusals):
        waits.append(FORBIDDEN_RETRY_S)
    is_changed = bool(writes or outcome.status)
    return Run("changed" if is_changed else "unchanged", min(waits) if waits else None)


def fields_of(key: ObjectKey) -> dict[str, str]:
    """Return the key as fields of a log line."""
    return {"k8s_namespace": key.namespace, "k8s_name": key.name}
