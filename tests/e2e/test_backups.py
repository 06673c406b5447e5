"""Copies on real pods: made by a Job, restored into a new memory, made on a schedule, and made last of all."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from somamemory import MemoryClient, s3
from tests.support.cluster import Place, eventually
from tests.support.s3_server import BUCKET, S3Server, s3_server

VERSION = "memory.soma.sh/v1alpha1"
VOLUME: dict[str, Any] = {"type": "Volume", "volume": {"claimName": "backups", "path": "team"}}
SMALL: dict[str, Any] = {"storage": {"embedded": {"size": "1Gi"}}}
QUESTION = "what does Ana drink?"


def create(
    place: Place,
    kind: str,
    name: str,
    version: str = "v1",
    labels: dict[str, str] | None = None,
    **content: Any,
) -> None:
    """Create an object, as a user does."""
    metadata = {"name": name, "labels": labels or {}}
    manifest = {"apiVersion": version, "kind": kind, "metadata": metadata, **content}
    place.kubectl("create", "-f", "-", input_text=json.dumps(manifest))


def copy(
    place: Place, name: str, target: dict[str, Any], labels: dict[str, str] | None = None
) -> None:
    """Wish for a copy of the memory."""
    spec = {"memoryRef": {"name": "mem"}, "target": target}
    create(place, "SomaMemoryBackup", name, VERSION, labels, spec=spec)


def store(place: Place, name: str, text: str) -> None:
    with place.forwarded() as address, MemoryClient(address) as client:
        client.store({"text": text}, id=name)


def recalled(place: Place) -> list[tuple[str, float]]:
    """Return what a question finds, with the scores."""
    with place.forwarded() as address, MemoryClient(address) as client:
        return [(hit.memory.id, hit.score) for hit in client.recall(QUESTION)]


def names(place: Place) -> list[str]:
    """Return the names of all copies."""
    return [one["metadata"]["name"] for one in place.get("smembk")["items"]]


def verified(place: Place, *others: str) -> list[str]:
    """Return the names of the verified copies that are none of these."""
    found = place.get("smembk")["items"]
    failed = [one["status"] for one in found if one.get("status", {}).get("phase") == "Failed"]
    assert failed == []
    return [
        one["metadata"]["name"]
        for one in found
        if one.get("status", {}).get("phase") == "Succeeded"
        and one["metadata"]["name"] not in others
    ]


def wait_verified(place: Place, *others: str) -> str:
    """Wait for a verified copy that is none of these, and return its name."""
    return eventually(
        lambda: next(iter(verified(place, *others)), None),
        timeout_s=90,
        or_say=lambda: told(place),
    )


def told(place: Place) -> str:
    """Return what the copies and the pods say, for a person who looks for a cause."""
    copies = place.kubectl("get", "smembk", "-o", "yaml")
    return f"{copies}\n{place.kubernetes.pods_say(place.namespace)}"


def test_memories_survive_in_copies(place: Place) -> None:
    """A copy is restored into a new memory that recalls the same; a schedule and a deletion make copies as well."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    create(place, "PersistentVolumeClaim", "backups", spec=claim)
    place.apply(SMALL)
    place.wait_ready()
    store(place, "ana", "Ana prefers green tea")
    store(place, "build", "the build takes nine minutes")
    before = recalled(place)

    copy(place, "one", VOLUME)
    # Waits for the copy, and begins with it while the rest of the story goes on.
    again = replace(place, name="again")
    again.apply({**SMALL, "bootstrap": {"type": "Backup", "backupName": "one"}})
    wait_verified(place)
    heads, row = place.kubectl("get", "smembk").splitlines()
    schedule = {"target": VOLUME, "schedule": "* * * * *", "retention": {"keepLast": 1}}
    place.apply({**SMALL, "backup": schedule, "deletionPolicy": "Snapshot"})
    scheduled = wait_verified(place, "one")
    place.wait_reason("BackupHealthy", "Verified")
    store(place, "last", "Ana stopped drinking tea")
    place.kubectl("delete", "somamemory", "mem", "--timeout=100s")

    assert heads.split() == ["NAME", "MEMORY", "PHASE", "TARGET", "SIZE", "COMPLETED", "AGE"]
    assert row.split()[:4] == ["one", "mem", "Succeeded", "Volume"]
    assert scheduled.startswith("mem-2")
    restored = again.wait_ready()
    assert restored["status"]["storage"]["restoredFrom"].startswith("pvc://backups/team/")
    assert recalled(again) == before

    last = next(name for name in verified(place) if name.startswith("mem-last-"))
    eventually(lambda: "persistentvolumeclaim/mem-data" not in place.leftovers())
    place.apply({**SMALL, "bootstrap": {"type": "Backup", "backupName": last}})
    place.wait_ready()

    assert set(place.payloads()) == {"ana", "build", "last"}


