"""Copies on the real API server: the tests play the Job controller and the kubelet."""

import pytest

from soma_operator.core.kinds import (
    DEPLOYMENT,
    EVENT,
    JOB,
    PERSISTENT_VOLUME_CLAIM,
    SOMA_MEMORY,
    SOMA_MEMORY_BACKUP,
    Manifest,
)
from tests.support.backups import SNAPSHOT, TARGET, BackupRoom
from tests.support.kube_api import NAMESPACE, KubeApi, Refused, Room, eventually, path_of
from tests.support.operator_rooms import a_room


@pytest.fixture
def backups(room: Room) -> BackupRoom:
    """A namespace with a claim for copies."""
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
    place = f"pvc://backups/team/{backups.room.namespace}/mem/one-{backups.uid('one')[:8]}.sqlite3"
    assert status["location"] == place
    assert (status["sizeBytes"], status["size"], status["commitSeq"]) == (3145728, "3.0Mi", 7)
    assert status["completedAt"]


@pytest.mark.usefixtures("operator")
def test_a_copy_waits_for_what_it_needs(room: Room) -> None:
    """Each thing that is missing is named; with the last one the Job is made."""
    backups = BackupRoom(room)
    backups.make("one")
    backups.wait_reason("one", "MemoryNotFound")
    room.make()
    assert "backups" in backups.wait_reason("one", "ClaimNotFound")

    backups.claim("backups")
    backups.wait_reason("one", "MemoryNotServing")
    room.run()

    assert backups.job("one")


@pytest.mark.usefixtures("operator")
def test_a_failed_copy_tells_the_last_words(backups: BackupRoom) -> None:
    """They are in the status and in one Event; the SomaMemoryBackup is not tried again."""
    backups.room.make()
    backups.room.run()
    backups.make("one")

    backups.fail(backups.job("one"), said="error: the token lacks the scope backup")
    status = backups.wait_phase("one", "Failed")

    assert backups.reasons(status)["Stalled"] == ("True", "CopyFailed")
    assert "the token lacks the scope backup" in status["conditions"][0]["message"]
    told = [
        event["reason"]
        for event in backups.room.api.find(EVENT, backups.room.namespace)
        if event["regarding"]["kind"] == "SomaMemoryBackup"
    ]
    assert sorted(told) == ["CopyFailed", "Copying"]


@pytest.mark.usefixtures("operator")
def test_a_backup_outlives_its_memory_and_leaves_no_job(backups: BackupRoom, api: KubeApi) -> None:
    """Nothing of a copy belongs to the memory; the Job belongs to the copy, and goes with it."""
    room = backups.room
    room.make()
    room.run()
    backups.make("one")
    backups.finish(backups.job("one"))
    backups.wait_phase("one", "Succeeded")

    api.delete(SOMA_MEMORY, room.namespace, "mem")
    eventually(lambda: api.read(SOMA_MEMORY, room.namespace, "mem") is None or None)

    copy = backups.get("one")
    assert copy["status"]["phase"] == "Succeeded"
    assert "ownerReferences" not in copy["metadata"]
    owners = [one["metadata"]["ownerReferences"] for one in backups.jobs()]
    assert [(one["kind"], one["uid"]) for (one,) in owners] == [
        ("SomaMemoryBackup", copy["metadata"]["uid"])
    ]


@pytest.mark.usefixtures("operator")
def test_a_new_memory_begins_with_a_copy(backups: BackupRoom) -> None:
    """No server before the Job restored; what was restored is in the status."""
    room = backups.room
    room.make()
    room.run()
    backups.make("one")
    backups.finish(backups.job("one"))
    backups.wait_phase("one", "Succeeded")

    room.make("new", {"bootstrap": {"type": "Backup", "backupName": "one"}})
    room.bind("new")
    room.wait_for("Ready", "False", "Restoring", name="new")
    replicas = room.child(DEPLOYMENT, "new")["spec"]["replicas"]
    backups.finish(backups.job("new", "restore"))
    status = room.run("new")

    assert replicas == 0
    assert status["storage"]["restoredFrom"].startswith("pvc://backups/team/")
    assert room.child(DEPLOYMENT, "new")["spec"]["replicas"] == 1


@pytest.mark.usefixtures("operator")
def test_a_storage_that_is_not_empty_is_not_restored_into(backups: BackupRoom) -> None:
    """The exit code of the command becomes a reason with its mend; no server starts."""
    room = backups.room
    location = {"target": TARGET, "name": "default/mem/one.sqlite3"}
    room.make(spec={"bootstrap": {"type": "Location", "location": location}})
    room.bind()

    backups.fail(backups.job("mem", "restore"), code=5, said="there is a store")
    status = room.wait_for("Stalled", "True", "StorageNotEmpty")

    assert "create a SomaMemory of another name" in str(status["conditions"])
    assert room.child(DEPLOYMENT)["spec"]["replicas"] == 0


