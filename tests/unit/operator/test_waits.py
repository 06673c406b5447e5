"""When a resource is looked at again without being woken: soon enough, and never in a circle."""

from dataclasses import replace

import pytest

from soma_operator.core.kinds import DEPLOYMENT, PERSISTENT_VOLUME_CLAIM, Manifest, kind_of
from soma_operator.core.observed import Observed, Restore
from soma_operator.core.plan import Applied
from soma_operator.core.published import format_time
from soma_operator.core.reconcile import Decision, Outcome, conclude, decide
from tests.support.backup_pictures import a_backup
from tests.support.somamemories import (
    NOW,
    a_pod,
    a_somamemory,
    conditions_of,
    observed_of,
    settled,
    waiting,
)

CRASHING: Manifest = {
    **waiting("CrashLoopBackOff"),
    "lastState": {"terminated": {"exitCode": 3, "message": "no room"}},
    "restartCount": 9,
}


def outcome_of(observed: Observed) -> Outcome:
    decision = decide(observed)
    assert isinstance(decision, Decision)
    return conclude(observed, decision, Applied(observed.children, (), (), is_complete=True))


def told(observed: Observed) -> Manifest:
    status = outcome_of(observed).status
    assert status is not None
    return status


def with_status(observed: Observed, **status: object) -> Observed:
    """Return the picture with more in the published status."""
    stored = {**observed.resource["status"], **status}
    return replace(observed, resource={**observed.resource, "status": stored})


def test_a_good_revision_that_stalled_is_not_looked_at_in_a_circle() -> None:
    """There is nothing to go back to: what happens to its pods wakes it, time does not."""
    served = told(observed_of(children=settled()))
    children = tuple(
        (
            {**one, "status": {**one["status"], "readyReplicas": 0}}
            if kind_of(one) == DEPLOYMENT
            else one
        )
        for one in settled()
    )
    down = observed_of(
        a_somamemory(status={**served, "progressStartedAt": format_time(NOW)}),
        children=children,
        pods=[a_pod(container=CRASHING)],
        later_s=10_000,
    )

    outcome = outcome_of(down)

    assert outcome.status is not None
    assert conditions_of(outcome.status)["Stalled"] == ("True", "CrashLooping")
    assert outcome.requeue_after_s is None


def restoring(later_s: float, **parts: object) -> Observed:
    memory = a_somamemory("new", spec={"bootstrap": {"type": "Backup", "backupName": "one"}})
    began = {"observedGeneration": 1, "progressStartedAt": format_time(NOW), "conditions": []}
    memory = {**memory, "status": began}
    seen = observed_of(memory, children=settled(a_somamemory("new")), later_s=later_s)
    return replace(seen, restore=Restore(**parts))  # type: ignore[arg-type] # a test's parts


def test_a_restore_that_takes_long_is_not_looked_at_in_a_circle() -> None:
    """Its Job wakes the resource; a deadline that has passed is no time to wait for."""
    job: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "new-restore", "annotations": {"memory.soma.sh/source": "pvc://a/b"}},
        "status": {},
    }

    assert outcome_of(restoring(10_000, job=job)).requeue_after_s is None


@pytest.mark.parametrize(("later_s", "wait_s"), [(0, 5.0), (10_000, 60.0)])
def test_a_copy_that_is_missing_is_asked_for_less_often_in_the_end(
    later_s: float, wait_s: float
) -> None:
    """Every five seconds until the deadline, then once a minute: it is a person's turn."""
    assert outcome_of(restoring(later_s)).requeue_after_s == wait_s
    assert outcome_of(restoring(later_s, source=a_backup())).requeue_after_s == wait_s


@pytest.mark.parametrize(("later_s", "wait_s"), [(0, 5.0), (10_000, 60.0)])
def test_a_secret_that_is_missing_is_asked_for_less_often_in_the_end(
    later_s: float, wait_s: float
) -> None:
    """A forgotten mistake is no stream of requests."""
    memory = a_somamemory(
        spec={"auth": {"type": "Tokens", "tokensSecretName": "callers"}},
        status={
            "observedGeneration": 1,
            "progressStartedAt": format_time(NOW),
            "conditions": [],
        },
    )
    observed = replace(
        observed_of(memory, children=settled(memory), later_s=later_s),
        missing_secrets=frozenset({"callers"}),
    )

    assert outcome_of(observed).requeue_after_s == wait_s


def test_a_volume_that_grows_is_looked_at() -> None:
    """A retained claim is not watched: only looking tells that it has grown."""
    children = [
        (
            {**one, "status": {**one["status"], "capacity": {"storage": "5Gi"}}}
            if kind_of(one) == PERSISTENT_VOLUME_CLAIM
            else one
        )
        for one in settled()
    ]

    assert outcome_of(observed_of(children=children)).requeue_after_s == 30.0
