"""The net below the watches."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from soma_operator.core.observed import ObjectKey
from soma_operator.queue import Pace, WorkQueue
from soma_operator.resync import Resync

A, B = ObjectKey("default", "a"), ObjectKey("default", "b")


class InMemoryWatches:
    """Watches that tell what a test lets them tell."""

    def __init__(self) -> None:
        self.told: dict[ObjectKey, str] = {}

    @property
    def seen(self) -> Mapping[ObjectKey, str]:
        return self.told

    @property
    def is_started(self) -> bool:
        return True

    async def spawn(self) -> None:
        return

    async def run(self, ignored: Collection[asyncio.Task[Any]]) -> None:
        return

    def stop(self) -> None:
        return

    def problem(self) -> str | None:
        return None


class Bench:
    """A resync over a list that a test changes."""

    def __init__(self) -> None:
        self.stored: dict[ObjectKey, str] = {A: "1", B: "1"}
        self.watches = InMemoryWatches()
        self.queue = WorkQueue(Pace(1.0, 0.5, 300.0), lambda: 100.0, lambda: 1.0)
        self.resync = Resync(self._listed, self.watches, self.queue, interval_s=1.0)

    async def _listed(self) -> dict[ObjectKey, str]:
        return dict(self.stored)


@pytest.fixture
def bench() -> Bench:
    """Watches that have told everything."""
    bench = Bench()
    bench.watches.told = dict(bench.stored)
    return bench


async def test_every_resource_is_looked_at(bench: Bench) -> None:
    """Without any event, each resource is reconciled."""
    await bench.resync.resync()

    assert {await bench.queue.get(), await bench.queue.get()} == {A, B}


async def test_a_change_that_was_told_late_is_no_problem(bench: Bench) -> None:
    """A list may be ahead of the watch for a moment."""
    await bench.resync.resync()
    bench.stored[A] = "2"
    await bench.resync.resync()
    assert bench.resync.problem() is None

    bench.watches.told[A] = "2"
    await bench.resync.resync()

    assert bench.resync.problem() is None


async def test_a_change_that_is_never_told_is_found_out(bench: Bench) -> None:
    """What two lists show and the watch does not tell, it will never tell: the process must not look alive."""
    bench.stored[A] = "2"

    await bench.resync.resync()
    assert bench.resync.problem() is None
    await bench.resync.resync()

    assert bench.resync.problem() == "the watch missed changes of default/a"


async def test_a_deleted_resource_is_no_problem(bench: Bench) -> None:
    """What is no longer listed was not missed."""
    await bench.resync.resync()
    del bench.stored[A]

    await bench.resync.resync()

    assert bench.resync.problem() is None
