"""The deletion of a memory with the policy Snapshot."""

from dataclasses import replace
from typing import Any

import pytest

from soma_operator.core.backup.farewell import (
    FINALIZER,
    Farewell,
    after_refusals,
    farewell,
    guard_manifest,
    wished_guard,
)
from soma_operator.core.kinds import (
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    SCALED_OBJECT,
    SOMA_MEMORY,
    SOMA_MEMORY_BACKUP,
    Manifest,
    kind_of,
    name_of,
)
from soma_operator.core.observed import Observed
from soma_operator.core.plan import Apply, Delete, Refusal
from soma_operator.core.published import format_time
from soma_operator.core.reconcile import Leave, conclude_leave, decide
from soma_operator.core.resolve import resolve
from tests.support.backup_pictures import TARGET, a_backup
from tests.support.controller_bench import KEY, Bench
from tests.support.gitops import kstatus
from tests.support.somamemories import NOW, UID, a_somamemory, conditions_of, observed_of, settled

SPEC: Manifest = {"deletionPolicy": "Snapshot", "backup": {"target": TARGET}}


def leaving(
    *copies: Manifest, later_s: float = 0, annotations: dict[str, str] | None = None, **change: Any
) -> Observed:
    """Return a picture of a memory whose deletion waits for us."""
    spec = {**SPEC, **change}
    alive = a_somamemory(spec=spec)
    memory = a_somamemory(spec=spec, is_deleting=True, annotations=annotations)
    memory["metadata"]["finalizers"] = [FINALIZER]
    return replace(observed_of(memory, children=settled(alive), later_s=later_s), copies=copies)


def left(observed: Observed) -> Farewell:
    return farewell(resolve(observed), observed)


def writes(leave: Farewell) -> list[tuple[str, str, str]]:
    """Return what is written, as verb, kind and name."""
    return [
        (
            ("apply", one.manifest["kind"], name_of(one.manifest))
            if isinstance(one, Apply)
            else ("delete", one.live["kind"], name_of(one.live))
        )
        for one in leave.actions
    ]


def last(phase: str | None) -> Manifest:
    return a_backup(f"mem-last-{UID[:5]}", phase=phase, origin="deletion")


def test_servers_stop_before_the_last_copy_is_made() -> None:
    """What is acknowledged after the last copy would be lost: nobody acknowledges any more."""
    leave = left(leaving())

    assert writes(leave) == [
        ("apply", "Deployment", "mem"),
        ("apply", "SomaMemoryBackup", "mem-last-4b5f3"),
    ]
    stopped = next(one.manifest for one in leave.actions if isinstance(one, Apply))
    assert stopped["spec"]["replicas"] == 0
    assert leave.finding.reason == "SnapshotUnderWay"
    assert not leave.is_over


def test_the_last_copy_has_no_owner_and_no_tracking_mark() -> None:
    """Neither the garbage collector nor a prune takes it with its memory."""
    copy = next(
        one.manifest
        for one in left(leaving()).actions
        if isinstance(one, Apply) and kind_of(one.manifest) == SOMA_MEMORY_BACKUP
    )

    assert "ownerReferences" not in copy["metadata"]
    assert not any("app.kubernetes.io" in key for key in copy["metadata"]["labels"])
    assert copy["spec"]["deadlineSeconds"] == 600


@pytest.mark.parametrize("owner", [None, "another"])
def test_a_deployment_of_somebody_else_is_let_be(owner: str | None) -> None:
    """It only has the name: none of its servers is ours to stop."""
    observed = leaving()
    foreign = observed.child(DEPLOYMENT, "mem")
    assert foreign is not None
    [reference] = foreign["metadata"].pop("ownerReferences")
    if owner is not None:
        foreign["metadata"]["ownerReferences"] = [{**reference, "uid": owner}]

    assert writes(left(observed)) == [("apply", "SomaMemoryBackup", "mem-last-4b5f3")]


