"""Secrets that a class names are waited for, as those of a SomaMemory's own spec are."""

import pytest

from soma_operator.core.kinds import Manifest
from tests.support.played_cluster import PlayedCluster

FILES: Manifest = {
    "podTemplate": {"volumes": [{"name": "ca", "mountPath": "/etc/ca", "secretName": "ca"}]}
}


@pytest.mark.parametrize("is_of_class", [True, False])
async def test_nothing_rolls_out_before_a_named_secret_is_there(is_of_class: bool) -> None:
    """What serves goes on meanwhile: its pods could not start."""
    world = PlayedCluster()
    await world.give_class({})
    await world.serve(className="gold")
    serving = await world.running()

    if is_of_class:
        await world.give_class(FILES)
    else:
        await world.edit({"className": "gold", **FILES})
        await world.settle()

    assert await world.running() == serving
    assert (await world.conditions())["SecretsReady"] == ("False", "SecretNotFound")

    await world.secret("ca")
    await world.settle()
    assert await world.running() != serving
    assert (await world.conditions())["SecretsReady"][0] == "True"
