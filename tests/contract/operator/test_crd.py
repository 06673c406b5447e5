"""The CRD's file is what the types say, and what GitOps tools can live with."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from soma_dev import generate
from soma_dev.crds import (
    CRD_FILES,
    FOLDERS,
    soma_memory_backup_crd,
    soma_memory_class_crd,
    soma_memory_crd,
)
from soma_dev.generate import ROOT
from soma_operator.core.status import CONDITION_TYPES

LIMIT_BYTES = 200_000
"""`kubectl apply` keeps a copy in an annotation, which may hold 256 KiB."""


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for part in schema.get("properties", {}).values():
        yield from schemas(part)
    for part in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(part, dict):
            yield from schemas(part)


CRDS = {
    "SomaMemory": soma_memory_crd(),
    "SomaMemoryBackup": soma_memory_backup_crd(),
    "SomaMemoryClass": soma_memory_class_crd(),
}


@pytest.fixture(params=CRDS)
def root(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The schema of each resource."""
    version = CRDS[request.param]["spec"]["versions"][0]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def test_the_files_are_fresh() -> None:
    """Nobody edited a generated file, or forgot to generate it."""
    assert generate.stale(["crds"]) == []


@pytest.mark.parametrize("name", CRD_FILES)
def test_the_charts_copy_is_equal_byte_for_byte(name: str) -> None:
    """Who installs by hand and who installs by Helm gets the same."""
    one, other = ((ROOT / folder / name).read_bytes() for folder in FOLDERS)

    assert one == other


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_the_crd_is_small(crd: dict[str, Any]) -> None:
    """It fits into the annotation of a client-side apply, with room to grow."""
    assert len(json.dumps(crd)) < LIMIT_BYTES


def test_lists_of_objects_have_keys_and_no_defaults(root: dict[str, Any]) -> None:
    """Else GitOps tools see differences that nobody made."""
    lists = [one for one in schemas(root) if one.get("items", {}).get("type") == "object"]

    assert lists
    for one in lists:
        kind = one["x-kubernetes-list-type"]
        # Tolerations, peers and rules have no key in the API that they are copied from: one writer has the whole list.
        assert kind == "atomic" or (kind == "map" and one["x-kubernetes-list-map-keys"])
        assert [each for each in schemas(one["items"]) if "default" in each] == []


def test_every_field_is_described(root: dict[str, Any]) -> None:
    """`kubectl explain` has an answer everywhere."""
    fields = {
        name: part
        for top in ("spec", "status")
        for one in schemas(root["properties"].get(top, {}))
        for name, part in one.get("properties", {}).items()
    }

    assert [name for name, part in fields.items() if not part.get("description")] == []


def test_every_list_and_map_is_bounded(root: dict[str, Any]) -> None:
    """The API server can tell the cost of every rule, and nobody can store a monster."""
    for one in schemas(root["properties"]["spec"]):
        if one.get("type") == "array":
            assert "maxItems" in one
        if "additionalProperties" in one:
            assert "maxProperties" in one


@pytest.mark.parametrize("kind", ["SomaMemory", "SomaMemoryBackup"])
def test_all_conditions_fit(kind: str) -> None:
    """The list of conditions has room for all of ours and for those of others."""
    root = CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    conditions = root["properties"]["status"]["properties"]["conditions"]

    assert conditions["maxItems"] >= 2 * len(CONDITION_TYPES)


def test_the_sample_is_a_somamemory() -> None:
    """The example speaks of the served version."""
    sample = yaml.safe_load((ROOT / "examples/somamemory.yaml").read_text())
    group, version = sample["apiVersion"].split("/")

    assert (group, sample["kind"]) == (soma_memory_crd()["spec"]["group"], "SomaMemory")
    assert version in [one["name"] for one in soma_memory_crd()["spec"]["versions"]]
