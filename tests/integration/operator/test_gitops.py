"""What is in Git stays what is in the cluster: no tool that compares the two sees a difference of our making."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from soma_dev.paths import ROOT, tool
from soma_operator.core.kinds import CHILD_KINDS, SOMA_MEMORY
from tests.support.backups import BackupRoom
from tests.support.kube_api import KubeApi, Room, eventually
from tests.support.operator_process import OperatorProcess
from tests.support.operator_rooms import chart

MANIFESTS = [
    ("examples/classes.yaml", "notes"),
    ("examples/somamemory.yaml", "memory"),
    ("examples/gitops/somamemory.yaml", "team-memory"),
    ("examples/backups/somamemory.yaml", "copied"),
]

RESTORED = "examples/backups/restored.yaml"
"""Is ready after a copy was restored only; the others are by themselves."""


def kubectl(
    api: KubeApi, *arguments: str, text: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    command = [str(tool("kubectl")), "--kubeconfig", str(api.plane.kubeconfig), *arguments]
    return subprocess.run(command, input=text, capture_output=True, check=False)


def differences(api: KubeApi, way: str, *arguments: str, text: bytes | None = None) -> list[str]:
    """Return the lines that applying anew would change, asked by a dry run on the server."""
    done = kubectl(api, "diff", way, *arguments, text=text)
    assert done.returncode in (0, 1), done.stderr
    lines = done.stdout.decode().splitlines()
    return [line for line in lines if line.startswith(("+ ", "- ")) and "generation" not in line]


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(("manifest", "name"), MANIFESTS)
@pytest.mark.parametrize("way", ["--server-side", "--server-side=false"])
def test_a_converged_resource_is_as_in_git(
    api: KubeApi, room: Room, manifest: str, name: str, way: str
) -> None:
    """However it was applied: after convergence nothing of spec, labels or annotations differs."""
    path = str(ROOT / manifest)
    applied = kubectl(api, "-n", room.namespace, "apply", way, "-f", path)
    assert applied.returncode == 0, applied.stderr

    room.run(name)

    assert differences(api, way, "-n", room.namespace, "-f", path) == []


def test_the_installed_chart_is_as_rendered(api: KubeApi, operator: OperatorProcess) -> None:
    """A working operator changes nothing of its own installation."""
    operator.wait_ready()

    way = "--server-side=false"  # as it was installed
    assert differences(api, way, "-n", "soma-system", "-f", "-", text=chart()) == []


@pytest.mark.usefixtures("operator")
def test_marks_of_gitops_tools_stay_on_the_resource(api: KubeApi, room: Room) -> None:
    """Tracking labels and annotations of the resource are on no child: else a tool would prune it."""
    marks: dict[str, Any] = {
        "labels": {
            "app.kubernetes.io/instance": "the-application",
            "argocd.argoproj.io/instance": "app",
        },
        "annotations": {"argocd.argoproj.io/tracking-id": "app:memory.soma.sh/SomaMemory:room/mem"},
    }
    room.make(**marks)
    room.run()

    for kind in CHILD_KINDS:
        for child in api.find(kind, room.namespace):
            text = str(child["metadata"])
            assert "argocd" not in text
            assert "the-application" not in text
    metadata = api.get(SOMA_MEMORY, room.namespace, "mem")["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == (marks["labels"], marks["annotations"])


def test_examples_are_complete() -> None:
    """Every example of a SomaMemory is among those that are compared."""
    kinds = {
        str(path.relative_to(ROOT))
        for path in Path(ROOT / "examples").rglob("*.yaml")
        if "\nkind: SomaMemory\n" in path.read_text()
    }

    assert kinds == {RESTORED, *(path for path, _ in MANIFESTS)}


@pytest.mark.usefixtures("operator")
def test_examples_of_copies_work_together(api: KubeApi, room: Room) -> None:
    """A copy by hand, and the memory that begins with it: both are as in Git when they are done."""
    backups = BackupRoom(room)
    backups.claim("backups")
    files = [str(ROOT / name) for name in ("examples/backups/backup.yaml", RESTORED)]
    room.make("memory")
    room.run("memory")
    for path in files:
        applied = kubectl(api, "-n", room.namespace, "apply", "-f", path)
        assert applied.returncode == 0, applied.stderr
    backups.finish(backups.job("before-the-move"))
    backups.wait_phase("before-the-move", "Succeeded")
    room.bind("restored")
    backups.finish(backups.job("restored", "restore"))
    room.run("restored")

    for path in files:
        assert differences(api, "--server-side=false", "-n", room.namespace, "-f", path) == []


@pytest.mark.usefixtures("operator")
def test_an_annotation_that_an_action_sets_is_no_new_generation(api: KubeApi, room: Room) -> None:
    """What an action does is answered at once, and Git's generation of the spec stays."""
    room.make()
    room.run()

    room.edit({"metadata": {"annotations": {"memory.soma.sh/hibernated": "true"}}})
    eventually(lambda: "Hibernated" in str(room.status()["conditions"]) or None)

    assert api.get(SOMA_MEMORY, room.namespace, "mem")["metadata"]["generation"] == 1
