"""What users give the pods beside fields of their own: an identity, and patches."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given

from soma_common.errors import InvalidInput
from soma_operator.core.difference import covers
from soma_operator.core.kinds import DEPLOYMENT, Manifest, kind_of
from soma_operator.core.reconcile import Outcome, decide
from soma_operator.core.render.job import Task, job
from soma_operator.core.render.pods import newest_revision
from soma_operator.core.resolve import ResolvedMemory, resolve
from tests.support.gitops import kstatus
from tests.support.somamemories import a_somamemory, conditions_of, observed_of, settled, specs

TASK = Task(image="a", arguments=(), environment=(), volumes=(), mounts=(), deadline_s=60)
NUMBERS = ("runAsUser", "runAsGroup", "fsGroup")


def a_memory(**pod_template: Any) -> ResolvedMemory:
    """Return a SomaMemory that says this about its pods."""
    return resolve(observed_of(a_somamemory(spec={"podTemplate": pod_template})))


def template_of(*patches: Manifest) -> Manifest:
    return newest_revision(a_memory(patches=list(patches))).template


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        ({}, [10001, 10001, 10001]),
        ({"type": "Fixed", "runAsUser": 20001}, [20001, 10001, 10001]),
        ({"runAsGroup": 0, "fsGroup": 30001}, [10001, 0, 30001]),
        ({"type": "Assigned"}, [None, None, None]),
    ],
)
def test_who_the_processes_are_is_said_or_assigned(
    said: Manifest, numbers: list[int | None]
) -> None:
    """Servers and Jobs have the same user and groups, and keep every promise of the restricted standard."""
    memory = a_memory(securityContext={**said, "supplementalGroups": [7]})

    server = newest_revision(memory).template["spec"]["securityContext"]
    made = job("copy", TASK, memory, {}, {})["spec"]["template"]["spec"]["securityContext"]

    assert [server.get(name) for name in NUMBERS] == numbers
    assert server["supplementalGroups"] == [7]
    assert server["runAsNonRoot"] is True
    assert server["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "type" not in server
    assert made == server


def test_patches_are_made_in_their_order() -> None:
    """Each on what the one before it made, after all fields, and of the server's pods alone."""
    sidecar = {"name": "proxy", "image": "proxy.test/a"}
    template = template_of(
        {"op": "add", "path": "/spec/containers/-", "value": sidecar},
        {"op": "test", "path": "/spec/containers/1/name", "value": "proxy"},
        {"op": "add", "path": "/spec/containers/1/args", "value": ["--quiet"]},
        {"op": "replace", "path": "/spec/containers/0/livenessProbe/periodSeconds", "value": 30},
        {"op": "remove", "path": "/spec/containers/0/startupProbe"},
        {"op": "add", "path": "/metadata/labels/team", "value": "a"},
    )

    server, other = template["spec"]["containers"]
    assert other == {**sidecar, "args": ["--quiet"]}
    assert server["livenessProbe"]["periodSeconds"] == 30
    assert "startupProbe" not in server
    assert template["metadata"]["labels"]["team"] == "a"


def test_another_patch_is_another_revision() -> None:
    """It is a wish of the user: a new release alone never looks like it."""
    one, other = (
        newest_revision(a_memory(patches=[{"op": "add", "path": "/spec/hostname", "value": value}]))
        for value in ("a", "b")
    )

    assert one.wish != other.wish
    assert one.pods != other.pods


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ({"op": "remove", "path": "/spec/nodeName"}, "cannot remove /spec/nodeName"),
        ({"op": "replace", "path": "/spec/nodeName", "value": "a"}, "cannot replace"),
        ({"op": "add", "path": "/spec/containers/7", "value": {}}, "cannot add"),
        ({"op": "add", "path": "/spec/containers/first", "value": {}}, "cannot add"),
        ({"op": "test", "path": "/spec/enableServiceLinks", "value": True}, "cannot test"),
        ({"op": "add", "path": "/spec/nodeName/a/b", "value": 1}, "cannot add"),
        ({"op": "add", "path": "/spec/enableServiceLinks/a", "value": 1}, "cannot add"),
        ({"op": "add", "path": "/spec/nodeName"}, "add needs a value"),
    ],
    ids=str,
)
def test_a_patch_that_cannot_be_made_is_told(patch: Manifest, why: str) -> None:
    """Nothing is written for it, what runs goes on, and the status names the patch."""
    patches = [{"op": "add", "path": "/spec/hostname", "value": "mem"}, patch]
    resource = a_somamemory(spec={"podTemplate": {"patches": patches}})
    observed = observed_of(resource, children=settled())

    outcome = decide(observed)

    assert isinstance(outcome, Outcome)
    assert outcome.status is not None
    assert conditions_of(outcome.status)["Stalled"] == ("True", "InvalidSpec")
    message = next(one["message"] for one in outcome.status["conditions"] if one["type"] == "Ready")
    assert f"spec.podTemplate.patches[1]: {why}" in message
    assert kstatus({**resource, "status": outcome.status}) == "Failed"


def test_what_others_add_to_lists_of_patches_does_not_look_like_drift() -> None:
    """Sidecars and aliases belong to whoever named them."""
    wished = template_of(
        {"op": "add", "path": "/spec/initContainers", "value": [{"name": "a", "image": "i"}]},
        {
            "op": "add",
            "path": "/spec/hostAliases",
            "value": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
        },
    )
    live = deepcopy(wished)
    live["spec"]["initContainers"].insert(0, {"name": "mesh", "image": "mesh.test/a"})
    live["spec"]["hostAliases"].append({"ip": "10.0.0.2"})

    assert covers(live, wished)
    live["spec"]["hostAliases"][0]["hostnames"] = ["b"]
    assert not covers(live, wished)


@given(specs())
def test_patches_leave_a_memory_to_be_found(spec: Manifest) -> None:
    """Whatever else is wished for, the first container is the server's, and the Deployment finds its pods."""
    resource = a_somamemory(spec=spec)
    deployment = next(one for one in settled(resource) if kind_of(one) == DEPLOYMENT)

    template = deployment["spec"]["template"]
    assert template["spec"]["containers"][0]["name"] == "memory-server"
    assert template["spec"]["volumes"][0]["name"] == "data"
    assert (
        deployment["spec"]["selector"]["matchLabels"].items()
        <= template["metadata"]["labels"].items()
    )


def test_a_patch_says_where_it_is() -> None:
    """By its place in the list, as people count in manifests."""
    with pytest.raises(InvalidInput) as caught:
        template_of({"op": "remove", "path": "/spec/nodeName"})

    assert [one.field for one in caught.value.violations] == ["spec.podTemplate.patches[0]"]
