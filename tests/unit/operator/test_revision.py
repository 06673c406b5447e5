"""Which revision runs: the newest one, one that waits for approval, or the last good one."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from soma_operator.core.kinds import CONTROLLER_REVISION, DEPLOYMENT, Manifest, kind_of
from soma_operator.core.observed import Observed
from soma_operator.core.plan import Applied, Apply, Delete
from soma_operator.core.reconcile import Decision, conclude, decide
from soma_operator.core.render.controller_revision import controller_revision
from soma_operator.core.render.pods import newest_revision
from soma_operator.core.resolve import resolve
from soma_operator.core.revision import wish_of
from tests.support.gitops import kstatus
from tests.support.somamemories import (
    DEFAULTS,
    a_pod,
    a_somamemory,
    choice_of,
    conditions_of,
    name_of_revision,
    observed_of,
    settled,
    specs,
)

NEW_RELEASE = replace(DEFAULTS, server_image="registry.test/soma-memory-server:2.0.0")

GOOD: Manifest = {"monitoring": {"logLevel": "Info"}}
CHANGED: Manifest = {"monitoring": {"logLevel": "Debug"}}


def served(spec: Manifest | None = None) -> tuple[Manifest, Manifest]:
    """Return the status of a resource that served with this spec, and nothing else known of it."""
    resource = a_somamemory(spec=spec)
    observed = observed_of(resource, children=settled(resource))
    decision = decide(observed)
    assert isinstance(decision, Decision)
    outcome = conclude(observed, decision, Applied(observed.children, (), (), is_complete=True))
    assert outcome.status is not None
    return resource, outcome.status


def later(
    spec: Manifest | None = None,
    *,
    before: Manifest | None = None,
    status: Manifest | None = None,
    generation: int = 2,
    annotations: dict[str, str] | None = None,
) -> Observed:
    """Return a resource that served with the spec `before` and now has this one."""
    resource, told = served(before)
    changed = a_somamemory(
        spec=spec, generation=generation, annotations=annotations, status={**told, **(status or {})}
    )
    return observed_of(changed, children=settled(resource))


def concluded(observed: Observed, children: tuple[Manifest, ...] | None = None) -> Manifest:
    """Return the status that is published, or that stands."""
    decision = decide(observed)
    assert isinstance(decision, Decision)
    done = Applied(children or observed.children, (), (), is_complete=True)
    outcome = conclude(observed, decision, done)
    return outcome.status or dict(observed.status)


def test_a_change_of_the_spec_rolls_out_at_once() -> None:
    """The newest revision runs, and the one that served is kept beside it."""
    choice = choice_of(later(CHANGED, before=GOOD))

    assert choice.running == choice.newest
    assert choice.last_good is not None
    assert [one.name for one in choice.kept] == [choice.newest.name, choice.last_good.name]


def test_a_new_release_of_the_operator_restarts_no_pod() -> None:
    """Another default image waits, the Deployment is not written, and the status says how to let it."""
    observed = replace(later(generation=1), defaults=NEW_RELEASE)

    decision = decide(observed)
    status = concluded(observed)

    assert isinstance(decision, Decision)
    written = [one.manifest for one in decision.plan.actions if isinstance(one, Apply)]
    assert [one["kind"] for one in written if kind_of(one) == DEPLOYMENT] == []
    told = conditions_of(status)
    assert told["UpdatePending"] == ("True", "NewRelease")
    assert told["Ready"] == ("True", "Ready")
    assert status["image"] == DEFAULTS.server_image
    assert status["currentRevision"] != status["updateRevision"]
    message = next(one["message"] for one in status["conditions"] if one["type"] == "UpdatePending")
    assert "2.0.0" in message
    assert f"memory.soma.sh/approved-revision to {status['updateRevision']}" in message


@pytest.mark.parametrize(
    "consent",
    [
        {"spec": CHANGED},
        {"annotations": {"memory.soma.sh/restartedAt": "now"}},
        {"annotations": "approved"},
    ],
    ids=["a change of the pods", "a restart", "an approval"],
)
def test_what_waits_goes_along_with_consent(consent: dict[str, Any]) -> None:
    """A release rolls out with whatever makes new pods anyway, or when it is approved by name."""
    waiting = replace(later(generation=1), defaults=NEW_RELEASE)
    if consent.get("annotations") == "approved":
        name = choice_of(waiting).newest.name
        consent = {"annotations": {"memory.soma.sh/approved-revision": name}}

    choice = choice_of(replace(later(**consent), defaults=NEW_RELEASE))

    assert choice.pending is None
    assert choice.running.image == NEW_RELEASE.server_image


def test_an_approval_is_for_one_revision() -> None:
    """What was approved yesterday approves nothing of today."""
    annotations = {"memory.soma.sh/approved-revision": "0123456789"}

    assert choice_of(replace(later(annotations=annotations), defaults=NEW_RELEASE)).pending


def test_a_supervised_change_waits_for_approval() -> None:
    """Supervised: the spec is observed, Ready is Unknown, and no tool takes it for done, under way or failed."""
    supervised = {"updateStrategy": {"type": "Supervised"}}
    observed = later({**CHANGED, **supervised}, before={**GOOD, **supervised})

    status = concluded(observed)

    told = conditions_of(status)
    assert told["UpdatePending"] == ("True", "ApprovalNeeded")
    assert told["Ready"] == ("Unknown", "UpdatePending")
    assert not {"Reconciling", "Stalled"} & set(told)
    assert kstatus({**observed.resource, "status": status}) == "InProgress"
    assert status["observedGeneration"] == 2


def test_what_concerns_no_pod_does_not_wait() -> None:
    """Supervised or not: what makes no new pods needs no approval."""
    supervised: Manifest = {"updateStrategy": {"type": "Supervised"}}

    assert (
        choice_of(later({**supervised, "service": {"port": 1}}, before=supervised)).pending is None
    )


def stalled_status(reason: str, **revisions: str) -> Manifest:
    condition = {
        "type": "Stalled",
        "status": "True",
        "reason": reason,
        "message": "the node cannot pull it",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return {"observedGeneration": 2, "conditions": [condition], **revisions}


def stalled(
    reason: str = "ImageNotAvailable", spec: Manifest | None = None, **more: Any
) -> Observed:
    """Return a resource whose change stalled, with both revisions stored."""
    changed = {**CHANGED, **(spec or {})}
    observed = later(
        changed,
        before=GOOD,
        status=stalled_status(reason, currentRevision=name_of_revision(spec=changed)),
        **more,
    )
    resource = a_somamemory(spec=changed)
    revisions = [one for one in settled(resource) if kind_of(one) == CONTROLLER_REVISION]
    deployments = [one for one in settled(resource) if kind_of(one) == DEPLOYMENT]
    others = [one for one in observed.children if kind_of(one) != DEPLOYMENT]
    return replace(observed, children=(*others, *revisions, *deployments))


def test_a_stalled_change_goes_back_to_the_last_good_revision() -> None:
    """Pods run what served before, the status says that, why, and what mends it; the spec is not touched."""
    observed = stalled()

    decision = decide(observed)
    status = concluded(observed)

    assert isinstance(decision, Decision)
    assert decision.choice.running.environment["SOMA_LOG_LEVEL"] == "INFO"
    told = conditions_of(status)
    assert told["Ready"] == ("False", "RolledBack")
    assert told["Stalled"] == ("True", "RolledBack")
    assert told["RolledBack"] == ("True", "RolledBack")
    assert "Reconciling" not in told
    assert status["failedRevision"] == status["updateRevision"] == name_of_revision(spec=CHANGED)
    assert status["currentRevision"] == status["lastGoodRevision"] == name_of_revision(spec=GOOD)
    assert status["observedGeneration"] == 2
    message = next(one["message"] for one in status["conditions"] if one["type"] == "RolledBack")
    assert "the node cannot pull it" in message


def after_rollback(**more: Any) -> Observed:
    """Return a resource after its change was taken back."""
    before = stalled()
    told = concluded(before)
    resource = a_somamemory(spec=CHANGED, generation=2, status=told)
    return replace(before, resource=resource, **more)


def test_a_roll_back_lasts() -> None:
    """Looked at again, nothing changes: neither revision nor message, and no new release changes it."""
    again = after_rollback()

    assert concluded(again) == again.status
    released = choice_of(replace(again, defaults=NEW_RELEASE))
    assert released.running.environment["SOMA_LOG_LEVEL"] == "INFO"


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 3},
        {"annotations": {"memory.soma.sh/restartedAt": "now"}},
        {"spec": {"monitoring": {"logLevel": "Error"}}, "generation": 3},
    ],
    ids=["the same again", "a restart", "a mend"],
)
def test_a_new_try_ends_the_roll_back(change: dict[str, Any]) -> None:
    """A new generation or a restart tries the newest revision, with the last good one in reserve."""
    observed = after_rollback()
    resource = a_somamemory(
        **{"spec": CHANGED, "generation": 2, **change}, status=dict(observed.status)
    )

    choice = choice_of(replace(observed, resource=resource))

    assert choice.running == choice.newest
    assert choice.failed is None
    assert choice.last_good is not None


@pytest.mark.parametrize(
    "observed",
    [
        stalled("NameTaken"),
        stalled(spec={"updateStrategy": {"rollback": {"enabled": False}}}),
        replace(stalled(), children=()),
    ],
    ids=["not the pods' fault", "switched off", "nothing good is known"],
)
def test_no_roll_back_without_use(observed: Observed) -> None:
    """What an earlier revision would not mend, or what is not wished, stays where it is."""
    choice = choice_of(observed)

    assert choice.running == choice.newest


def test_a_revision_that_served_is_not_taken_back() -> None:
    """After it was good, trouble of a revision is trouble of the world: another revision would have it, too."""
    observed = stalled()
    good = {**observed.status, "lastGoodRevision": name_of_revision(spec=CHANGED)}

    choice = choice_of(replace(observed, resource={**observed.resource, "status": good}))

    assert choice.running == choice.newest


def test_revisions_that_nobody_needs_go() -> None:
    """Once the newest one served, the one before it is removed."""
    observed = after_rollback()
    mended = a_somamemory(spec={"monitoring": {"logLevel": "Error"}}, generation=3)
    children = (*observed.children, *settled(mended))
    status = {
        "observedGeneration": 3,
        "lastGoodRevision": choice_of(observed_of(mended)).newest.name,
    }

    decision = decide(replace(observed, resource={**mended, "status": status}, children=children))

    assert isinstance(decision, Decision)
    deleted = [
        action.live["data"]["environment"]["SOMA_LOG_LEVEL"]
        for action in decision.plan.actions
        if isinstance(action, Delete)
    ]
    assert sorted(deleted) == ["DEBUG", "INFO"]


def served_twice(rejected: str | None = None) -> Observed:
    """Return a resource whose change served, with the revision that served before it, and one that is rejected."""
    first = later(CHANGED, before=GOOD)
    changed = a_somamemory(spec=CHANGED, generation=2)
    earlier = [one for one in first.children if kind_of(one) == CONTROLLER_REVISION]
    children = (*settled(changed), *earlier)
    told = concluded(replace(first, children=children))
    annotations = None if rejected is None else {"memory.soma.sh/rejected-revision": rejected}
    resource = a_somamemory(spec=CHANGED, generation=2, annotations=annotations, status=told)
    return replace(first, resource=resource, children=children)


def seen_again(observed: Observed) -> Observed:
    """Return a resource at the next look: its status told, and the Deployment of the revision that was chosen."""
    running = choice_of(observed).running
    resource = {**observed.resource, "status": concluded(observed)}
    before = a_somamemory(spec=GOOD if "INFO" in running.environment.values() else CHANGED)
    deployments = [one for one in settled(before) if kind_of(one) == DEPLOYMENT]
    others = [one for one in observed.children if kind_of(one) != DEPLOYMENT]
    return replace(observed, resource=resource, children=(*others, *deployments))


def test_the_revision_before_the_last_good_one_is_kept() -> None:
    """It is where a rejection goes back to, and no older one is kept."""
    observed = served_twice()

    assert observed.status["lastGoodRevision"] == name_of_revision(spec=CHANGED)
    assert observed.status["earlierGoodRevision"] == name_of_revision(spec=GOOD)
    assert [one.name for one in choice_of(observed).kept] == [
        name_of_revision(spec=CHANGED),
        name_of_revision(spec=GOOD),
    ]
    assert concluded(observed) == observed.status


def test_a_rejected_revision_gives_way_to_the_one_before_it() -> None:
    """Though it served; the spec is not touched, the status says why, and it stays so."""
    rejected = name_of_revision(spec=CHANGED)
    observed = served_twice(rejected)

    status = concluded(observed)

    told = conditions_of(status)
    assert told["Ready"] == ("False", "Rejected")
    assert told["Stalled"] == ("True", "Rejected")
    assert told["RolledBack"] == ("True", "Rejected")
    assert status["phase"] == "RolledBack"
    assert status["failedRevision"] == status["updateRevision"] == rejected
    assert status["currentRevision"] == status["lastGoodRevision"] == name_of_revision(spec=GOOD)
    assert "earlierGoodRevision" not in status
    again = seen_again(observed)
    assert concluded(again) == again.status


def test_what_is_no_longer_rejected_runs_again() -> None:
    """Without the annotation the spec is what it was."""
    again = seen_again(served_twice(name_of_revision(spec=CHANGED)))
    resource = a_somamemory(spec=CHANGED, generation=2, status=dict(again.status))

    choice = choice_of(replace(again, resource=resource))

    assert choice.running == choice.newest
    assert choice.failed is None
    assert choice.last_good is not None
    assert choice.last_good.name == name_of_revision(spec=GOOD)


def test_another_wish_is_not_rejected() -> None:
    """A mend in Git runs, whatever the annotation still says."""
    again = seen_again(served_twice(name_of_revision(spec=CHANGED)))
    mended = {"monitoring": {"logLevel": "Error"}}
    resource = a_somamemory(
        spec=mended,
        generation=3,
        annotations=dict(again.metadata["annotations"]),
        status=dict(again.status),
    )

    choice = choice_of(replace(again, resource=resource))

    assert choice.running == choice.newest
    assert not choice.is_rejected


def test_a_rejected_wish_stays_rejected_in_another_release() -> None:
    """Until that one is approved by name: else an upgrade of the operator would bring back what was sent away."""
    again = seen_again(served_twice(name_of_revision(spec=CHANGED)))
    upgraded = replace(again, defaults=NEW_RELEASE)
    newest = choice_of(upgraded).newest.name
    approved = {
        **again.metadata["annotations"],
        "memory.soma.sh/approved-revision": newest,
    }
    resource = a_somamemory(
        spec=CHANGED, generation=2, annotations=approved, status=dict(again.status)
    )

    assert choice_of(upgraded).running.name == name_of_revision(spec=GOOD)
    assert concluded(upgraded)["failedRevision"] == name_of_revision(spec=CHANGED)
    assert choice_of(seen_again(upgraded)).running.name == name_of_revision(spec=GOOD)
    assert choice_of(replace(upgraded, resource=resource)).running.name == newest


def test_a_release_alone_is_rejected_too() -> None:
    """The wish is that of the revision before it, which runs on when the operator itself goes back."""
    approved = {"memory.soma.sh/approved-revision": "all"}
    first = later(generation=1, annotations=approved)
    new = choice_of(replace(first, defaults=NEW_RELEASE)).newest
    good = choice_of(first).newest
    rejecting = {"memory.soma.sh/rejected-revision": new.name}
    told = {**first.status, "lastGoodRevision": new.name, "earlierGoodRevision": good.name}
    resource = a_somamemory(annotations=rejecting, status=told)
    stored = controller_revision(resolve(first), new)
    observed = replace(
        first, resource=resource, children=(*first.children, stored), defaults=NEW_RELEASE
    )

    assert choice_of(observed).running == good
    status = concluded(observed)
    assert status["failedRevision"] == new.name
    downgraded = replace(observed, resource={**resource, "status": status}, defaults=first.defaults)
    assert choice_of(downgraded).running == choice_of(downgraded).newest == good
    assert conditions_of(concluded(downgraded))["Ready"] == ("True", "Ready")


def test_a_rejection_without_a_way_back_is_told() -> None:
    """Nothing served before: it runs on, and the status says that it does although it is rejected."""
    rejected = name_of_revision(spec=GOOD)
    observed = later(
        GOOD,
        before=GOOD,
        generation=1,
        annotations={"memory.soma.sh/rejected-revision": rejected},
    )

    status = concluded(observed)

    told = conditions_of(status)
    assert told["RolledBack"] == ("False", "NothingToGoBackTo")
    assert told["Ready"] == ("True", "Ready")
    assert status["currentRevision"] == rejected


@given(specs(), specs())
def test_whatever_changes_the_pods_is_a_wish_about_pods(one: Manifest, other: Manifest) -> None:
    """No change of the spec that reaches pods is taken for a change by a new release."""
    first, second = (resolve(observed_of(a_somamemory(spec=spec))) for spec in (one, other))

    if newest_revision(first).pods != newest_revision(second).pods:
        assert wish_of(first) != wish_of(second)


@given(specs())
def test_revisions_are_read_as_they_were_stored(spec: Manifest) -> None:
    """A revision that was read back is the one that was written."""
    resource = a_somamemory(spec=spec)
    observed = observed_of(resource, children=deepcopy(settled(resource)))
    status = {"lastGoodRevision": choice_of(observed).newest.name}

    choice = choice_of(replace(observed, resource={**resource, "status": status}))

    assert choice.last_good == choice.newest


NIGHTLY: Manifest = {
    "updateStrategy": {"maintenanceWindows": [{"schedule": "0 2 * * *", "durationMinutes": 60}]}
}
"""Open from 02:00 to 03:00; the tests' time is 03:04:05."""