def test_a_deployment_that_is_gone_is_not_made_again() -> None:
    """A deletion in the foreground takes the servers by itself; the claim, which has no owner, stays."""
    observed = leaving()
    claim = observed.child(PERSISTENT_VOLUME_CLAIM, "mem-data")
    assert claim is not None
    assert "ownerReferences" not in claim["metadata"]

    leave = left(replace(observed, children=(claim,)))

    assert writes(leave) == [("apply", "SomaMemoryBackup", "mem-last-4b5f3")]


def test_what_scales_servers_goes_before_they_stop() -> None:
    """KEDA would start them again, on the volume that is being copied; one of another owner is let be."""
    observed = leaving(
        autoscaling={
            "type": "KEDA",
            "keda": {"triggers": [{"type": "cron", "metadata": {}}]},
        }
    )
    [scaler] = [one for one in observed.children if kind_of(one) == SCALED_OBJECT]

    assert writes(left(observed))[:2] == [
        ("delete", "ScaledObject", "mem"),
        ("apply", "Deployment", "mem"),
    ]
    scaler["metadata"]["ownerReferences"][0]["uid"] = "another"
    assert ("delete", "ScaledObject", "mem") not in writes(left(observed))


@pytest.mark.parametrize("phase", [None, "Pending", "Running"])
def test_the_deletion_waits_for_the_last_copy(phase: str | None) -> None:
    """Nothing goes, and the deadline wakes us."""
    leave = left(leaving(last(phase), later_s=100))

    assert ("delete", "PersistentVolumeClaim", "mem-data") not in writes(leave)
    assert (leave.is_over, leave.requeue_after_s) == (False, 500)


def test_a_verified_last_copy_lets_volume_and_resource_go() -> None:
    """In this order."""
    leave = left(leaving(last("Succeeded")))

    assert writes(leave) == [("delete", "PersistentVolumeClaim", "mem-data")]
    assert leave.is_over


def test_a_claim_of_somebody_else_is_neither_copied_nor_deleted() -> None:
    """It only has the name."""
    observed = leaving(last("Succeeded"))
    foreign = observed.child(PERSISTENT_VOLUME_CLAIM, "mem-data")
    assert foreign is not None
    owner = {"apiVersion": "v1", "kind": "Other", "name": "x", "uid": "x", "controller": True}
    foreign["metadata"]["ownerReferences"] = [owner]

    leave = left(observed)

    assert writes(leave) == []
    assert leave.is_over


def test_a_copy_of_a_namesake_does_not_count() -> None:
    """An earlier memory of the same name had other memories."""
    foreign = last("Succeeded")
    foreign["metadata"]["labels"]["memory.soma.sh/memory-uid"] = "another"

    assert not left(leaving(foreign)).is_over


def test_a_failed_last_copy_tells_the_mend_and_waits() -> None:
    """Whoever deletes the failed one gets another try; nothing is deleted meanwhile."""
    leave = left(leaving(last("Failed"), later_s=100))

    assert ("delete", "PersistentVolumeClaim", "mem-data") not in writes(leave)
    assert leave.finding.reason == "SnapshotFailed"
    assert "delete this SomaMemoryBackup for another try" in leave.finding.message
    assert "memory.soma.sh/force-delete" in leave.finding.message
    assert not leave.is_over


@pytest.mark.parametrize("phase", [None, "Running", "Failed"])
def test_after_the_deadline_the_volume_stays(phase: str | None) -> None:
    """A deletion ends, and loses nothing by it."""
    copies = [last(phase)] if phase else []

    leave = left(leaving(*copies, later_s=600))

    assert writes(leave) == []
    assert (leave.is_over, leave.finding.reason) == (True, "SnapshotGivenUp")


def test_the_annotation_gives_up_the_copy() -> None:
    """Who says so loses the volume at once."""
    leave = left(leaving(annotations={"memory.soma.sh/force-delete": "true"}))

    assert writes(leave) == [("delete", "PersistentVolumeClaim", "mem-data")]
    assert leave.is_over


def test_a_policy_that_changes_meanwhile_counts() -> None:
    """Retain keeps the volume, Delete takes it, both at once."""
    retained, deleted = left(leaving(deletionPolicy="Retain")), left(
        leaving(deletionPolicy="Delete")
    )

    assert (retained.is_over, writes(retained)) == (True, [])
    assert (deleted.is_over, writes(deleted)) == (
        True,
        [("delete", "PersistentVolumeClaim", "mem-data")],
    )


