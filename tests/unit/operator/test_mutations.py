"""Every field of the spec, one after the other: set, changed, set back, left out; steps leave no trace."""

import pytest

from soma_operator.core.kinds import Manifest
from tests.support.controller_bench import KEY, Bench
from tests.support.schema_leaves import SECRETS, Leaf, leaves

LEAVES = leaves()

ELSEWHERE = ("backup.", "bootstrap.", "className")
"""Fields of copies and of other objects: what they do is tested where those are."""

AT_BIRTH = {
    "embeddings.dimensions",
    "paused",
    "storage.embedded.accessMode",
    "storage.embedded.size",
    "storage.embedded.storageClassName",
    "storage.type",
}
"""Fields that cannot be changed, or not back, as the rules of the CRD say; and the one that stops all change."""


async def born(spec: Manifest) -> Bench:
    """Return a world with a new SomaMemory and the Secrets that it may name."""
    bench = Bench()
    for name in SECRETS:
        await bench.secret(name)
    await bench.make(**spec)
    return bench


async def settle(bench: Bench) -> None:
    """Reconcile until there is nothing left to do."""
    for _ in range(4):
        if (await bench.controller.reconcile(KEY)).result == "unchanged":
            return
    raise AssertionError("no end of writing")


@pytest.mark.parametrize(
    "leaf",
    [leaf for leaf in LEAVES if leaf.path not in AT_BIRTH and not leaf.path.startswith(ELSEWHERE)],
    ids=lambda leaf: leaf.path,
)
async def test_a_field_leaves_no_trace(leaf: Leaf) -> None:
    """After each step the children are those of a new resource with that spec."""
    stepwise = await born(leaf.without)
    steps = [leaf.spec(value) for value in (*leaf.good, leaf.good[0])]

    for spec in (leaf.without, *steps, leaf.without):
        await stepwise.edit(spec)
        await settle(stepwise)
        fresh = await born(spec)
        await settle(fresh)
        assert await stepwise.children() == await fresh.children()


NO_CHILD = {
    "deletionTimeoutSeconds",
    "paused",
    "updateStrategy.type",
    "updateStrategy.maintenanceWindows",
    "updateStrategy.rollback.enabled",
    "monitoring.podMonitor.labels",
    "monitoring.podMonitor.interval",
    "autoscaling.minReplicas",
    "autoscaling.maxReplicas",
    "autoscaling.targetCPUUtilizationPercentage",
    "storage.type",
}
"""Fields that say what the operator does, that have one value only, or that are read only when another one is set."""


@pytest.mark.parametrize(
    "leaf",
    [leaf for leaf in LEAVES if leaf.path not in NO_CHILD and not leaf.path.startswith(ELSEWHERE)],
    ids=lambda leaf: leaf.path,
)
async def test_no_field_is_ignored(leaf: Leaf) -> None:
    """Two values of a field make two different sets of children."""
    worlds = []
    for value in leaf.good[:2]:
        bench = await born(leaf.spec(value))
        await settle(bench)
        worlds.append(await bench.children())

    assert worlds[0] != worlds[1]
