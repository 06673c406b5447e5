"""`soma-operator plan` on files as people write them."""

from pathlib import Path

import pytest

from soma_operator.__main__ import main
from soma_operator.plan_command import FAILED, SOMETHING

HEAD = "apiVersion: memory.soma.sh/v1alpha1\nkind: SomaMemory\n"


def planned(
    folder: Path, text: str, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, str, str]:
    """Return the exit code, what was printed and what was complained of."""
    path = folder / "memory.yaml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    code = main(["plan", "-f", str(path), *more])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize(
    "rest",
    [
        "metadata: {name: memory}",
        "metadata: {name: memory, namespace: null, labels: null, annotations: null}\nspec: null",
        "metadata: {name: memory, annotations: {}}\nspec: {}\n---\nkind: Secret\n---\n",
    ],
)
def test_what_may_be_left_out_may_be_empty(
    rest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the API server takes it."""
    code, out, err = planned(tmp_path, HEAD + rest, capsys, "-n", "teams")

    assert (code, err) == (SOMETHING, "")
    assert "SomaMemory teams/memory" in out
    assert "+ create Deployment memory\n" in out


@pytest.mark.parametrize(
    ("rest", "named"),
    [
        ("", "metadata: Field required"),
        ("metadata: null", "metadata: "),
        ("metadata: [a]", "metadata: "),
        ("metadata: {}", "metadata.name: Field required"),
        ("metadata: {name: null}", "metadata.name: "),
        ("metadata: {name: 5}", "metadata.name: "),
        ("metadata: {name: Not_A_Name}", "metadata.name: "),
        ("metadata: {name: a, namespace: 5}", "metadata.namespace: "),
        ("metadata: {name: a, annotations: [b]}", "metadata.annotations: "),
        ("metadata: {name: a, annotations: {b: 5}}", "metadata.annotations.b: "),
        ("metadata: {name: a}\nspec: []", "spec: "),
        ("metadata: {name: a}\nspec: {storage: 5}", "spec.storage: "),
        ("metadata: {", "the file is not YAML"),
        ("metadata: {name: \udcff}", "the file is not YAML"),
    ],
)
def test_what_cannot_be_understood_is_named(
    rest: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with the field; never a traceback."""
    code, out, err = planned(tmp_path, HEAD + rest, capsys)

    assert (code, out) == (FAILED, "")
    assert named in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("patch", ["op: add, path: /spec/none/0, value: 1", "op: add, path: /x"])
def test_a_patch_that_cannot_be_made_is_named(
    patch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan that changes nothing would be taken for one that is fine."""
    spec = f"metadata: {{name: memory}}\nspec: {{podTemplate: {{patches: [{{{patch}}}]}}}}"

    code, out, err = planned(tmp_path, HEAD + spec, capsys)

    assert (code, out) == (FAILED, "")
    assert "spec.podTemplate.patches[0]" in err


def test_a_file_without_one_or_without_anything_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other kinds alone, and no file at all."""
    assert planned(tmp_path, "kind: Secret", capsys)[0] == FAILED
    assert main(["plan", "-f", str(tmp_path / "absent")]) == FAILED
    assert "the file cannot be read" in capsys.readouterr().err


CLASS = """
apiVersion: memory.soma.sh/v1alpha1
kind: SomaMemoryClass
metadata: {name: gold}
spec: {monitoring: {podMonitor: {enabled: true}}}
---
"""


def test_a_class_is_taken_from_the_same_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan of a change of a class needs no cluster."""
    wish = "metadata: {name: memory}\nspec: {className: gold}"

    code, out, err = planned(tmp_path, CLASS + HEAD + wish, capsys)

    assert (code, err) == (SOMETHING, "")
    assert "+ create PodMonitor memory\n" in out


@pytest.mark.parametrize("head", ["", CLASS.replace("gold", "tin")])
def test_a_class_that_is_nowhere_is_told(
    head: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan without it would be one of another memory."""
    wish = "metadata: {name: memory}\nspec: {className: gold}"

    code, out, err = planned(tmp_path, head + HEAD + wish, capsys)

    assert (code, out) == (FAILED, "")
    assert "gold" in err


def test_slips_of_the_pen_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fields that nobody reads, wherever they are; what may hold anything is let be."""
    spec = """
spec:
  replica: 1
  storage: {embedded: {sise: 20Gi}}
  podTemplate:
    nodeselector: {disk: ssd}
    nodeSelector: {anything: goes}
    env: [{name: TZ, value: UTC}, {name: LANG, value: C, valeu: D}]
    patches: [{op: add, path: /spec/hostname, value: {any: thing}}]
"""
    code, out, err = planned(tmp_path, HEAD + "metadata: {name: memory}" + spec, capsys)

    assert (code, err) == (SOMETHING, "")
    assert [line.split()[1] for line in out.splitlines() if "is no field" in line] == [
        "spec.replica",
        "spec.storage.embedded.sise",
        "spec.podTemplate.nodeselector",
        "spec.podTemplate.env[1].valeu",
    ]
