"""What the chart renders, by the real helm."""

import json
import subprocess
from typing import Any

import pytest
import yaml

from soma_dev.crds import CRD_FILES
from soma_dev.generate import ROOT
from soma_dev.paths import tool
from soma_operator import __version__
from soma_operator.settings import OperatorSettings

CHART = ROOT / "charts/soma-stack"


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(tool("helm")), *arguments], check=False, capture_output=True, text=True
    )


def render(*settings: str) -> list[dict[str, Any]]:
    options = [part for setting in settings for part in ("--set", setting)]
    rendered = helm("template", "soma", str(CHART), "--namespace", "soma-system", *options)
    assert rendered.returncode == 0, rendered.stderr
    return [one for one in yaml.safe_load_all(rendered.stdout) if one]


def one_of(kind: str, *settings: str) -> dict[str, Any]:
    return next(one for one in render(*settings) if one["kind"] == kind)


def operator_environment(*settings: str) -> dict[str, Any]:
    container = one_of("Deployment", *settings)["spec"]["template"]["spec"]["containers"][0]
    return {one["name"]: one.get("value") for one in container["env"]}


@pytest.mark.parametrize(
    "option",
    [
        "operator.replicas=2",
        "operator.podMonitor.enabled=true",
        "watchNamespaces={a,b}",
        "sample.enabled=true",
    ],
)
def test_helm_finds_nothing_wrong(option: str) -> None:
    """`helm lint` passes with every switch."""
    linted = helm("lint", "--strict", str(CHART), "--set", option)

    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("operator.replicas=0", "replicas"),
        ("operator.image.pullPolicy=Sometimes", "pullPolicy"),
        ("operater.replicas=1", "operater"),
        ("operator.podMonitor.interval=often", "interval"),
        ("operator.podMonitor.interval=null", "interval"),
        ("operator.podAnnotations.scrape=true", "podAnnotations/scrape"),
        ("operator.nodeSelector.fast=1", "nodeSelector/fast"),
        ("operator.tolerations={all}", "tolerations/0"),
        ("operator.image.tag=sha256:0123", "image/tag"),
        ("server.image.tag=1:2", "image/tag"),
        ("sample.name=null", "sample"),
        ("watchNamespaces={UPPER}", "watchNamespaces"),
    ],
)
def test_wrong_values_are_refused(setting: str, word: str) -> None:
    """A slip in the values is told before anything is installed."""
    refused = helm("template", "soma", str(CHART), "--set", setting)

    assert refused.returncode != 0
    assert word in refused.stderr


def test_every_variable_is_a_setting() -> None:
    """The operator's pod gets only variables that the operator reads."""
    names = operator_environment()

    fields = {name.removeprefix("SOMA_OPERATOR_").lower() for name in names}
    assert fields <= set(OperatorSettings.model_fields)


def test_the_server_image_is_passed_on() -> None:
    """The image of memory servers comes from the values."""
    image = "server.image.repository=registry.test/server"

    environment = operator_environment(
        image, "server.image.tag=v9", "server.image.pullPolicy=Never"
    )

    assert environment["SOMA_OPERATOR_SERVER_IMAGE"] == "registry.test/server:v9"
    assert environment["SOMA_OPERATOR_SERVER_PULL_POLICY"] == "Never"


@pytest.mark.parametrize("tag", ["1.0", f"v2@sha256:{'0a' * 32}", "x" * 128])
def test_an_image_may_be_named_by_its_digest(tag: str) -> None:
    """What runs is then what was looked at."""
    environment = operator_environment(f"server.image.tag={tag}", "server.image.repository=r/s")

    assert environment["SOMA_OPERATOR_SERVER_IMAGE"] == f"r/s:{tag}"


def test_the_lease_has_the_name_that_the_role_allows() -> None:
    """The operator may write the very Lease it is told to hold."""
    role = one_of("Role")
    allowed = [name for rule in role["rules"] for name in rule.get("resourceNames", [])]

    assert allowed == [operator_environment()["SOMA_OPERATOR_LEASE_NAME"]]


def test_single_namespaces_get_rights_of_their_own() -> None:
    """Serving named namespaces, the operator has no right to SomaMemories elsewhere."""
    manifests = render("watchNamespaces={a,b}")

    cluster = next(one for one in manifests if one["kind"] == "ClusterRole")
    everywhere = {one for rule in cluster["rules"] for one in rule["resources"]}
    assert everywhere == {"storageclasses", "somamemoryclasses"}
    roles = [one["metadata"]["namespace"] for one in manifests if one["kind"] == "Role"]
    assert sorted(roles) == ["a", "b", "soma-system"]


def test_the_operators_pod_is_restricted() -> None:
    """The operator meets the restricted Pod Security Standard, and mounts nothing writable but /tmp."""
    pod = one_of("Deployment")["spec"]["template"]["spec"]
    container = pod["containers"][0]

    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["enableServiceLinks"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_crds_are_upgraded_and_survive_an_uninstall() -> None:
    """The CRDs are templates, so that helm upgrades them; and marked, so that helm never removes them."""
    crds = [one for one in render() if one["kind"] == "CustomResourceDefinition"]
    files = [yaml.safe_load((ROOT / "crds" / name).read_text()) for name in CRD_FILES]

    assert sorted(crds, key=str) == sorted(files, key=str)
    for crd in crds:
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    kinds = {one["kind"] for one in render("crds.install=false")}
    assert "CustomResourceDefinition" not in kinds


def test_the_sample_waits_for_its_kind() -> None:
    """The sample comes after the CRD, once; an upgrade never makes it anew."""
    sample = one_of("SomaMemory", "sample.enabled=true", "sample.name=notes")

    assert sample["metadata"]["name"] == "notes"
    assert sample["metadata"]["annotations"]["helm.sh/hook"] == "post-install"
    assert "before-hook-creation" not in sample["metadata"]["annotations"].values()


def test_versions_agree() -> None:
    """Package, chart and operator are released together."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["appVersion"] == chart["version"] == __version__
    assert f'\nversion = "{__version__}"\n' in (ROOT / "pyproject.toml").read_text()


def test_every_value_is_described() -> None:
    """The schema says of each value what it is for."""
    schema = json.loads((CHART / "values.schema.json").read_text())

    leaves = [
        (name, part)
        for group in schema["properties"].values()
        for name, part in group.get("properties", {}).items()
        if "$ref" not in part
    ]
    assert [name for name, part in leaves if "description" not in part] == []


def test_prometheus_finds_the_operator_where_it_is_asked_to() -> None:
    """The PodMonitor selects the operator's pods and names a port of theirs; it is no part of the chart otherwise."""
    wish = "operator.podMonitor"
    monitor = one_of("PodMonitor", f"{wish}.enabled=true", f"{wish}.labels.release=prometheus")
    template = one_of("Deployment")["spec"]["template"]

    assert "PodMonitor" not in [one["kind"] for one in render()]
    selected = monitor["spec"]["selector"]["matchLabels"]
    assert selected.items() <= template["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    ports = [one["name"] for one in template["spec"]["containers"][0]["ports"]]
    assert (endpoint["port"], endpoint["path"], endpoint["interval"]) == (*ports, "/metrics", "30s")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert selected.items() <= monitor["metadata"]["labels"].items()
