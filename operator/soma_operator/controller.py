"""The loop around the pure core: observe, decide, apply, publish; one resource at a time per worker."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from soma_operator.core.backup.farewell import (
    FINALIZER,
    Farewell,
    Guard,
    after_refusals,
    doomed_claim,
    guard_manifest,
)
from soma_operator.core.events import Reporter
from soma_operator.core.kinds import SOMA_MEMORY_BACKUP, Manifest, kind_of, name_of
from soma_operator.core.observed import Defaults, ObjectKey, Observed
from soma_operator.core.plan import Applied, Apply, Delete, Refusal
from soma_operator.core.reconcile import (
    Decision,
    Leave,
    Outcome,
    conclude,
    conclude_leave,
    decide,
)
from soma_operator.core.status import CONDITION_TYPES
from soma_operator.observer import Observer
from soma_operator.ports import Cluster
from soma_operator.traces import stage
from soma_operator.writer import Writer

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
        self._observer = Observer(cluster, defaults=defaults, now=now)
        self._writer = Writer(cluster, CONDITION_TYPES, reporter=reporter, may_write=may_write)

    async def reconcile(self, key: ObjectKey) -> Run:
        """Bring one SomaMemory from what is to what is wished; may be repeated and cancelled any time.

        Raises:
            SomaError: The API server did not do its part; to be tried again.
        """
        with stage("observe"):
            observed = await self._observer.observe(key)
        if observed is None:
            return Run("gone")
        observed = await self._keep_data(observed)
        with stage("decide"):
            decision = decide(observed)
        if isinstance(decision, Outcome):
            observed = await self._guard(decision.guard, observed)
            await self._publish(observed, decision)
            return _run(decision, writes=0)
        if isinstance(decision, Leave):
            return await self._let_go(decision.farewell, observed)
        observed = await self._guard(decision.guard, observed)
        if decision.opening is not None:
            observed = await self._publish(observed, decision.opening)
        with stage("apply"):
            applied = await self._carry_out(decision, observed)
        with stage("conclude"):
            outcome = conclude(observed, decision, applied)
        if decision.opening is not None and outcome.is_passing:
            # The opening says as much; what it leaves out is told at the next look, with what has happened by then.
            return Run("changed", requeue_after_s=0.0)
        await self._publish(observed, outcome)
        return _run(outcome, writes=len(decision.plan.actions), refusals=applied.refusals)

    async def _keep_data(self, observed: Observed) -> Observed:
        """Take the claim from the garbage collector, if it is to stay; return the picture as it is then."""
        doomed = doomed_claim(observed)
        if doomed is None:
            return observed
        kept = await self._writer.disown(doomed, observed)
        children = tuple(kept if one is doomed else one for one in observed.children)
        return replace(observed, children=children)

    async def _guard(self, guard: Guard | None, observed: Observed) -> Observed:
        """Set or release the finalizer; return the picture with the resource as it is then."""
        if guard is None:
            return observed
        if guard == "set":
            return replace(observed, resource=await self._writer.guard(guard_manifest(observed)))
        released = await self._writer.release(observed.resource, FINALIZER)
        return replace(observed, resource=released or observed.resource)

    async def _let_go(self, leave: Farewell, observed: Observed) -> Run:
        """Do what a deletion waits for, and let the resource go when it is done."""
        _, refusals = await self._write(leave.actions, observed)
        leave = after_refusals(leave, refusals)
        outcome = conclude_leave(leave, observed)
        observed = await self._publish(observed, outcome)
        if leave.is_over:
            await self._guard("released", observed)
        return _run(outcome, writes=len(leave.actions) + leave.is_over, refusals=refusals)

    async def _publish(self, observed: Observed, outcome: Outcome) -> Observed:
        if outcome.status is None:
            return observed
        with stage("publish"):
            resource = await self._writer.publish(outcome.status, outcome.events, observed)
        return replace(observed, resource=resource)

    async def _carry_out(self, decision: Decision, observed: Observed) -> Applied:
        children, refusals = await self._write(decision.plan.actions, observed)
        return Applied(
            children=children,
            obstacles=decision.plan.obstacles,
            refusals=refusals,
            # A memory is as wished without the copy that is due: it is tried again, and told by itself.
            is_complete=decision.is_complete
            and all(kind_of(one.manifest) == SOMA_MEMORY_BACKUP for one in refusals),
        )

    async def _write(
        self, actions: tuple[Apply | Delete, ...], observed: Observed
    ) -> tuple[tuple[Manifest, ...], tuple[Refusal, ...]]:
        """Carry out writes; return the children as they are then, and what was refused."""
        children = {(kind_of(one), name_of(one)): one for one in observed.children}
        refusals: list[Refusal] = []
        for action in actions:
            if isinstance(action, Delete):
                await self._writer.delete(action.live, observed.key)
                children.pop((kind_of(action.live), name_of(action.live)), None)
                continue
            applied = await self._writer.apply(action, observed.key)
            if isinstance(applied, Refusal):
                refusals.append(applied)
            else:
                children[kind_of(applied), name_of(applied)] = applied
        return tuple(children.values()), tuple(refusals)


def _run(outcome: Outcome, *, writes: int, refusals: tuple[Refusal, ...] = ()) -> Run:
    waits = [outcome.requeue_after_s] if outcome.requeue_after_s is not None else []
    if any(refusal.is_forbidden for refusal in refusals):
        waits.append(FORBIDDEN_RETRY_S)
    is_changed = bool(writes or outcome.status)
    return Run("changed" if is_changed else "unchanged", min(waits) if waits else None)
