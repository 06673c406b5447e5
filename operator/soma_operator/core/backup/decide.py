"""The decision about one SomaMemoryBackup: which Job it takes, and what to tell.

Rule 1: an ended copy is never made again, whatever becomes of its Job.
Rule 2: what a copy waits for may come until its deadline; a Job is made when nothing is missing.
Rule 3: a copy goes only by the retention of its schedule, after a newer one was verified.
Rule 4: a copy that the operator wished for is one of the very memory that it did so for, never of a namesake.
"""

from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError

from soma_common.errors import InvalidInput
from soma_operator.api.v1alpha1 import SomaMemoryBackupSpec
from soma_operator.core.backup.outcome import (
    failed_status,
    job_status,
    removal_status,
    waiting_status,
)
from soma_operator.core.backup.picture import (
    ENDED,
    EXPIRING,
    BackupPicture,
    is_asleep,
    is_of_another,
    of_origin,
    phase_of,
)
from soma_operator.core.backup.retention import expired, expires_at
from soma_operator.core.backup.tasks import copying, holds_data, job_name, removal
from soma_operator.core.jobs import has_completed
from soma_operator.core.kinds import Manifest, is_deleting, name_of
from soma_operator.core.pods import Finding
from soma_operator.core.published import Status, condition, parse_time
from soma_operator.core.resolve import ResolvedMemory

RETRY_S = 5.0
"""Secrets and claims are not watched."""


@dataclass(frozen=True, slots=True)
class BackupDecision:
    """What is to be done for a SomaMemoryBackup.

    Attributes:
        status: What to publish; None: the stored status stays.
        job: A Job to make.
        spent_job: A Job to remove: as long as its pods are there, the volume of the memory cannot go.
        is_spent: Whether the SomaMemoryBackup goes, because its copy is removed.
        requeue_after_s: When time alone changes the decision, seconds; None: never.
    """

    status: Status | None
    job: Manifest | None = None
    spent_job: Manifest | None = None
    is_spent: bool = False
    requeue_after_s: float | None = None


def decide_backup(picture: BackupPicture) -> BackupDecision:
    """Return what is to be done for a SomaMemoryBackup."""
    if is_deleting(picture.resource):
        return BackupDecision(None)
    if phase_of(picture.resource) in ENDED:
        return _after_its_end(picture)
    job = _job(picture, "copy")
    if is_of_another(picture) and (job is None or not has_completed(job)):
        return BackupDecision(failed_status(picture, _of_a_namesake(picture)))
    if job is not None:
        return BackupDecision(job_status(picture, job))
    try:
        spec = SomaMemoryBackupSpec.model_validate(picture.resource["spec"])
    except ValidationError as error:
        bad = "; ".join(
            ".".join(map(str, one["loc"])) + ": " + one["msg"] for one in error.errors()
        )
        return BackupDecision(
            failed_status(picture, Finding("InvalidSpec", f"make another: {bad}"))
        )
    return _begin(picture, spec)


def _of_a_namesake(picture: BackupPicture) -> Finding:
    name = picture.resource["spec"]["memoryRef"]["name"]
    text = (
        f"the SomaMemory {name} that was to be copied is gone, and another one has its name: make another "
        "SomaMemoryBackup for that one"
    )
    return Finding("MemoryNotFound", text)


def _begin(picture: BackupPicture, spec: SomaMemoryBackupSpec) -> BackupDecision:
    found = _obstacle(picture, spec)
    created = parse_time(picture.metadata["creationTimestamp"])
    left_s = (created + timedelta(seconds=spec.deadline_seconds) - picture.now).total_seconds()
    if left_s <= 0:
        return BackupDecision(failed_status(picture, _given_up(picture, spec, found)))
    if isinstance(found, Finding):
        return BackupDecision(waiting_status(picture, found), requeue_after_s=min(left_s, RETRY_S))
    begun = Finding("Copying", "the copy is being made")
    return BackupDecision(waiting_status(picture, begun), job=found)


