"""`soma-operator approve` chooses what waits, and nothing else."""

from typing import Any

import pytest

from soma_operator.approve_command import EVERYTHING, RELEASES, chosen
from soma_operator.core.kinds import Manifest
from tests.support.somamemories import a_somamemory


def waiting(name: str = "mem", reason: str = "NewRelease", **more: Any) -> Manifest:
    pending = {"type": "UpdatePending", "status": "True", "reason": reason, "message": "it waits"}
    status = {"observedGeneration": 1, "updateRevision": "new", "conditions": [pending]}
    return a_somamemory(name, status=status, **more)


NOBODY: frozenset[str] = frozenset()


def test_releases_are_approved_and_changes_of_supervised_memories_on_request() -> None:
    """A person who lets a release run has not looked at what teams hold back for themselves."""
    found = [waiting("b"), waiting("a"), waiting("held", "ApprovalNeeded"), a_somamemory("calm")]

    assert [one.name for one in chosen(found, RELEASES, NOBODY)] == ["default/a", "default/b"]
    assert [one.name for one in chosen(found, EVERYTHING, frozenset({"held", "calm"}))] == [
        "default/held"
    ]


@pytest.mark.parametrize(
    "resource",
    [
        waiting(annotations={"memory.soma.sh/approved-revision": "new"}),
        waiting(generation=2),
        waiting(is_deleting=True),
        {**waiting(), "status": None},
    ],
    ids=["approved", "a newer spec", "leaving", "never looked at"],
)
def test_what_needs_no_approval_gets_none(resource: Manifest) -> None:
    """An approval names a revision that was looked at, and is given once."""
    assert chosen([resource], EVERYTHING, NOBODY) == []


def test_an_approval_keeps_what_is_there() -> None:
    """Other annotations and the version stay: what changed meanwhile is not approved unseen."""
    [one] = chosen([waiting(annotations={"team": "a"})], RELEASES, NOBODY)

    metadata = one.approved["metadata"]
    assert metadata["annotations"] == {"team": "a", "memory.soma.sh/approved-revision": "new"}
    assert metadata["resourceVersion"] == "1"
    assert one.resource["metadata"]["annotations"] == {"team": "a"}
