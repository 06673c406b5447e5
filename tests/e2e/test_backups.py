"""Copies on real pods: made by a Job, restored into a new memory, made on a schedule, and made last of all."""

import json
from dataclasses import replace
from typing import Any

from somamemory import MemoryClient
from tests.support.cluster import Place, eventually

VOLUME: dict[str, Any] = {"type": "Volume", "volume": {"claimName": "backups", "path": "team"}}
SMALL: dict[str, Any] = {"storage": {"embedded": {"size": "1Gi"}}}
QUESTION = "what does Ana drink?"


def create(place: Place, kind: str, name: str, spec: dict[str, Any]) -> None:
    """Create an object, as a user does."""
    version = "v1" if kind == "PersistentVolumeClaim" else "memory.soma.sh/v1alpha1"
    manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
    place.kubectl("create", "-f", "-", input_text=json.dumps(manifest))


def store(place: Place, name: str, text: str) -> None:
    with place.forwarded() as address, MemoryClient(address) as client:
        client.store({"text": text}, id=name)


def recalled(place: Place) -> list[tuple[str, float]]:
    """Return what a question finds, with the scores."""
    with place.forwarded() as address, MemoryClient(address) as client:
        return [(hit.memory.id, hit.score) for hit in client.recall(QUESTION)]


def verified(place: Place, *names: str) -> list[str]:
    """Return the names of the verified copies that are none of these."""
    found = place.get("smembk")["items"]
    failed = [one["status"] for one in found if one.get("status", {}).get("phase") == "Failed"]
    assert failed == []
    return [
        one["metadata"]["name"]
        for one in found
        if one.get("status", {}).get("phase") == "Succeeded"
        and one["metadata"]["name"] not in names
    ]


def wait_verified(place: Place, *names: str) -> str:
    """Wait for a verified copy that is none of these, and return its name."""
    return eventually(
        lambda: next(iter(verified(place, *names)), None),
        timeout_s=90,
        or_say=lambda: f"{place.kubectl('get', 'smembk', '-o', 'yaml')}\n"
        f"{place.kubernetes.pods_say(place.namespace)}",
    )


def test_memories_survive_in_copies(place: Place) -> None:
    """A copy is restored into a new memory that recalls the same; a schedule and a deletion make copies as well."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    create(place, "PersistentVolumeClaim", "backups", claim)
    place.apply(SMALL)
    place.wait_ready()
    store(place, "ana", "Ana prefers green tea")
    store(place, "build", "the build takes nine minutes")
    before = recalled(place)

    create(place, "SomaMemoryBackup", "one", {"memoryRef": {"name": "mem"}, "target": VOLUME})
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
