"""The decisions of one reconcile: before the writes, and after them."""

from dataclasses import dataclass

from soma_common.errors import InvalidInput
from soma_operator.core.conditions import Situation, invalid_spec
from soma_operator.core.events import Event, transitions
from soma_operator.core.kinds import is_deleting
from soma_operator.core.observed import Observed
from soma_operator.core.plan import Applied, Plan, plan
from soma_operator.core.published import Status, condition, is_published
from soma_operator.core.render import render
from soma_operator.core.render.pods import newest_revision
from soma_operator.core.resolve import ResolvedMemory, resolve
from soma_operator.core.revision import CAUSED_BY_PODS, Choice, choose
from soma_operator.core.status import (
    CONDITION_TYPES,
    deadline_of,
    deleting_status,
    invalid_status,
    opening_status,
    status_of,
)

MISSING_SECRET_RETRY_S = 5.0
"""Secrets are not watched: the right to watch them would be the right to read them all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left to do when nothing more is to be applied.

    Attributes:
        status: The status to publish; None: the stored one says the same.
        events: What to tell.
        requeue_after_s: When time alone changes the outcome, seconds; None: never.
    """

    status: Status | None
    events: tuple[Event, ...]
    requeue_after_s: float | None = None

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
        plan: The writes; empty while paused.
        is_complete: Whether nothing is left unwritten once the plan is carried out.
    """

    memory: ResolvedMemory
    choice: Choice
    opening: Outcome | None
    plan: Plan
    is_complete: bool


def decide(observed: Observed) -> Decision | Outcome:
    """Return the writes for a resource; or the outcome at once, when there is nothing to write for it."""
    if is_deleting(observed.resource):
        return _outcome(deleting_status(observed), observed)
    try:
        memory = resolve(observed)
    except InvalidInput as error:
        return _outcome(invalid_status(invalid_spec(error), observed), observed)
    choice = choose(newest_revision(memory), memory, observed)
    wished = plan(render(memory, choice, observed.unserved), observed)
    if memory.is_paused:
        return Decision(memory, choice, None, Plan((), ()), is_complete=wished.is_empty)
    is_slow = bool(wished.actions) and observed.is_new_generation
    opening = _outcome(opening_status(memory, choice, observed), observed) if is_slow else None
    return Decision(memory, choice, opening, wished, is_complete=not wished.obstacles)


def conclude(observed: Observed, decision: Decision, applied: Applied) -> Outcome:
    """Return what to publish after the writes."""
    memory, choice = decision.memory, decision.choice
    status = status_of(Situation(memory, observed, applied, choice))
    outcome = _outcome(status, observed)
    return Outcome(outcome.status, outcome.events, _wait_s(status, decision, observed))


def _wait_s(status: Status, decision: Decision, observed: Observed) -> float | None:
    """Return when to look again without being woken."""
    waits = [MISSING_SECRET_RETRY_S] if observed.missing_secrets else []
    passing = _time_passes_s(status, decision, observed)
    return min([*waits, passing] if passing is not None else waits, default=None)


def _time_passes_s(status: Status, decision: Decision, observed: Observed) -> float | None:
    """Return when time alone changes what was decided."""
    strategy, stalled = decision.memory.spec.update_strategy, condition(status, "Stalled")
    if stalled and stalled["reason"] in CAUSED_BY_PODS and decision.choice.failed is None:
        return 0.0 if decision.choice.last_good and strategy.rollback.enabled else None
    deadline = deadline_of(status, strategy)
    if deadline is None or condition(status, "Reconciling") is None:
        return None
    return (deadline - observed.now).total_seconds()


def _outcome(status: Status, observed: Observed) -> Outcome:
    if is_published(status, observed, CONDITION_TYPES):
        return Outcome(None, ())
    return Outcome(status, transitions(status, observed))