@pytest.mark.usefixtures("operator")
def test_a_deletion_waits_for_the_last_copy(backups: BackupRoom, api: KubeApi) -> None:
    """Servers stop, the copy is made and verified, then volume and resource go; the copy stays."""
    room = backups.room
    room.make(spec=SNAPSHOT)
    room.run()
    assert api.get(SOMA_MEMORY, room.namespace, "mem")["metadata"]["finalizers"] == [
        "memory.soma.sh/last-copy"
    ]

    api.delete(SOMA_MEMORY, room.namespace, "mem")
    last = eventually(lambda: next(iter(backups.names()), None))
    job = backups.job(last)
    told = room.wait_for("Reconciling", "True", "SnapshotUnderWay")
    assert api.get(DEPLOYMENT, room.namespace, "mem")["spec"]["replicas"] == 0
    assert "memory.soma.sh/force-delete" in str(told["conditions"])
    backups.finish(job)

    eventually(lambda: api.read(SOMA_MEMORY, room.namespace, "mem") is None or None)
    gone = eventually(lambda: going(api, room))
    assert gone
    assert backups.wait_phase(last, "Succeeded")
    # As long as its pods are there, the claim is in use.
    eventually(lambda: api.find(JOB, room.namespace) == [] or None)


def going(api: KubeApi, room: Room) -> bool | None:
    """Return whether the claim is gone, or about to be when no pod uses it."""
    claim = api.read(PERSISTENT_VOLUME_CLAIM, room.namespace, "mem-data")
    return claim is None or "deletionTimestamp" in claim["metadata"] or None


@pytest.mark.usefixtures("operator")
def test_a_deletion_may_be_forced(backups: BackupRoom, api: KubeApi) -> None:
    """The annotation ends the waiting for a copy that fails; the failed record of it stays."""
    room = backups.room
    room.make(spec=SNAPSHOT)
    room.run()
    api.delete(SOMA_MEMORY, room.namespace, "mem")
    last = eventually(lambda: next(iter(backups.names()), None))
    backups.fail(backups.job(last), said="error: the bucket is not there")
    told = room.wait_for("Reconciling", "True", "SnapshotFailed")

    room.edit({"metadata": {"annotations": {"memory.soma.sh/force-delete": "true"}}})

    eventually(lambda: api.read(SOMA_MEMORY, room.namespace, "mem") is None or None)
    assert eventually(lambda: going(api, room))
    assert "the bucket is not there" in str(told["conditions"])
    assert backups.names() == [last]


@pytest.mark.usefixtures("operator")
def test_a_namespace_is_not_held_up(api: KubeApi) -> None:
    """In a namespace that is being deleted no last copy can be made, and none is waited for."""
    backups = BackupRoom(a_room(api))
    room = backups.room
    room.make(spec=SNAPSHOT)
    room.run()

    api.request("DELETE", path_of(NAMESPACE, None, room.namespace))

    eventually(lambda: api.read(SOMA_MEMORY, room.namespace, "mem") is None or None)


@pytest.mark.usefixtures("operator")
def test_the_finalizer_is_nobody_s_drift(backups: BackupRoom, api: KubeApi) -> None:
    """It comes and goes with the policy, and the generation of the spec does not move by it."""
    room = backups.room
    room.make()
    room.run()
    assert "finalizers" not in api.get(SOMA_MEMORY, room.namespace, "mem")["metadata"]

    room.edit({"spec": SNAPSHOT})
    eventually(lambda: finalizers(api, room) or None)
    room.edit({"spec": {"deletionPolicy": "Retain"}})
    eventually(lambda: finalizers(api, room) == [] or None)

    assert api.get(SOMA_MEMORY, room.namespace, "mem")["metadata"]["generation"] == 3


def finalizers(api: KubeApi, room: Room) -> list[str]:
    metadata = api.get(SOMA_MEMORY, room.namespace, "mem")["metadata"]
    found: list[str] = metadata.get("finalizers", [])
    return found


REFUSED = [
    ({"target": {"type": "Volume"}}, "target.volume goes with target.type Volume"),
    ({"target": TARGET, "deadlineSeconds": 5}, "should be greater than or equal to 10"),
    ({"target": None}, "spec.target: Required value"),
]


@pytest.mark.parametrize(("change", "sentence"), REFUSED)
def test_a_bad_backup_is_refused(room: Room, change: Manifest, sentence: str) -> None:
    """Of two neighbours the good one is taken, the bad one refused in words."""
    backups = BackupRoom(room)
    backups.make("good")
    spec = {"memoryRef": {"name": "mem"}, **change}

    with pytest.raises(Refused) as caught:
        room.api.create(
            {
                "apiVersion": SOMA_MEMORY_BACKUP.api_version,
                "kind": SOMA_MEMORY_BACKUP.name,
                "metadata": {"name": "bad", "namespace": room.namespace},
                "spec": {name: value for name, value in spec.items() if value is not None},
            }
        )

    assert sentence in caught.value.message


def test_a_backup_cannot_be_changed(room: Room) -> None:
    """Its labels can, its spec cannot."""
    backups = BackupRoom(room)
    made = backups.make("one")
    room.api.patch(SOMA_MEMORY_BACKUP, room.namespace, "one", {"metadata": {"labels": {"a": "b"}}})

    with pytest.raises(Refused) as caught:
        room.api.patch(SOMA_MEMORY_BACKUP, room.namespace, "one", {"spec": {"deadlineSeconds": 11}})

    assert made["status"] == {"observedGeneration": -1}
    assert "a backup cannot be changed: create another SomaMemoryBackup" in caught.value.message


def test_names_of_backups_fit_into_labels(room: Room) -> None:
    """63 characters are taken, one more is refused with a sentence."""
    backups = BackupRoom(room)
    backups.make("b" * 63)

    with pytest.raises(Refused) as caught:
        backups.make("b" * 64)

    assert "metadata.name must be at most 63 characters" in caught.value.message
