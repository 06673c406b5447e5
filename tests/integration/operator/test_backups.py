"""Copies on the real API server: the tests play the Job controller and the kubelet."""

import pytest

from tests.support.backups import BackupRoom
from tests.support.kube_api import Room


@pytest.fixture
def backups(room: Room) -> BackupRoom:
    """A namespace with a memory that serves, and a claim for copies."""
    backups = BackupRoom(room)
    backups.claim("backups")
    return backups


@pytest.mark.usefixtures("operator")
def test_a_copy_is_made_by_a_job_and_told(backups: BackupRoom) -> None:
    """A SomaMemoryBackup becomes a Job; what its pod reports is the status."""
    backups.room.make()
    backups.room.run()
    backups.make("one")

    job = backups.job("one")
    running = backups.wait_phase("one", "Running")
    backups.finish(job)
    status = backups.wait_phase("one", "Succeeded")

    assert backups.reasons(running) == {
        "Ready": ("False", "Copying"),
        "Reconciling": ("True", "Copying"),
    }
    assert backups.reasons(status) == {"Ready": ("True", "Verified")}
    uid = backups.uid("one")[:8]
    assert (
        status["location"] == f"pvc://backups/team/{backups.room.namespace}/mem/one-{uid}.sqlite3"
    )
    assert (status["sizeBytes"], status["size"], status["commitSeq"]) == (3145728, "3.0Mi", 7)
    assert status["completedAt"]
