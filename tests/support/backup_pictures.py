"""SomaMemoryBackups and what belongs to them, as unit tests need them."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from soma_operator.core.backup.picture import BackupPicture
from soma_operator.core.jobs import JOB_NAME_LABEL
from soma_operator.core.kinds import SOMA_MEMORY_BACKUP, Manifest, name_of
from soma_operator.core.pods import Finding
from soma_operator.core.published import format_time
from soma_operator.core.render.metadata import MEMORY_LABEL, MEMORY_UID_LABEL, ORIGIN_LABEL
from tests.support.somamemories import DEFAULTS, NOW, UID, a_somamemory

TARGET: Manifest = {"type": "Volume", "volume": {"claimName": "backups", "path": "team"}}
SERVING = [{"type": "Available", "status": "True", "reason": "Serving", "message": "it serves"}]
REPORT: Manifest = {"size_bytes": 3 * 1024 * 1024, "sha256": "ab" * 32, "commit_seq": 7}


def a_backup(
    name: str = "one",
    *,
    phase: str | None = None,
    origin: str | None = None,
    made_at: datetime = NOW,
    **more: Any,
) -> Manifest:
    """Return a SomaMemoryBackup of the SomaMemory `mem` as the API server stores it."""
    status: Manifest = {"observedGeneration": -1}
    if phase is not None:
        reason = {"Succeeded": "Verified", "Failed": "CopyFailed"}.get(phase, "Copying")
        ready = {"type": "Ready", "status": "True", "reason": reason, "message": f"{name} says so"}
        status = {"observedGeneration": 1, "phase": phase, "conditions": [ready]}
    if phase in ("Succeeded", "Failed"):
        status |= {"completedAt": format_time(made_at), "sha256": "ab" * 32}
    metadata: Manifest = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-of-{name}",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": format_time(made_at),
    }
    if origin is not None:
        metadata["labels"] = {MEMORY_LABEL: "mem", MEMORY_UID_LABEL: UID, ORIGIN_LABEL: origin}
    if origin == "schedule":
        metadata["annotations"] = {"memory.soma.sh/scheduled-at": format_time(made_at)}
    return {
        "apiVersion": SOMA_MEMORY_BACKUP.api_version,
        "kind": SOMA_MEMORY_BACKUP.name,
        "metadata": metadata,
        "spec": {"memoryRef": {"name": "mem"}, "target": TARGET, **more},
        "status": status,
    }


def a_serving_memory(spec: Manifest | None = None, **more: Any) -> Manifest:
    """Return a SomaMemory whose server serves."""
    status = {"observedGeneration": 1, "conditions": SERVING, "image": "registry.test/running:1"}
    return a_somamemory(spec=spec, status=status, **more)


def picture_of(
    backup: Manifest | None = None,
    *,
    memory: Manifest | None = None,
    siblings: Iterable[Manifest] = (),
    jobs: Iterable[Manifest] = (),
    pods: Iterable[Manifest] = (),
    missing: Iterable[Finding] = (),
    later: timedelta = timedelta(),
) -> BackupPicture:
    """Return a picture of a SomaMemoryBackup."""
    return BackupPicture(
        resource=backup or a_backup(),
        memory=memory,
        siblings=tuple(siblings),
        jobs=tuple(jobs),
        pods=tuple(pods),
        missing=tuple(missing),
        now=NOW + later,
        defaults=DEFAULTS,
    )


def with_end(job: Manifest, kind: str, message: str = "") -> Manifest:
    """Return a Job that ended."""
    ended = {"type": kind, "status": "True", "message": message}
    return {**job, "status": {"startTime": format_time(NOW), "conditions": [ended]}}


def a_pod_of(job: Manifest, code: int, message: str, number: int = 1) -> Manifest:
    """Return a pod of a Job, whose command ended."""
    terminated = {"exitCode": code, "message": message}
    return {
        "metadata": {
            "name": f"{name_of(job)}-{number}",
            "labels": {JOB_NAME_LABEL: name_of(job)},
            "creationTimestamp": format_time(NOW + timedelta(seconds=number)),
        },
        "status": {"containerStatuses": [{"name": "soma", "state": {"terminated": terminated}}]},
    }


def a_report(**more: Any) -> str:
    """Return what the command of a copy writes at its end."""
    return json.dumps({**REPORT, **more})
