"""SomaMemoryClasses: what a SomaMemory gets from its class, and what becomes of it when the class changes or goes."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soma_common.errors import InvalidInput
from soma_operator.core.backup.decide import decide_backup
from soma_operator.core.backup.farewell import FINALIZER
from soma_operator.core.kinds import (
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    POD_MONITOR,
    SOMA_MEMORY,
    SOMA_MEMORY_CLASS,
    Manifest,
    kind_of,
)
from soma_operator.core.observed import Observed
from soma_operator.core.plan import Apply
from soma_operator.core.published import format_time
from soma_operator.core.reconcile import Decision, Leave, Outcome, decide
from soma_operator.core.render.persistent_volume_claim import persistent_volume_claim
from soma_operator.core.resolve import ResolvedMemory, resolve
from tests.support.backup_pictures import picture_of
from tests.support.controller_bench import KEY, Bench
from tests.support.somamemories import (
    NOW,
    a_somamemory,
    choice_of,
    conditions_of,
    observed_of,
    settled,
    specs,
)

GOLD = {"className": "gold"}
TARGET = {"type": "Volume", "volume": {"claimName": "backups"}}
SNAPSHOT: Manifest = {**GOLD, "deletionPolicy": "Snapshot", "backup": {"target": TARGET}}
DIGEST = "sha256:" + "a" * 64


def a_class(spec: Manifest, name: str = "gold") -> Manifest:
    return {
        "apiVersion": SOMA_MEMORY_CLASS.api_version,
        "kind": SOMA_MEMORY_CLASS.name,
        "metadata": {"name": name},
        "spec": spec,
    }


def seen(
    spec: Manifest, of_class: Manifest | None, children: tuple[Manifest, ...] = ()
) -> Observed:
    observed = observed_of(a_somamemory(spec={**GOLD, **spec}), children=children)
    return replace(observed, of_class=None if of_class is None else a_class(of_class))


def resolved(spec: Manifest, of_class: Manifest) -> ResolvedMemory:
    return resolve(seen(spec, of_class))


def test_a_class_fills_in_what_the_spec_leaves_open() -> None:
    """Field by field: what both say is as the SomaMemory has it, beside it the class goes on to count."""
    memory = resolved(
        {"resources": {"limits": {"memory": "2Gi"}}, "podTemplate": {"labels": {"team": "a"}}},
        {
            "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}},
            "podTemplate": {
                "labels": {"team": "none", "tier": "gold"},
                "priorityClassName": "high",
            },
            "storage": {"embedded": {"size": "50Gi"}},
        },
    )

    assert memory.spec.resources.limits == {"memory": "2Gi"}
    assert memory.spec.resources.requests == {"cpu": "1"}
    assert memory.spec.pod_template.labels == {"team": "a", "tier": "gold"}
    assert memory.spec.pod_template.priority_class_name == "high"
    assert memory.claim_size == "50Gi"


@given(specs(), st.sampled_from(["image", "resources", "podTemplate", "limits", "networkPolicy"]))
def test_what_the_spec_says_wins(spec: Manifest, field: str) -> None:
    """A class of the very same content changes nothing, and neither does one that says nothing."""
    spec = {key: value for key, value in spec.items() if key != "autoscaling"}
    alone = resolve(observed_of(a_somamemory(spec=spec)))
    same = {field: spec[field]} if field in spec else {}

    for of_class in ({}, same):
        memory = resolved(spec, of_class)
        assert memory.spec.model_copy(update={"class_name": None}) == alone.spec


def test_an_image_is_taken_from_one_side() -> None:
    """The digest of a class says nothing about the tag of a SomaMemory."""
    memory = resolved({"image": {"tag": "2.0"}}, {"image": {"digest": DIGEST}})

    assert memory.image.full == "registry.test/soma-memory-server:2.0"


def test_a_change_of_the_class_makes_new_pods() -> None:
    """It is a change of the wish of everybody who named it."""
    before = choice_of(seen({}, {"monitoring": {"logLevel": "Info"}}))
    after = choice_of(seen({}, {"monitoring": {"logLevel": "Debug"}}))

    assert before.newest.wish != after.newest.wish


@pytest.mark.parametrize(
    ("volume", "asked"),
    [("pv-1", (None, "ReadWriteOnce")), (None, ("fast", "ReadWriteOncePod"))],
    ids=["bound", "pending"],
)
def test_the_storage_class_is_that_of_new_volumes(
    volume: str | None, asked: tuple[str | None, str]
) -> None:
    """A volume keeps the class and mode that it was made with; a claim that has none yet follows."""
    [claim] = [one for one in settled() if kind_of(one) == PERSISTENT_VOLUME_CLAIM]
    if volume is None:
        del claim["spec"]["volumeName"]
        claim["status"] = {"phase": "Pending"}
    of_class = {"storageClassName": "fast", "accessMode": "ReadWriteOncePod"}
    observed = seen({}, {"storage": {"embedded": of_class}}, children=(claim,))

    memory = resolve(observed)
    assert (memory.spec.storage.embedded.storage_class_name, memory.access_mode) == asked


@pytest.mark.parametrize("of_class", [{"storageClassName": "other"}, {}], ids=str)
def test_a_storage_class_that_was_named_stays_named(of_class: Manifest) -> None:
    """The API server takes no name of a class back once there is a volume, whatever the class says by then."""
    [claim] = [one for one in settled() if kind_of(one) == PERSISTENT_VOLUME_CLAIM]
    claim["spec"]["storageClassName"] = "fast"
    observed = seen({}, {"storage": {"embedded": of_class}}, children=(claim,))

    assert asked_class(observed) is None, "it was filled in by the API server"
    claim["metadata"]["managedFields"] = [
        {"operation": "Apply", "fieldsV1": {"f:spec": {"f:storageClassName": {}}}}
    ]
    assert asked_class(observed) == "fast"


def asked_class(observed: Observed) -> str | None:
    """Return the storage class that the claim is written with."""
    named: str | None = persistent_volume_claim(resolve(observed))["spec"].get("storageClassName")
    return named


def _secured(**context: Any) -> Manifest:
    return {"podTemplate": {"securityContext": context}}


@pytest.mark.parametrize(
    ("spec", "of_class", "field"),
    [
        (
            {"limits": {"maxMessageBytes": 65536}},
            {"limits": {"maxPayloadBytes": 65536}},
            "spec.limits.maxMessageBytes",
        ),
        ({"limits": {"maxPayloadBytes": 8388608}}, {}, "spec.limits.maxMessageBytes"),
        (
            {"updateStrategy": {"minReadySeconds": 100}},
            {"updateStrategy": {"progressDeadlineSeconds": 100}},
            "spec.updateStrategy.minReadySeconds",
        ),
        ({"autoscaling": {"type": "HPA"}}, {}, "spec.autoscaling.type"),
        (_secured(type="Assigned"), _secured(fsGroup=0), "spec.podTemplate.securityContext.type"),
        (_secured(runAsUser=1), _secured(type="Assigned"), "spec.podTemplate.securityContext.type"),
        (_secured(runAsGroup=0), _secured(type="Assigned"), "spec.podTemplate.securityContext.type"),
        ({}, {"limits": {"maxPayloadBytes": "many"}}, "SomaMemoryClass gold spec.limits"),
        ({}, {"updateStrategy": {"maintenanceWindows": [{"schedule": "0 0 9-1 * *", "durationMinutes": 1}]}},
         "spec.updateStrategy.maintenanceWindows[0].schedule"),
    ],
)  # fmt: skip
def test_what_is_not_valid_together_is_told(spec: Manifest, of_class: Manifest, field: str) -> None:
    """The API server sees each by itself; the status names the field that does not fit."""
    with pytest.raises(InvalidInput) as caught:
        resolved(spec, of_class)

    assert next(one.field for one in caught.value.violations).startswith(field)


def test_a_class_that_is_not_there_is_waited_for() -> None:
    """Nothing is written; after the deadline it is Stalled, with the mend."""
    observed = seen({}, None)

    first = decide(observed)
    assert isinstance(first, Outcome)
    assert first.status is not None
    assert conditions_of(first.status)["Ready"] == ("False", "ClassNotFound")
    assert conditions_of(first.status)["Reconciling"] == ("True", "ClassNotFound")
    assert first.requeue_after_s == 600

    told = a_somamemory(spec=GOLD, status=first.status)
    late = decide(observed_of(told, later_s=601))
    assert isinstance(late, Outcome)
    assert late.status is not None
    assert conditions_of(late.status)["Stalled"] == ("True", "ClassNotFound")
    assert "SomaMemoryClass gold does not exist" in str(late.status)
    assert late.requeue_after_s is None


def test_without_its_class_a_memory_is_deleted_as_its_own_spec_says() -> None:
    """The last copy is not given up because a class went first."""
    resource = a_somamemory(spec=SNAPSHOT, is_deleting=True)
    resource["metadata"]["finalizers"] = [FINALIZER]

    assert isinstance(decide(observed_of(resource)), Leave)


async def finalizers(bench: Bench) -> list[str]:
    resource = await bench.cluster.read(SOMA_MEMORY, KEY.namespace, KEY.name)
    assert resource is not None
    return list(resource["metadata"].get("finalizers", []))


async def test_a_deletion_waits_for_us_without_the_class() -> None:
    """A policy that is wished for while the class is missing holds from then on."""
    bench = Bench()
    await bench.make(**SNAPSHOT)

    await bench.settle()

    assert (await bench.conditions())["Ready"] == ("False", "ClassNotFound")
    assert await finalizers(bench) == [FINALIZER]
    await bench.edit({**SNAPSHOT, "deletionPolicy": "Retain"})
    await bench.settle()
    assert await finalizers(bench) == []


BROKEN: list[Manifest] = [
    {"limits": {"maxPayloadBytes": "many"}},
    {"updateStrategy": {"maintenanceWindows": [{"schedule": "0 0 9-1 * *", "durationMinutes": 1}]}},
    {"podTemplate": {"patches": [{"op": "add", "path": "/spec/none/0", "value": 1}]}},
]


@pytest.mark.parametrize("of_class", BROKEN, ids=str)
async def test_a_deletion_waits_for_us_with_a_broken_class(of_class: Manifest) -> None:
    """A policy that is wished for while the class makes the memory invalid holds from then on."""
    bench = Bench()
    await bench.cluster.apply(a_class(of_class))
    await bench.make(**SNAPSHOT)

    await bench.settle()

    assert (await bench.conditions())["Ready"] == ("False", "InvalidSpec")
    assert await finalizers(bench) == [FINALIZER]


@pytest.mark.parametrize("of_class", BROKEN, ids=str)
def test_a_broken_class_takes_no_last_copy(of_class: Manifest) -> None:
    """Its servers stop and the copy is made, by what the memory's own spec says."""
    leaving = a_somamemory(spec=SNAPSHOT, is_deleting=True)
    leaving["metadata"]["finalizers"] = [FINALIZER]
    observed = replace(
        observed_of(leaving, children=settled(a_somamemory(spec=SNAPSHOT))),
        of_class=a_class(of_class),
    )

    decision = decide(observed)

    assert isinstance(decision, Leave)
    assert not decision.farewell.is_over
    [stopped, wish] = decision.farewell.actions
    assert isinstance(stopped, Apply)
    assert stopped.manifest["spec"]["replicas"] == 0
    assert isinstance(wish, Apply)
    metadata = {"uid": "uid", "generation": 1, "creationTimestamp": format_time(NOW)}
    backup = {**wish.manifest, "metadata": {**wish.manifest["metadata"], **metadata}}
    picture = replace(picture_of(backup, memory=leaving), of_class=a_class(of_class))
    assert decide_backup(picture).job is not None