def _given_up(
    picture: BackupPicture, spec: SomaMemoryBackupSpec, found: Finding | Manifest
) -> Finding:
    told = condition(picture.status, "Ready")
    if isinstance(found, Finding):
        cause = found
    elif told is not None:
        cause = Finding(told["reason"], told["message"])
    else:
        cause = Finding("DeadlineExceeded", "nobody looked at it in time; make another")
    return Finding(cause.reason, f"given up after {spec.deadline_seconds} seconds: {cause.message}")


def _obstacle(picture: BackupPicture, spec: SomaMemoryBackupSpec) -> Finding | Manifest:
    """Return what a copy waits for; or its Job, when it waits for nothing."""
    name, memory = spec.memory_ref.name, picture.memory
    if memory is None:
        return Finding(
            "MemoryNotFound", f"there is no SomaMemory {name} in this namespace: create it"
        )
    try:
        wish = picture.resolved(memory)
    except InvalidInput as error:
        return Finding(
            "MemoryNotServing", f"the SomaMemory {name} is not understood: {error.message}"
        )
    if wish.is_restoring:
        # A server on its volume would make a store there, and the copy that is to come would find it not empty.
        text = (
            f"the storage of the SomaMemory {name} is not restored yet: its own conditions say why"
        )
        return Finding("MemoryNotServing", text)
    asleep = is_asleep(memory, wish)
    if picture.missing:
        return picture.missing[0]
    if not asleep and (reason := _no_credential(wish)) is not None:
        return Finding("CredentialNotNamed", reason)
    available = condition(memory.get("status") or {}, "Available")
    if not asleep and (available is None or available["status"] != "True"):
        text = f"the SomaMemory {name} does not serve: its own conditions say why"
        return Finding("MemoryNotServing", text)
    return copying(picture, memory, wish)


def _no_credential(wish: ResolvedMemory) -> str | None:
    """Return what the spec of the memory has to name before its server answers."""
    policy, spec = wish.spec.backup, wish.spec
    if spec.tls.client_auth == "Require" and policy.client_certificate_secret_name is None:
        return (
            "the server asks for certificates: name one in backup.clientCertificateSecretName of "
            f"the SomaMemory {wish.name}"
        )
    has_any = policy.token_secret_name or policy.client_certificate_secret_name
    if spec.auth.type == "Tokens" and has_any is None:
        return (
            "the server asks for tokens: name a Secret with one of the scope backup in "
            f"backup.tokenSecretName of the SomaMemory {wish.name}"
        )
    return None


def _after_its_end(picture: BackupPicture) -> BackupDecision:
    """Tidy up, and remove a copy that its schedule no longer keeps."""
    made_by = _job(picture, "copy")
    if made_by is not None and not is_deleting(made_by) and holds_data(made_by):
        return BackupDecision(None, spent_job=made_by)
    job = _job(picture, "removal")
    if job is not None:
        if has_completed(job):
            return BackupDecision(None, is_spent=True)
        return BackupDecision(removal_status(picture, job))
    memory = picture.memory
    if memory is None or is_deleting(memory):
        return BackupDecision(None)  # Nobody says how many are kept.
    try:
        wish = picture.resolved(memory)
    except InvalidInput:
        return BackupDecision(None)
    if phase_of(picture.resource) == EXPIRING:
        return BackupDecision(removal_status(picture, None), job=removal(picture, memory, wish))
    if wish.spec.backup.suspended or wish.is_paused:
        return BackupDecision(None)
    return _by_retention(picture, memory, wish)


def _by_retention(picture: BackupPicture, memory: Manifest, wish: ResolvedMemory) -> BackupDecision:
    name, retention = name_of(picture.resource), wish.spec.backup.retention
    copies = of_origin(picture.siblings, "schedule", wish.uid)
    if name in expired(copies, retention, picture.now):
        return BackupDecision(removal_status(picture, None), job=removal(picture, memory, wish))
    expiry = expires_at(name, copies, retention)
    wait_s = None if expiry is None else (expiry - picture.now).total_seconds()
    return BackupDecision(None, requeue_after_s=wait_s)


def _job(picture: BackupPicture, purpose: str) -> Manifest | None:
    wished = job_name(picture.resource, purpose)
    return next((one for one in picture.jobs if name_of(one) == wished), None)