AT_THREE: Manifest = {
    "updateStrategy": {"maintenanceWindows": [{"schedule": "0 3 * * *", "durationMinutes": 5}]}
}
ON_DELETE: Manifest = {"updateStrategy": {"type": "OnDelete"}}


def update_message(status: Manifest) -> str:
    return str(
        next(one["message"] for one in status["conditions"] if one["type"] == "UpdatePending")
    )


def test_a_change_waits_for_its_maintenance_window() -> None:
    """Out of the window nothing rolls out: the status names the time, and that is when to look again."""
    observed = later({**CHANGED, **NIGHTLY}, before={**GOOD, **NIGHTLY})

    status = concluded(observed)
    decision = decide(observed)

    assert conditions_of(status)["UpdatePending"] == ("True", "WindowClosed")
    assert conditions_of(status)["Ready"] == ("Unknown", "UpdatePending")
    assert "opens at 2026-01-03T02:00:00Z" in update_message(status)
    assert isinstance(decision, Decision)
    outcome = conclude(
        observed,
        decision,
        Applied(observed.children, (), (), is_complete=not decision.plan.actions),
    )
    assert outcome.requeue_after_s == pytest.approx((22 * 60 + 55) * 60 + 55)


def test_in_a_window_a_change_and_a_new_release_roll_out() -> None:
    """A window is consent to everything that waits."""
    changed = later({**CHANGED, **AT_THREE}, before={**GOOD, **AT_THREE})
    released = replace(later(AT_THREE, before=AT_THREE, generation=1), defaults=NEW_RELEASE)

    for observed in (changed, released):
        choice = choice_of(observed)
        assert choice.pending is None
        assert choice.running == choice.newest


