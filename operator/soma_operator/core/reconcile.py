"""The decisions of one reconcile: before the writes, and after them."""

from dataclasses import dataclass, replace

from soma_common.errors import InvalidInput
from soma_operator.core.backup.farewell import (
    Farewell,
    Guard,
    farewell,
    is_guarded,
    wished_guard,
)
from soma_operator.core.backup.restore import restoring_job
from soma_operator.core.backup.schedule import due_copy, next_copy_at
from soma_operator.core.events import Event, transitions
from soma_operator.core.inherit import class_name_of
from soma_operator.core.kinds import is_deleting
from soma_operator.core.observed import Observed
from soma_operator.core.plan import Applied, Apply, Plan, plan
from soma_operator.core.pods import Finding
from soma_operator.core.problems import class_not_found, invalid_spec
from soma_operator.core.published import Status, condition, is_published
from soma_operator.core.render import render
from soma_operator.core.render.pods import newest_revision
from soma_operator.core.resolve import ResolvedMemory, resolve, resolve_for_deletion
from soma_operator.core.revision import CAUSED_BY_PODS, Choice, choose, gives_way
from soma_operator.core.situation import Situation
from soma_operator.core.status import (
    CONDITION_TYPES,
    deadline_of,
    deleting_status,
    held_up_status,
    invalid_status,
    opening_status,
    status_of,
)
from soma_operator.core.windows import opens_at

MISSING_RETRY_S = 5.0
"""Secrets are not watched: the right to watch them would be the right to read them all. And that a copy to restore from
was verified wakes the memory that was copied, not the one that waits for it."""

FORGOTTEN_RETRY_S = 60.0
"""What is missing after the progress deadline waits for a person, who is no faster for being asked more often."""