def test_copies_go_to_a_bucket_and_come_back(place: Place, tmp_path: Path) -> None:
    """Copies are put into a bucket, verified and restored from it; retention takes the older one out of it again."""
    with s3_server(tmp_path / "s3.log", place.installed.address_of_this_machine()) as bucket:
        target = in_bucket(place, bucket)
        # So seldom that the test alone says when the schedule's copies are made.
        policy = {"target": target, "schedule": "0 0 1 1 *", "retention": {"keepLast": 1}}
        place.apply({**SMALL, "backup": policy})
        uid = place.wait_ready()["metadata"]["uid"]
        of_schedule = {
            "memory.soma.sh/memory": "mem",
            "memory.soma.sh/memory-uid": uid,
            "memory.soma.sh/origin": "schedule",
        }
        store(place, "ana", "Ana prefers green tea")
        copy(place, "first", target, of_schedule)
        wait_verified(place)
        first = status_of(place, "first")
        stored = digest(bucket, first)

        store(place, "build", "the build takes nine minutes")
        before = recalled(place)
        copy(place, "second", target, of_schedule)
        again = replace(place, name="again")
        again.apply({**SMALL, "bootstrap": {"type": "Backup", "backupName": "second"}})
        # The record of a copy goes after what is stored.
        eventually(
            lambda: verified(place) == ["second"] == names(place),
            timeout_s=90,
            or_say=lambda: told(place),
        )
        second = status_of(place, "second")

        assert stored == first["sha256"]
        assert not item(bucket, first).exists()
        assert digest(bucket, second) == second["sha256"]
        restored = again.wait_ready()
        assert restored["status"]["storage"]["restoredFrom"] == second["location"]
        assert recalled(again) == before


def in_bucket(place: Place, bucket: S3Server) -> dict[str, Any]:
    """Return the bucket as a target, with its credentials in a Secret."""
    given = bucket.environment
    keys = {
        "accessKeyId": given["AWS_ACCESS_KEY_ID"],
        "secretAccessKey": given["AWS_SECRET_ACCESS_KEY"],
    }
    create(place, "Secret", "bucket", stringData=keys)
    where = {"endpoint": given["AWS_ENDPOINT_URL"], "bucket": BUCKET, "prefix": "team"}
    return {"type": "S3", "s3": {**where, "credentialsSecretName": "bucket"}}


def status_of(place: Place, name: str) -> dict[str, Any]:
    status: dict[str, Any] = place.get("smembk", name)["status"]
    return status


def item(bucket: S3Server, status: dict[str, Any]) -> s3.Object:
    """Return the object that the status of a copy names."""
    return bucket.item(status["location"].removeprefix(f"s3://{BUCKET}/"))


def digest(bucket: S3Server, status: dict[str, Any]) -> str:
    """Return the SHA-256 of what is stored."""
    return hashlib.sha256(b"".join(item(bucket, status).read())).hexdigest()
