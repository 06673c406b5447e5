"""From what became of the Jobs to the status of a SomaMemoryBackup."""

import json
from typing import Any

from soma_operator.core.backup.picture import (
    ENDED,
    EXPIRING,
    FAILED,
    SUCCEEDED,
    BackupPicture,
    copied_uid,
    phase_of,
)
from soma_operator.core.backup.tasks import place_of
from soma_operator.core.jobs import ended, has_completed, has_failed, pods_of, why_failed
from soma_operator.core.kinds import Manifest, name_of
from soma_operator.core.pods import Finding, diagnose, shortened
from soma_operator.core.published import Aspect, Status, dated, format_time
from soma_operator.core.quantity import readable_bytes

BACKUP_CONDITION_TYPES = ("Ready", "Reconciling", "Stalled")
"""Every condition of a SomaMemoryBackup, in the order of publishing."""

_KEPT = (
    "startedAt",
    "completedAt",
    "location",
    "size",
    "sizeBytes",
    "sha256",
    "commitSeq",
    "memories",
    "memoryUid",
)


def waiting_status(picture: BackupPicture, finding: Finding) -> Status:
    """Return the status of a copy that waits: to be made, or to be removed."""
    phase = EXPIRING if phase_of(picture.resource) in ENDED else "Pending"
    aspects = [
        Aspect("Ready", "False", finding.reason, finding.message),
        Aspect("Reconciling", "True", finding.reason, finding.message),
    ]
    return _document(picture, phase, aspects)


def failed_status(picture: BackupPicture, finding: Finding) -> Status:
    """Return the status of a copy that will never be."""
    aspects = [
        Aspect("Ready", "False", finding.reason, finding.message),
        Aspect("Stalled", "True", finding.reason, finding.message),
    ]
    return _document(picture, FAILED, aspects, completedAt=format_time(picture.now))


def job_status(picture: BackupPicture, job: Manifest) -> Status:
    """Return what the Job that makes the copy tells."""
    made = job["metadata"].get("creationTimestamp", format_time(picture.now))
    started = job.get("status", {}).get("startTime", made)
    if has_failed(job):
        finding = Finding(
            "CopyFailed", f"no copy was made: {shortened(why_failed(job, picture.pods))}"
        )
        return {**failed_status(picture, finding), "startedAt": started}
    if not has_completed(job):
        return _running(picture, job, started)
    report = _report(pods_of(job, picture.pods))
    if report is None:
        text = "the pod that made the copy went before it could be asked whether it is whole: make another"
        return {**failed_status(picture, Finding("ReportLost", text)), "startedAt": started}
    text = f"the copy was read back and is what the server sent: {report['size_bytes']} bytes"
    return _document(
        picture,
        SUCCEEDED,
        [Aspect("Ready", "True", "Verified", text)],
        startedAt=started,
        completedAt=job["status"].get("completionTime", format_time(picture.now)),
        sizeBytes=report["size_bytes"],
        size=readable_bytes(report["size_bytes"]),
        sha256=report["sha256"],
        commitSeq=report["commit_seq"],
        memories=report.get("memory_count"),
        location=place_of(picture.resource).shown,
        memoryUid=copied_uid(picture),
    )


def removal_status(picture: BackupPicture, job: Manifest | None) -> Status:
    """Return the status of a copy that is removed."""
    if job is not None and has_failed(job):
        cause = shortened(why_failed(job, picture.pods))
        finding = Finding(
            "RemovalFailed",
            f"the copy could not be removed: {cause}; mend that and delete the Job {name_of(job)} for another try, or "
            "remove it by hand and delete this SomaMemoryBackup",
        )
        aspects = [
            Aspect("Ready", "False", finding.reason, finding.message),
            Aspect("Stalled", "True", finding.reason, finding.message),
        ]
        return _document(picture, EXPIRING, aspects)
    text = "the copy is removed, as the retention of its schedule says"
    return waiting_status(picture, Finding("Expiring", text))


def _running(picture: BackupPicture, job: Manifest, started: str) -> Status:
    problem = diagnose(pods_of(job, picture.pods))
    finding = problem or Finding("Copying", "the copy is being made")
    aspects = [
        Aspect("Ready", "False", finding.reason, finding.message),
        Aspect("Reconciling", "True", finding.reason, finding.message),
    ]
    return _document(picture, "Running", aspects, startedAt=started)


def _document(picture: BackupPicture, phase: str, aspects: list[Aspect], **fields: Any) -> Status:
    generation = picture.metadata["generation"]
    kept = {name: picture.status[name] for name in _KEPT if name in picture.status}
    given = {name: value for name, value in fields.items() if value is not None}
    return {
        "observedGeneration": generation,
        "phase": phase,
        "conditions": dated(aspects, picture.status, generation, picture.now),
        **kept,
        **given,
    }


def _report(pods: list[Manifest]) -> dict[str, Any] | None:
    """Return what the command wrote when it had done its work."""
    for pod in reversed(pods):
        end = ended(pod)
        if end is not None and end.get("exitCode") == 0:
            try:
                report: dict[str, Any] = json.loads(end.get("message", ""))
            except ValueError:
                return None
            return report if {"size_bytes", "sha256", "commit_seq"} <= set(report) else None
    return None
