"""Filling in what a SomaMemory leaves open."""

import pytest

from soma_common.errors import InvalidInput
from soma_operator.core.kinds import PERSISTENT_VOLUME_CLAIM, kind_of
from soma_operator.core.resolve import resolve, split_image
from tests.support.somamemories import a_somamemory, observed_of, rendered

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "full", "version"),
    [
        ({}, "registry.test/soma-memory-server:1.2.3", "1.2.3"),
        ({"tag": "2.0"}, "registry.test/soma-memory-server:2.0", "2.0"),
        ({"repository": "other/server"}, "other/server", "latest"),
        ({"repository": "other/server", "tag": "7"}, "other/server:7", "7"),
        ({"digest": DIGEST}, f"registry.test/soma-memory-server@{DIGEST}", "aaaaaaaaaaaa"),
        ({"tag": "2.0", "digest": DIGEST}, f"registry.test/soma-memory-server@{DIGEST}", "a" * 12),
    ],
)
def test_an_image_is_completed_from_the_default(
    image: dict[str, str], full: str, version: str
) -> None:
    """Parts of the image that the resource leaves out come from the default, but never a tag of another repository."""
    memory = resolve(observed_of(a_somamemory(spec={"image": image})))

    assert (memory.image.full, memory.image.version) == (full, version)


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("server", ("server", None, None)),
        ("registry.test:5000/a/server", ("registry.test:5000/a/server", None, None)),
        ("registry.test:5000/a/server:1", ("registry.test:5000/a/server", "1", None)),
        (f"a/server:1@{DIGEST}", ("a/server", "1", DIGEST)),
    ],
)
def test_an_image_name_is_split(image: str, parts: tuple[str, str | None, str | None]) -> None:
    """A colon of the registry's port is not taken for that of a tag."""
    assert split_image(image) == parts


@pytest.mark.parametrize(
    ("wished", "present", "asked"),
    [("2Gi", "1Gi", "2Gi"), ("1Gi", "2Gi", "2Gi"), ("1Gi", "1024Mi", "1Gi")],
)
def test_a_claim_never_asks_for_less_than_it_has(wished: str, present: str, asked: str) -> None:
    """A claim that is taken up keeps its size when the resource asks for less."""
    resource = a_somamemory(spec={"storage": {"embedded": {"size": wished}}})
    claim = next(one for one in rendered(resource) if kind_of(one) == PERSISTENT_VOLUME_CLAIM)
    claim["spec"]["resources"]["requests"]["storage"] = present

    assert resolve(observed_of(resource, children=[claim])).claim_size == asked


def test_a_spec_of_another_schema_is_named_field_by_field() -> None:
    """A stored spec that this version cannot read is refused with every bad field."""
    resource = a_somamemory(
        spec={"replicas": "many", "storage": {"type": "Stone"}, "newer": {"field": 1}}
    )

    with pytest.raises(InvalidInput) as caught:
        resolve(observed_of(resource))

    fields = {violation.field for violation in caught.value.violations}
    assert fields == {"spec.replicas", "spec.storage.type"}


@pytest.mark.parametrize(
    ("spec", "annotations", "is_paused"),
    [
        ({}, {}, False),
        ({"paused": True}, {}, True),
        ({}, {"memory.soma.sh/reconcile": "disabled"}, True),
        ({}, {"memory.soma.sh/reconcile": "enabled"}, False),
    ],
)
def test_two_ways_to_pause(
    spec: dict[str, bool], annotations: dict[str, str], is_paused: bool
) -> None:
    """The spec and the annotation each pause a resource."""
    resource = a_somamemory(spec=spec, annotations=annotations)

    assert resolve(observed_of(resource)).is_paused is is_paused
