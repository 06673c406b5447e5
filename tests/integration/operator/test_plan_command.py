"""`soma-operator plan` tells what would be written, and writes nothing."""

from pathlib import Path

import pytest

from soma_operator.core.kinds import EVENT, SOMA_MEMORY, Manifest
from tests.support.audit import Trail
from tests.support.kube_api import KubeApi, Room, eventually
from tests.support.operator_process import plan
from tests.support.operator_rooms import ACCOUNT


def a_wish(spec: Manifest) -> Manifest:
    return {
        "apiVersion": SOMA_MEMORY.api_version,
        "kind": SOMA_MEMORY.name,
        "metadata": {"name": "mem"},
        "spec": spec,
    }


def test_a_new_resource_is_all_creations() -> None:
    """Without a cluster the report names every child."""
    code, lines = plan(a_wish({}))

    assert code == 1
    assert "+ create Deployment mem" in lines
    assert lines[-1] == "8 writes"


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x"}}, "no SomaMemory"),
        ({"replicas": "many"}, "spec.replicas"),
    ],
    ids=["another kind", "a wrong type"],
)
def test_what_cannot_be_planned_is_told(manifest: Manifest, words: str) -> None:
    """A file that is of no use ends with code 2 and the reason."""
    if "kind" not in manifest:
        manifest = a_wish(manifest)

    code, lines = plan(manifest)

    assert code == 2
    assert words in lines[0]


@pytest.mark.usefixtures("operator")
def test_a_change_is_told_field_by_field(
    api: KubeApi, room: Room, operator_kubeconfig: Path
) -> None:
    """Against a cluster: what differs, that pods are replaced, and nothing where nothing would change."""
    made = room.make()
    room.run()
    # The operator that runs tells the Event after the status.
    eventually(
        lambda: "Ready" in [one["reason"] for one in api.find(EVENT, room.namespace)] or None
    )
    as_stored = {key: made[key] for key in ("apiVersion", "kind", "metadata", "spec")}
    wish = room.manifest(
        spec={"monitoring": {"logLevel": "Debug"}, "podDisruptionBudget": {"enabled": False}}
    )
    trail = Trail(api.plane.audit_log, ACCOUNT).now()

    same = plan(as_stored, "--live", kubeconfig=operator_kubeconfig)
    code, lines = plan(wish, "--live", kubeconfig=operator_kubeconfig)

    assert same[0] == 0
    assert same[1][-1] == "nothing would change"
    assert code == 1
    assert "    data.SOMA_LOG_LEVEL: INFO -> DEBUG" in lines
    assert "- delete PodDisruptionBudget mem" in lines
    assert any(line.startswith("! new pods") for line in lines)
    assert [write for write in trail.writes() if f"/{room.namespace}/" in write] == []