def test_out_of_a_window_a_new_release_leaves_the_memory_ready() -> None:
    """What the user did not wish for is not missed."""
    observed = replace(later(NIGHTLY, before=NIGHTLY, generation=1), defaults=NEW_RELEASE)

    told = conditions_of(concluded(observed))

    assert told["UpdatePending"] == ("True", "WindowClosed")
    assert told["Ready"] == ("True", "Ready")


def test_a_window_that_never_opens_is_told() -> None:
    """A day that no calendar has is no time to wait for."""
    windows = [{"schedule": "0 0 30 2 *", "durationMinutes": 60}]
    strategy: Manifest = {"updateStrategy": {"maintenanceWindows": windows}}

    status = concluded(later({**CHANGED, **strategy}, before={**GOOD, **strategy}))

    assert "no day of the calendar fits" in update_message(status)


def test_on_delete_a_change_waits_for_the_end_of_a_pod() -> None:
    """It rolls out when a pod goes for another reason, and not before."""
    observed = later({**CHANGED, **ON_DELETE}, before={**GOOD, **ON_DELETE})
    pod = a_pod()
    leaving = {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": "2026-01-02T03:04:00Z"}}

    waiting = choice_of(replace(observed, pods=(pod,)))
    going = choice_of(replace(observed, pods=(leaving,)))

    assert waiting.pending == "PodDeletionNeeded"
    assert conditions_of(concluded(observed))["UpdatePending"] == ("True", "PodDeletionNeeded")
    assert going.pending is None
    assert going.running == going.newest


@pytest.mark.parametrize("strategy", [NIGHTLY, ON_DELETE], ids=["window", "on delete"])
def test_what_does_not_serve_waits_for_no_window(strategy: Manifest) -> None:
    """A mend of what is broken disturbs nobody: it rolls out at once."""
    observed = later({**CHANGED, **strategy}, before={**GOOD, **strategy})
    broken = tuple(
        (
            {**one, "status": {**one["status"], "readyReplicas": 0}}
            if kind_of(one) == DEPLOYMENT
            else one
        )
        for one in observed.children
    )

    choice = choice_of(replace(observed, children=broken))

    assert choice.pending is None
    assert choice.running == choice.newest


@pytest.mark.parametrize("strategy", [NIGHTLY, ON_DELETE], ids=["window", "on delete"])
def test_an_approval_waits_for_no_window(strategy: Manifest) -> None:
    """Who names the revision means now."""
    spec, before = {**CHANGED, **strategy}, {**GOOD, **strategy}
    name = choice_of(later(spec, before=before)).newest.name
    annotations = {"memory.soma.sh/approved-revision": name}

    assert choice_of(later(spec, before=before, annotations=annotations)).pending is None
