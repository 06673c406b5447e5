"""From wished and live objects to the fewest writes."""

import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soma_operator.core.difference import covers
from soma_operator.core.kinds import (
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    Manifest,
    kind_of,
)
from soma_operator.core.observed import Observed
from soma_operator.core.plan import Apply, Delete, Plan, plan
from soma_operator.core.render import render
from soma_operator.core.resolve import resolve
from tests.support.somamemories import (
    a_somamemory,
    choice_of,
    observed_of,
    rendered,
    settled,
    specs,
)


def plan_of(observed: Observed) -> Plan:
    return plan(render(resolve(observed), choice_of(observed)), observed)


def verbs(found: Plan) -> list[str]:
    return [
        f"{'apply' if isinstance(action, Apply) else 'delete'} {one['kind']}"
        for action in found.actions
        for one in [action.manifest if isinstance(action, Apply) else action.live]
    ]


@given(specs())
def test_the_plan_carried_out_leaves_an_empty_plan(spec: Manifest) -> None:
    """The fixed point: what was applied needs no second apply."""
    resource = a_somamemory(spec=spec)

    first = plan_of(observed_of(resource))
    second = plan_of(observed_of(resource, children=rendered(resource)))

    assert len(first.actions) == len(rendered(resource))
    assert second.is_empty


@given(specs(), st.randoms(use_true_random=False))
def test_the_order_of_live_objects_carries_no_meaning(
    spec: Manifest, chance: random.Random
) -> None:
    """Shuffled children give the same plan."""
    resource = a_somamemory(spec=spec)
    children = [deepcopy(one) for one in settled(resource)]
    for child in children[:3]:
        child["metadata"]["annotations"] = {}
    before = plan_of(observed_of(resource, children=children))

    chance.shuffle(children)

    assert plan_of(observed_of(resource, children=children)) == before


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from leaves(part, (*path, key))
    elif isinstance(value, list) and value:
        for index, part in enumerate(value):
            yield from leaves(part, (*path, index))
    else:
        yield path


IDENTITY = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}


@given(specs(), st.data())
def test_every_field_that_we_set_is_watched_over(spec: Manifest, data: st.DataObject) -> None:
    """Whatever leaf of whatever child somebody changes or removes, the plan repairs that child alone."""
    resource = a_somamemory(spec=spec)
    children = [deepcopy(one) for one in settled(resource)]
    wished = rendered(resource)
    index = data.draw(st.integers(0, len(wished) - 1))
    paths = [path for path in leaves(wished[index]) if path not in IDENTITY]
    path = data.draw(st.sampled_from([p for p in paths if p[:2] not in _OF_THE_SERVER]))

    _spoil(children[index], path)

    assert verbs(plan_of(observed_of(resource, children=children))) in (
        [f"apply {children[index]['kind']}"],
        [],  # the owner's mark is gone and so is the label: then it may be somebody else's
    )
    if path[:2] != ("metadata", "ownerReferences"):
        assert not plan_of(observed_of(resource, children=children)).is_empty


_OF_THE_SERVER = {("metadata", "uid"), ("metadata", "generation")}


def _spoil(child: Manifest, path: tuple[Any, ...]) -> None:
    *steps, last = path
    node: Any = child
    for step in steps:
        node = node[step]
    if isinstance(node, dict) and not isinstance(node[last], dict):
        node[last] = "spoilt"
    elif isinstance(node, dict):
        del node[last]
    else:
        node[last] = "spoilt"


@given(specs())
def test_what_others_add_is_none_of_our_business(spec: Manifest) -> None:
    """Labels, annotations, status, defaults, a sidecar, a variable: no reason to write."""
    resource = a_somamemory(spec=spec)
    children = [deepcopy(one) for one in settled(resource)]

    for child in children:
        child["metadata"].setdefault("labels", {})["team.test/label"] = "x"
        child["metadata"]["finalizers"] = ["team.test/hold"]
        if kind_of(child) == DEPLOYMENT:
            pod = child["spec"]["template"]["spec"]
            pod["dnsPolicy"] = "ClusterFirst"
            theirs = {"name": "THEIRS", "value": "1"}
            pod["containers"][0].setdefault("env", []).append(theirs)
            pod["containers"].insert(0, {"name": "sidecar", "image": "registry.test/sidecar"})
            pod["volumes"].append({"name": "theirs", "emptyDir": {}})
        if kind_of(child) == SERVICE:
            child["spec"].setdefault("clusterIP", "10.0.0.1")
            child["spec"]["ports"][0]["nodePort"] = 31000

    assert plan_of(observed_of(resource, children=children)).is_empty


