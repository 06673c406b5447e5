"""Every field of the spec before the real API server: its bounds are taken, and what lies beyond them is refused."""

import pytest

from soma_operator.core.kinds import SOMA_MEMORY, Manifest
from tests.support.kube_api import KubeApi, Refused, path_of
from tests.support.operator_rooms import a_room
from tests.support.schema_leaves import Leaf, leaves


@pytest.fixture(scope="module")
def namespace(api: KubeApi) -> str:
    """A namespace in which nothing is stored: all requests are dry."""
    return a_room(api).namespace


def asked(api: KubeApi, namespace: str, spec: Manifest) -> None:
    """Create a SomaMemory without storing it."""
    manifest = {
        "apiVersion": SOMA_MEMORY.api_version,
        "kind": SOMA_MEMORY.name,
        "metadata": {"name": "mem", "namespace": namespace},
        "spec": spec,
    }
    path = path_of(SOMA_MEMORY, namespace)
    api.request("POST", f"{path}?fieldValidation=Strict&dryRun=All", manifest)


@pytest.mark.parametrize("leaf", leaves(), ids=lambda leaf: leaf.path)
def test_bounds_are_taken_and_what_lies_beyond_is_refused(
    api: KubeApi, namespace: str, leaf: Leaf
) -> None:
    """Good values are taken; wrong types and values just beyond the bounds are refused, naming the field."""
    for value in leaf.good:
        asked(api, namespace, leaf.spec(value))

    for value in leaf.bad:
        with pytest.raises(Refused) as caught:
            asked(api, namespace, leaf.spec(value))
        assert caught.value.code == 422
        assert leaf.path.split(".")[0] in caught.value.message