RESIZE_RETRY_S = 30.0
"""A retained claim carries no label, so it is not watched."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left to do when nothing more is to be applied.

    Attributes:
        status: The status to publish; None: the stored one says the same.
        events: What to tell.
        requeue_after_s: When time alone changes the outcome, seconds; None: never.
        guard: What is to be done about the finalizer, before it is told.
    """

    status: Status | None
    events: tuple[Event, ...]
    requeue_after_s: float | None = None
    guard: Guard | None = None

    @property
    def is_passing(self) -> bool:
        """Whether the status tells of nothing but work under way, as the opening one does."""
        ready = condition(self.status, "Ready") if self.status is not None else None
        return ready is not None and ready["reason"] == "Progressing"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be written.

    Attributes:
        memory: The resolved resource.
        choice: Which revision runs.
        opening: A status to publish before the writes, when the generation is new to us.
        guard: What is to be done about the finalizer, before anything else.
        plan: The writes; empty while paused.
        is_complete: Whether nothing is left unwritten once the plan is carried out.
    """

    memory: ResolvedMemory
    choice: Choice
    opening: Outcome | None
    plan: Plan
    is_complete: bool
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """A deletion that waits for us."""

    farewell: Farewell


def decide(observed: Observed) -> Decision | Leave | Outcome:
    """Return the writes for a resource; or the outcome at once, when there is nothing to write for it."""
    if is_deleting(observed.resource):
        return _leave(observed)
    try:
        memory = resolve(observed)
    except InvalidInput as error:
        return _not_understood(error, observed)
    class_name = class_name_of(observed.resource)
    if class_name is not None and observed.of_class is None:
        return _without_class(class_not_found(class_name), memory, observed)
    try:
        newest = newest_revision(memory)
    except InvalidInput as error:
        return _not_understood(error, observed)
    choice = choose(newest, memory, observed)
    children = plan(render(memory, choice, observed.unserved), observed)
    wished = Plan((*children.actions, *_tasks(memory, observed)), children.obstacles)
    guard = wished_guard(memory, observed)
    if memory.is_paused:
        return Decision(memory, choice, None, Plan((), ()), wished.is_empty, guard)
    is_slow = bool(wished.actions) and observed.is_new_generation
    opening = _outcome(opening_status(memory, choice, observed), observed) if is_slow else None
    return Decision(memory, choice, opening, wished, not wished.obstacles, guard)


def _not_understood(error: InvalidInput, observed: Observed) -> Outcome:
    """Return the outcome for a wish that is not valid: no child is written for it, and what runs goes on."""
    outcome = _outcome(invalid_status(invalid_spec(error), observed), observed)
    try:
        guard = wished_guard(resolve_for_deletion(observed), observed)
    except InvalidInput:
        guard = None
    return replace(outcome, guard=guard)


def _without_class(problem: Finding, memory: ResolvedMemory, observed: Observed) -> Outcome:
    """Return the outcome for a wish that is known in part only: no child is written for it."""
    outcome = _outcome(held_up_status(problem, memory, observed), observed)
    # What its deletion waits for is the memory's own affair: no class has a say in it.
    outcome = replace(outcome, guard=wished_guard(memory, observed))
    status = outcome.status or dict(observed.status)
    deadline = deadline_of(status, memory.spec.update_strategy)
    if deadline is None or condition(status, "Reconciling") is None:
        return outcome
    return replace(outcome, requeue_after_s=(deadline - observed.now).total_seconds())


def _leave(observed: Observed) -> Leave | Outcome:
    """Return what is to be done for a resource that is being deleted: nothing, unless it waits for us."""
    if not is_guarded(observed.resource):
        return _outcome(deleting_status(observed), observed)
    try:
        leave = farewell(resolve_for_deletion(observed), observed)
    except InvalidInput:
        # What is not understood is not deleted: the volume stays, and the resource goes.
        leave = Farewell(
            (), Finding("Deleting", "the spec is not understood: the volume stays"), True
        )
    return Leave(leave)


def conclude_leave(leave: Farewell, observed: Observed) -> Outcome:
    """Return what to publish about a deletion that waits for us, or does no longer."""
    outcome = _outcome(deleting_status(observed, leave.finding), observed)
    return Outcome(outcome.status, outcome.events, leave.requeue_after_s)


def _tasks(memory: ResolvedMemory, observed: Observed) -> tuple[Apply, ...]:
    """Return what is made once: the copy that is due, and the Job that fills a new storage."""
    wished = (restoring_job(memory, observed), due_copy(memory, observed))
    return tuple(Apply(one, "Missing") for one in wished if one is not None)


def conclude(observed: Observed, decision: Decision, applied: Applied) -> Outcome:
    """Return what to publish after the writes."""
    memory, choice = decision.memory, decision.choice
    status = status_of(Situation(memory, observed, applied, choice))
    outcome = _outcome(status, observed)
    return Outcome(outcome.status, outcome.events, _wait_s(status, decision, observed))


def _wait_s(status: Status, decision: Decision, observed: Observed) -> float | None:
    """Return when to look again without being woken."""
    is_copy_missing = decision.memory.is_restoring and observed.restore.job is None
    is_forgotten = condition(status, "Stalled") is not None
    retry_s = FORGOTTEN_RETRY_S if is_forgotten else MISSING_RETRY_S
    waits = [retry_s] if observed.missing_secrets or is_copy_missing else []
    waits += [RESIZE_RETRY_S] if condition(status, "ResizePending") else []
    due = next_copy_at(decision.memory, observed.now)
    if decision.choice.pending == "WindowClosed":
        windows = decision.memory.spec.update_strategy.maintenance_windows
        due = min(filter(None, (due, opens_at(windows, observed.now))), default=None)
    waits += [(due - observed.now).total_seconds()] if due is not None else []
    passing = _time_passes_s(status, decision, observed)
    return min([*waits, passing] if passing is not None else waits, default=None)


def _time_passes_s(status: Status, decision: Decision, observed: Observed) -> float | None:
    """Return when time alone changes what was decided."""
    strategy, stalled = decision.memory.spec.update_strategy, condition(status, "Stalled")
    if stalled and stalled["reason"] in CAUSED_BY_PODS and decision.choice.failed is None:
        good = decision.choice.last_good
        running, newest = decision.choice.running, decision.choice.newest
        has_way_back = good is not None and good.name != running.name
        is_taken = has_way_back and strategy.rollback.enabled and gives_way(running, newest)
        return 0.0 if is_taken else None
    deadline = deadline_of(status, strategy)
    if deadline is None or condition(status, "Reconciling") is None:
        return None
    left_s = (deadline - observed.now).total_seconds()
    # What is patient goes on after the deadline, which is then no time to wait for.
    return left_s if left_s > 0 else None


def _outcome(status: Status, observed: Observed) -> Outcome:
    if is_published(status, observed, CONDITION_TYPES):
        return Outcome(None, ())
    return Outcome(status, transitions(status, observed))