@pytest.mark.parametrize(
    ("live", "wished"),
    [
        ({"requests": {"cpu": "1"}}, {"requests": {"cpu": "1000m"}}),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1024Mi"}}),
        ({"requests": {"cpu": "2"}}, {"requests": {"cpu": 2}}),
        ({"requests": {"storage": "1500M"}}, {"requests": {"storage": "1.5G"}}),
        ({"emptyDir": {"sizeLimit": "1Gi"}}, {"emptyDir": {"sizeLimit": "1024Mi"}}),
    ],
)
def test_the_same_amount_in_other_words_is_no_difference(live: Manifest, wished: Manifest) -> None:
    """The API server writes quantities its own way."""
    assert covers(live, wished)


@pytest.mark.parametrize(
    "said",
    [
        {"podTemplate": {"env": [{"name": "PROXY", "value": ""}]}},
        {"podTemplate": {"tolerations": [{"key": "spot", "operator": "Equal", "value": ""}]}},
        {"podTemplate": {"affinity": {"podAffinity": {"required": [], "preferred": None}}}},
        {"networkPolicy": {"allowFrom": [{"podSelector": {"matchLabels": {}}}]}},
        {"networkPolicy": {"egress": [{"to": [], "ports": [{"port": 5432}]}]}},
    ],
    ids=str,
)
def test_what_says_nothing_is_no_difference(said: Manifest) -> None:
    """The API server drops it, whoever writes it how often: it would be missing for ever."""
    resource = a_somamemory(spec=said)
    children = [_stored(child) for child in settled(resource)]

    assert plan_of(observed_of(resource, children=children)).is_empty