def test_what_holds_nothing_is_not_copied() -> None:
    """A claim that never got a volume goes; a storage that was never restored stays as it is."""
    observed = leaving()
    pending = with_claim(observed, {"phase": "Pending"}, volume=None)
    unrestored = leaving(bootstrap={"type": "Backup", "backupName": "one"})

    assert writes(left(pending))[-1] == (
        "delete",
        "PersistentVolumeClaim",
        "mem-data",
    )
    assert (left(unrestored).is_over, writes(left(unrestored))) == (True, [])


@pytest.mark.parametrize("status", [{"phase": "Pending"}, {"phase": "Lost"}, {}], ids=str)
def test_what_may_hold_data_is_not_taken_for_empty(status: Manifest) -> None:
    """A claim names its volume before it is bound, and still does when the volume is away or its status is lost."""
    observed = with_claim(leaving(), status, volume="pv-1")

    leave = left(observed)

    assert not leave.is_over
    assert ("delete", "PersistentVolumeClaim", "mem-data") not in writes(leave)


def with_claim(observed: Observed, status: Manifest, *, volume: str | None) -> Observed:
    """Return a picture with another state of the claim."""
    claim = observed.child(PERSISTENT_VOLUME_CLAIM, "mem-data")
    assert claim is not None
    spec = {key: value for key, value in claim["spec"].items() if key != "volumeName"}
    named = {} if volume is None else {"volumeName": volume}
    changed = {**claim, "spec": {**spec, **named}, "status": status}
    children = (changed if one is claim else one for one in observed.children)
    return replace(observed, children=tuple(children))


def refused(text: str) -> tuple[Refusal, ...]:
    return (Refusal(last(None), True, text),)


def test_a_namespace_that_ends_is_not_held_up() -> None:
    """Nothing can be made in it any more, and all that is in it goes."""
    leave = left(leaving())

    ended = after_refusals(leave, refused("forbidden: namespace x because it is being terminated"))
    denied = after_refusals(leave, refused("exceeded quota"))

    assert (ended.is_over, ended.actions) == (True, ())
    assert (denied.is_over, denied.finding.reason) == (False, "SnapshotFailed")
    assert "exceeded quota" in denied.finding.message


def test_a_spec_that_is_not_understood_does_not_hold_a_deletion() -> None:
    """Its volume stays: what it says about it is not known."""
    observed = leaving()
    observed.resource["spec"]["replicas"] = "many"

    decision = decide(observed)

    assert isinstance(decision, Leave)
    assert (decision.farewell.is_over, decision.farewell.actions) == (True, ())


def test_a_patch_that_cannot_be_made_takes_no_last_copy() -> None:
    """No pod is made of it any more."""
    patch = {"op": "add", "path": "/spec/none/0", "value": 1}
    observed = leaving()
    observed.resource["spec"]["podTemplate"] = {"patches": [patch]}

    decision = decide(observed)

    assert isinstance(decision, Leave)
    assert [kind for _, kind, _ in writes(decision.farewell)] == ["Deployment", "SomaMemoryBackup"]


def test_the_status_says_what_a_deletion_waits_for() -> None:
    """As a reason of Reconciling and once as an Event; Ready stays as it was."""
    observed = leaving()
    decision = decide(observed)
    assert isinstance(decision, Leave)

    outcome = conclude_leave(decision.farewell, observed)

    assert outcome.status is not None
    told = conditions_of(outcome.status)
    assert told["Reconciling"] == ("True", "SnapshotUnderWay")
    assert "Stalled" not in told
    assert [event.reason for event in outcome.events] == ["SnapshotUnderWay"]
    again = replace(observed, resource={**observed.resource, "status": outcome.status})
    assert conclude_leave(decision.farewell, again).events == ()
    assert kstatus(again.resource) == "Terminating"


