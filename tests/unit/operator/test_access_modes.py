"""A volume keeps the access mode that it was made with, whoever asked for it."""

import pytest

from soma_operator.core.kinds import PERSISTENT_VOLUME_CLAIM, SOMA_MEMORY
from tests.support.controller_bench import KEY
from tests.support.played_cluster import PlayedCluster

ONE_POD = {"storage": {"embedded": {"accessMode": "ReadWriteOncePod"}}}


async def modes(world: PlayedCluster) -> list[str]:
    claim = await world.one(PERSISTENT_VOLUME_CLAIM, f"{KEY.name}-data")
    found: list[str] = claim["spec"]["accessModes"]
    return found


async def test_a_mode_of_the_class_stays_once_the_volume_is_there() -> None:
    """Nothing is written that the API server would refuse: the mode of a claim cannot be changed."""
    world = PlayedCluster()
    await world.give_class(ONE_POD)

    await world.serve(className="gold")
    assert await modes(world) == ["ReadWriteOncePod"]
    await world.give_class({})

    assert await modes(world) == ["ReadWriteOncePod"]
    assert (await world.conditions())["Ready"][0] == "True"


@pytest.mark.parametrize("spec", [{}, ONE_POD])
async def test_a_retained_claim_is_taken_up_with_its_mode(spec: dict[str, object]) -> None:
    """By a new resource that says nothing, and by one that says the other."""
    other = {} if spec else ONE_POD
    world = PlayedCluster()
    await world.serve(**other)
    before = await modes(world)
    await world.cluster.delete(await world.one(SOMA_MEMORY, KEY.name))

    await world.make(**spec)
    await world.settle()

    assert await modes(world) == before