def _stored(value: Any) -> Any:
    """Return a value as the API server keeps it."""
    if isinstance(value, list):
        return [_stored(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _stored(one) for key, one in value.items() if one not in (None, "", [])}
    return {key: one for key, one in kept.items() if key != "matchLabels" or one}


def test_a_port_without_a_protocol_is_found() -> None:
    """The API server fills in TCP; a port of the same number and another protocol is another one."""
    live = {"ports": [{"containerPort": 1, "protocol": p, "name": p} for p in ("UDP", "TCP")]}

    assert covers(live, {"ports": [{"containerPort": 1, "name": "TCP"}]})


@pytest.mark.parametrize(
    ("live", "wished"),
    [
        ({"requests": {"cpu": "1"}}, {"requests": {"cpu": "1001m"}}),
        ({"requests": {}}, {"requests": {"cpu": "1"}}),
        ({"selector": {"a": "b", "more": "x"}}, {"selector": {"a": "b"}}),
        ({"drop": ["ALL", "NONE"]}, {"drop": ["ALL"]}),
        ({"ports": []}, {"ports": [{"port": 1, "protocol": "TCP"}]}),
        ({"ports": [{"containerPort": 1, "protocol": "UDP"}]}, {"ports": [{"containerPort": 1}]}),
        ({"emptyDir": {"sizeLimit": "1Gi"}}, {"emptyDir": {"sizeLimit": "1025Mi"}}),
        ({"sizeLimit": "1Gi"}, {"sizeLimit": "1024Mi"}),
        ({"a": None}, {"a": {}}),
        ({"a": True}, {"a": "True"}),
        ({}, {"emptyDir": {}}),
        ({}, {"podSelector": {}}),
        ({}, {"optional": False}),
        ({"data": {}}, {"data": {"key": ""}}),
    ],
)
def test_real_differences_are_seen(live: Manifest, wished: Manifest) -> None:
    """Another amount, a wider selector, a longer list of one writer, another type."""
    assert not covers(live, wished)


@pytest.mark.parametrize(
    ("embedded", "asked", "goes"),
    [
        ({"size": "10Gi"}, {"size": "100Gi", "name": "default-class"}, True),
        ({"size": "100Gi"}, {"size": "10Gi", "name": "default-class"}, True),
        ({"size": "10Gi"}, {"size": "10240Mi", "name": "default-class"}, False),
        ({"size": "10Gi", "storageClassName": "fast"}, {"size": "10Gi", "name": "slow"}, True),
        ({"size": "10Gi", "storageClassName": "fast"}, {"size": "10Gi", "name": "fast"}, False),
        ({"accessMode": "ReadWriteOncePod"}, {"size": "10Gi", "name": "fast"}, True),
    ],
    ids=["smaller", "larger", "the same", "another class", "the same class", "another mode"],
)
@pytest.mark.parametrize("has_volume", [False, True], ids=["pending", "bound"])
def test_a_claim_that_never_got_a_volume_makes_room(
    embedded: Manifest, asked: Manifest, goes: bool, has_volume: bool
) -> None:
    """It holds nothing, and cannot be changed; one that has a volume is never deleted."""
    resource = a_somamemory(spec={"storage": {"embedded": embedded}})
    children = [deepcopy(one) for one in settled(resource)]
    [claim] = [one for one in children if kind_of(one) == PERSISTENT_VOLUME_CLAIM]
    claim["spec"]["storageClassName"] = asked["name"]
    claim["spec"]["accessModes"] = ["ReadWriteOnce"]
    claim["spec"]["resources"]["requests"]["storage"] = asked["size"]
    if not has_volume:
        del claim["spec"]["volumeName"]
        claim["status"] = {"phase": "Pending"}

    found = plan_of(observed_of(resource, children=children))

    deleted = [one.live for one in found.actions if isinstance(one, Delete)]
    assert deleted == ([claim] if goes and not has_volume else [])


def test_nothing_of_another_owner_is_touched() -> None:
    """A live object with a strange controller is an obstacle, not a target."""
    children = [deepcopy(one) for one in settled()]
    service = next(one for one in children if kind_of(one) == SERVICE)
    service["metadata"]["ownerReferences"] = [
        {"kind": "Other", "name": "mem", "uid": "x", "controller": True}
    ]
    service["spec"] = {}

    found = plan_of(observed_of(children=children))

    assert found.actions == ()
    assert [(one.manifest["kind"], one.is_leaving) for one in found.obstacles] == [
        ("Service", False)
    ]


def test_a_child_of_the_predecessor_is_waited_for() -> None:
    """A resource that was deleted and made anew lets the garbage collector finish first."""
    children = [deepcopy(one) for one in settled()]
    for child in children:
        for owner in child["metadata"].get("ownerReferences", []):
            owner["uid"] = "of-the-predecessor"

    found = plan_of(observed_of(children=children))

    assert found.actions == ()
    assert all(one.is_leaving for one in found.obstacles)
    assert len(found.obstacles) == len(children) - 1  # the retained claim is taken up


def test_a_child_that_is_leaving_is_waited_for() -> None:
    """An object with a deletion timestamp cannot be mended: its end makes room."""
    children = [deepcopy(one) for one in settled()]
    children[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    found = plan_of(observed_of(children=children))

    assert (len(found.obstacles), found.actions) == (1, ())


def test_a_child_that_left_the_wish_is_deleted() -> None:
    """The budget that was switched off goes, the claim never does."""
    resource = a_somamemory(spec={"podDisruptionBudget": {"enabled": False}})

    found = plan_of(observed_of(resource, children=settled()))

    assert verbs(found) == [f"delete {POD_DISRUPTION_BUDGET.name}"]


def test_an_object_of_somebody_else_is_not_deleted() -> None:
    """A budget of the same name that we did not make stays."""
    resource = a_somamemory(spec={"podDisruptionBudget": {"enabled": False}})
    children = [deepcopy(one) for one in settled()]
    budget = next(one for one in children if kind_of(one) == POD_DISRUPTION_BUDGET)
    del budget["metadata"]["ownerReferences"]

    assert plan_of(observed_of(resource, children=children)).is_empty


@pytest.mark.parametrize(("has_volume", "is_deleted"), [(True, False), (False, True)])
def test_only_a_claim_without_a_volume_makes_room(has_volume: bool, is_deleted: bool) -> None:
    """Another storage class replaces a claim that holds nothing, never one that may hold data."""
    spec = {"storage": {"embedded": {"storageClassName": "new"}}}
    resource = a_somamemory(spec=spec)
    children = [deepcopy(one) for one in settled(resource)]
    claim = next(one for one in children if kind_of(one) == PERSISTENT_VOLUME_CLAIM)
    claim["spec"]["storageClassName"] = "old"
    if not has_volume:
        del claim["spec"]["volumeName"]
        claim["status"] = {"phase": "Pending"}

    found = plan_of(observed_of(resource, children=children))

    deleted = [action for action in found.actions if isinstance(action, Delete)]
    assert bool(deleted) is is_deleted