async def test_a_memory_follows_its_class() -> None:
    """Made, changed and gone: the children follow the first two, and stay as they are after the last."""
    bench = Bench()
    await bench.make(**GOLD)
    await bench.controller.reconcile(KEY)
    assert (await bench.conditions())["Ready"] == ("False", "ClassNotFound")
    assert await bench.children() == {}

    await bench.cluster.apply(a_class({"monitoring": {"podMonitor": {"enabled": True}}}))
    await bench.settle()
    assert await bench.cluster.read(POD_MONITOR, KEY.namespace, KEY.name)

    await bench.cluster.apply(a_class({"resources": {"limits": {"memory": "3Gi"}}}))
    await bench.settle()
    [deployment] = await bench.cluster.find(DEPLOYMENT)
    assert "3Gi" in str(deployment["spec"]["template"])
    assert not await bench.cluster.read(POD_MONITOR, KEY.namespace, KEY.name)

    before = await bench.children()
    of_class = await bench.cluster.read(SOMA_MEMORY_CLASS, None, "gold")
    assert of_class is not None
    await bench.cluster.delete(of_class)
    await bench.settle()
    assert await bench.children() == before
    assert (await bench.conditions())["Ready"] == ("False", "ClassNotFound")


async def test_nothing_of_a_class_is_written_to_the_spec() -> None:
    """What is in Git is what is in the cluster."""
    bench = Bench()
    await bench.cluster.apply(a_class({"storage": {"embedded": {"size": "50Gi"}}}))
    await bench.make(**GOLD)

    await bench.settle()

    resource = await bench.cluster.read(SOMA_MEMORY, KEY.namespace, KEY.name)
    assert resource is not None
    assert resource["spec"] == {"replicas": 1, **GOLD}


def test_a_plan_is_made_with_the_class() -> None:
    """A decision for a memory of a class is one like any other."""
    decision = decide(seen({}, {"resources": {"limits": {"memory": "3Gi"}}}))

    assert isinstance(decision, Decision)
    assert decision.memory.spec.resources.limits == {"memory": "3Gi"}


def test_a_claim_without_a_volume_follows_a_smaller_class() -> None:
    """What holds nothing need not stay as large as it was asked for first."""
    [claim] = [one for one in settled() if kind_of(one) == PERSISTENT_VOLUME_CLAIM]
    claim["spec"]["resources"]["requests"]["storage"] = "100Gi"
    waiting = {**claim, "status": {"phase": "Pending"}}
    waiting["spec"] = {key: claim["spec"][key] for key in claim["spec"] if key != "volumeName"}
    small = {"storage": {"embedded": {"size": "5Gi"}}}

    assert resolve(seen({}, small, children=(waiting,))).claim_size == "5Gi"
    assert resolve(seen({}, small, children=(claim,))).claim_size == "100Gi"
