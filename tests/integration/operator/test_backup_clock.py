"""What time does to copies, on the real API server: no operator runs, the test sets the clock."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from soma_common.errors import Overloaded
from soma_operator.adapters.access import of_kubeconfig
from soma_operator.adapters.kubernetes import connect
from soma_operator.backup_controller import BackupController
from soma_operator.controller import Controller
from soma_operator.core.events import Reporter
from soma_operator.core.kinds import (
    PERSISTENT_VOLUME_CLAIM,
    SOMA_MEMORY,
    SOMA_MEMORY_BACKUP,
    name_of,
)
from soma_operator.core.observed import ObjectKey
from soma_operator.metrics import Metrics
from soma_operator.ports import Cluster
from tests.support.backups import SNAPSHOT, TARGET, BackupRoom
from tests.support.kube_api import Room
from tests.support.somamemories import DEFAULTS

# The API server's own clock stands still, seen from the played one: nothing may be late by it.
HOURLY = {"target": TARGET, "schedule": "@hourly", "deadlineSeconds": 86400}


class Played:
    """Both controllers in this process, on the real API server, with a clock that the test sets."""

    def __init__(self, cluster: Cluster, room: Room) -> None:
        self.room = room
        self.now = datetime.now(UTC)
        parts: dict[str, Any] = {
            "defaults": DEFAULTS,
            "reporter": Reporter("memory.soma.sh/test", "test"),
            "now": lambda: self.now,
            "may_write": lambda: True,
        }
        self.memories = Controller(cluster, **parts)
        self.backups = BackupController(cluster, **parts)

    async def look(self) -> None:
        """Look at everything in the namespace, until nothing is left to do."""
        for _ in range(20):
            results = [await self._reconcile(self.memories, "mem")]
            copies = self.room.api.find(SOMA_MEMORY_BACKUP, self.room.namespace)
            results += [await self._reconcile(self.backups, name_of(one)) for one in copies]
            if set(results) <= {"unchanged", "gone"}:
                return
        raise AssertionError("no end of writing")

    async def _reconcile(self, controller: Controller | BackupController, name: str) -> str:
        try:
            return (await controller.reconcile(ObjectKey(self.room.namespace, name))).result
        except Overloaded:  # the API server, shortly after it got to know a kind
            await asyncio.sleep(0.5)
            return "changed"


@pytest.fixture
async def played(operator_kubeconfig: Path, room: Room) -> AsyncIterator[Played]:
    """Controllers with the rights of the chart."""
    async with connect(of_kubeconfig(operator_kubeconfig), Metrics(), timeout_s=30) as cluster:
        yield Played(cluster, room)


async def test_a_schedule_makes_copies_and_keeps_the_last(played: Played) -> None:
    """One copy an hour, one at a time; older ones go after a newer one was verified, the record last."""
    room = played.room
    backups = BackupRoom(room)
    backups.claim("backups")
    room.make(spec={"backup": {**HOURLY, "retention": {"keepLast": 1}}})
    await played.look()
    room.bind()
    room.roll_out()
    await played.look()
    assert backups.names() == []

    verified: list[str] = []
    for _hour in range(2):
        played.now += timedelta(hours=1)
        await played.look()
        await played.look()
        (name,) = sorted(set(backups.names()) - set(verified))
        assert backups.jobs("removal") == []
        backups.finish(backups.job(name))
        await played.look()
        verified.append(name)
        assert room.status()["backup"]["lastSuccessful"] == name

    assert backups.get(verified[0])["status"]["phase"] == "Expiring"
    backups.finish(backups.job(verified[0], "removal"))
    await played.look()

    assert backups.names() == [verified[1]]
    healthy = [one for one in room.status()["conditions"] if one["type"] == "BackupHealthy"]
    assert [(one["status"], one["reason"]) for one in healthy] == [("True", "Verified")]


async def test_a_failed_copy_of_the_schedule_is_told_by_the_memory(played: Played) -> None:
    """The memory goes on serving, and says that its copies do not."""
    room = played.room
    backups = BackupRoom(room)
    backups.claim("backups")
    room.make(spec={"backup": HOURLY})
    await played.look()
    room.bind()
    room.roll_out()
    played.now += timedelta(hours=1)
    await played.look()

    backups.fail(backups.job(backups.names()[0]), said="error: disk full")
    await played.look()

    told = {one["type"]: one for one in room.status()["conditions"]}
    assert told["Ready"]["status"] == "True"
    assert (told["BackupHealthy"]["status"], told["BackupHealthy"]["reason"]) == (
        "False",
        "BackupFailed",
    )
    assert "disk full" in told["BackupHealthy"]["message"]


async def test_a_deletion_ends_at_its_deadline_and_keeps_the_volume(played: Played) -> None:
    """What could not be copied in time stays on its volume."""
    room = played.room
    backups = BackupRoom(room)
    backups.claim("backups")
    room.make(spec=SNAPSHOT)
    await played.look()
    room.bind()
    room.roll_out()
    await played.look()
    room.api.delete(SOMA_MEMORY, room.namespace, "mem")
    await played.look()
    assert len(backups.names()) == 1

    played.now += timedelta(seconds=700)
    await played.look()

    assert room.api.read(SOMA_MEMORY, room.namespace, "mem") is None
    claim = room.api.get(PERSISTENT_VOLUME_CLAIM, room.namespace, "mem-data")
    assert "deletionTimestamp" not in claim["metadata"]