def test_the_finalizer_is_there_with_the_policy_only() -> None:
    """Set before anything else, released when another policy is wished for."""
    guarded = leaving().resource
    guarded["metadata"].pop("deletionTimestamp")
    plain = observed_of(a_somamemory())

    def wish(resource: Manifest) -> str | None:
        observed = observed_of(resource)
        return wished_guard(resolve(observed), observed)

    assert wish(a_somamemory(spec=SPEC)) == "set"
    assert wish(guarded) is None
    assert wish({**guarded, "spec": {}}) == "released"
    assert wish(plain.resource) is None
    assert guard_manifest(plain)["metadata"]["finalizers"] == [FINALIZER]
    assert guard_manifest(plain)["metadata"]["uid"] == UID


async def test_a_finalizer_that_was_copied_along_is_released() -> None:
    """Whoever applies what `kubectl get -o yaml` gave owns the finalizer: an apply of ours would leave it for ever."""
    bench = Bench()
    await bench.make(**SPEC)
    made = await the_memory(bench)
    others = [FINALIZER, "team.test/hold"]
    await bench.cluster.replace({**made, "metadata": {**made["metadata"], "finalizers": others}})

    await bench.settle()
    assert (await the_memory(bench))["metadata"]["finalizers"] == others
    await bench.edit({"deletionPolicy": "Retain"})
    await bench.settle()

    assert (await the_memory(bench))["metadata"]["finalizers"] == ["team.test/hold"]


@pytest.mark.parametrize("policy", ["Retain", "Snapshot"])
@pytest.mark.parametrize(
    "change",
    [{"paused": True}, {"className": "none"}, {"updateStrategy": {"type": "Never"}}],
    ids=["paused", "without its class", "not understood"],
)
async def test_a_claim_that_is_to_stay_is_taken_from_the_garbage_collector(
    policy: str, change: Manifest
) -> None:
    """Whatever keeps the rest of the wish from being written: the data must not go with the resource."""
    bench = Bench()
    await bench.make(deletionPolicy="Delete")
    await bench.settle()
    claim = await the_claim(bench)
    stranger = {**claim["metadata"]["ownerReferences"][0], "uid": "other", "controller": False}
    owners = [*claim["metadata"]["ownerReferences"], stranger]
    await bench.cluster.replace(
        {**claim, "metadata": {**claim["metadata"], "ownerReferences": owners}}
    )

    await bench.edit({**SPEC, "deletionPolicy": policy, **change})
    await bench.settle()

    assert [one["uid"] for one in (await the_claim(bench))["metadata"]["ownerReferences"]] == [
        "other"
    ]
    assert (await bench.controller.reconcile(KEY)).result == "unchanged"


async def test_a_deletion_that_waits_takes_the_claim_from_the_garbage_collector() -> None:
    """Else the claim that a copy could not be made of would go with the resource all the same."""
    bench = Bench()
    await bench.make(deletionPolicy="Delete")
    await bench.settle()
    claim, made = await the_claim(bench), await the_memory(bench)
    claim["spec"]["volumeName"] = "pv-1"
    await bench.cluster.replace({**claim, "status": {"phase": "Bound"}})
    metadata = {
        **made["metadata"],
        "finalizers": [FINALIZER],
        "deletionTimestamp": format_time(NOW),
    }
    await bench.cluster.replace({**made, "metadata": metadata, "spec": SPEC})

    await bench.controller.reconcile(KEY)

    assert "ownerReferences" not in (await the_claim(bench))["metadata"]


async def the_claim(bench: Bench) -> Manifest:
    found = await bench.cluster.read(PERSISTENT_VOLUME_CLAIM, KEY.namespace, f"{KEY.name}-data")
    assert found is not None
    return found


async def the_memory(bench: Bench) -> Manifest:
    found = await bench.cluster.read(SOMA_MEMORY, KEY.namespace, KEY.name)
    assert found is not None
    return found


def test_deletes_name_the_very_claim() -> None:
    """What is deleted is what was looked at."""
    leave = left(leaving(last("Succeeded")))

    deletion = leave.actions[0]
    assert isinstance(deletion, Delete)
    assert deletion.live["metadata"]["uid"] == "uid-of-PersistentVolumeClaim"
    assert leaving().child(DEPLOYMENT, "mem") is not None
