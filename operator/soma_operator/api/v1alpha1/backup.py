"""SomaMemoryBackup: one copy of a memory."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.backup_target import BackupTarget
from soma_operator.api.v1alpha1.base import (
    NEVER_OBSERVED,
    ApiModel,
    LocalObjectReference,
    rules,
)
from soma_operator.api.v1alpha1.status import CONDITION_LIST, Condition


class SomaMemoryBackupSpec(ApiModel):
    """What is wished for; it cannot be changed."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("self == oldSelf", "a backup cannot be changed: create another SomaMemoryBackup")
        )
    )

    memory_ref: LocalObjectReference
    """SomaMemory in the same namespace that is copied."""

    target: BackupTarget
    """Where the copy is kept."""

    deadline_seconds: Annotated[int, Field(ge=10, le=86400)] = 3600
    """How long it may take, with all that it waits for. Default: 3600."""


class SomaMemoryBackupStatus(ApiModel):
    """What is observed."""

    observed_generation: int = NEVER_OBSERVED
    """Generation of the spec that the status speaks of; -1 before the first look."""

    phase: str | None = None
    """Pending, Running, Succeeded or Failed; Expiring while the copy is removed."""

    conditions: Annotated[
        list[Condition], Field(max_length=32, json_schema_extra=CONDITION_LIST)
    ] = []
    """State by aspect. Ready is always there; Reconciling and Stalled only while they hold."""

    started_at: datetime | None = None
    """When the copying began."""

    completed_at: datetime | None = None
    """When it ended, well or badly."""

    location: str | None = None
    """The copy, as people write it."""

    size: str | None = None
    """Size of the copy, for people."""

    size_bytes: int | None = None
    """Size of the copy, bytes."""

    sha256: str | None = None
    """SHA-256 of the copy, as it was read back."""

    commit_seq: int | None = None
    """The copy holds this commit of the memory and all before it."""

    memories: int | None = None
    """Memories in the copy, of all tenants; absent where the server does not tell."""

    memory_uid: str | None = None
    """UID of the SomaMemory that was copied."""


BACKUP_RULES = rules(
    (
        "self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name must be at most 63 characters of a-z, 0-9 and '-', first and last a letter or digit",
    ),
)


class SomaMemoryBackup(ApiModel):
    """One copy of a SomaMemory, made once; deleting this leaves the copy where it is."""

    model_config = ConfigDict(json_schema_extra=BACKUP_RULES)

    spec: SomaMemoryBackupSpec
    """What is wished for; it cannot be changed."""

    status: SomaMemoryBackupStatus | None = None
    """What is observed."""
