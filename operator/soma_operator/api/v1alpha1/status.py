"""What is observed."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from soma_operator.api.v1alpha1.base import LONGEST_MESSAGE, NEVER_OBSERVED, ApiModel

CONDITION_LIST: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}


class Condition(ApiModel):
    """One aspect of the state, as in metav1.Condition."""

    type: Annotated[str, Field(max_length=316)]
    """Aspect that this is about."""

    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""

    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Stable word for machines."""

    message: Annotated[str, Field(max_length=LONGEST_MESSAGE)]
    """Sentence for people: what is, and what mends it."""

    last_transition_time: datetime
    """When the status changed last."""

    observed_generation: int | None = None
    """Generation of the spec that this speaks of."""


class Endpoints(ApiModel):
    """Addresses inside the cluster."""

    grpc: str | None = None
    """`host:port` of the gRPC services."""

    http: str | None = None
    """`host:port` of health and metrics."""


class StorageStatus(ApiModel):
    """State of the storage."""

    type: str | None = None
    """Kind of storage."""

    capacity: str | None = None
    """Size that the volume has."""

    claim_name: str | None = None
    """Name of the PersistentVolumeClaim."""

    restored_from: str | None = None
    """Copy that the storage began with; absent when it began empty, or while it is restored."""


class BackupStatus(ApiModel):
    """What the copies of a memory tell."""

    last_successful: str | None = None
    """Name of the newest SomaMemoryBackup that was verified."""

    last_successful_at: datetime | None = None
    """When it ended."""

    last_failed: str | None = None
    """Name of the newest SomaMemoryBackup that failed; absent when a newer one was verified."""

    next_at: datetime | None = None
    """When the schedule makes the next copy."""


class SomaMemoryStatus(ApiModel):
    """What is observed."""

    observed_generation: int = NEVER_OBSERVED
    """Generation of the spec that the status speaks of; -1 before the first look."""

    phase: str | None = None
    """One word for people; machines read the conditions."""

    conditions: Annotated[
        list[Condition],
        Field(max_length=32, json_schema_extra=CONDITION_LIST),
    ] = []
    """State by aspect. Ready is always there; Reconciling and Stalled only while they hold."""

    progress_started_at: datetime | None = None
    """When the change that is under way began; the progress deadline counts from here."""

    replicas: int | None = None
    """Pods there are."""

    ready_replicas: int | None = None
    """Pods that can serve."""

    updated_replicas: int | None = None
    """Pods that run the newest configuration."""

    current_revision: str | None = None
    """Revision that the pods are to run."""

    update_revision: str | None = None
    """Revision that the spec and this operator make; differs from the current one while an update waits or after it
    was taken back."""

    last_good_revision: str | None = None
    """Revision that served last."""

    earlier_good_revision: str | None = None
    """Revision that served before that one; a rejection of the last one goes back to it."""

    failed_revision: str | None = None
    """Revision that did not succeed, or was rejected, and was taken back; a new generation tries it again, unless it is
    the rejected one."""

    selector: str | None = None
    """Labels of the pods, for the scale subresource."""

    image: str | None = None
    """Image that the pods are to run."""

    version: str | None = None
    """Tag or short digest of the image."""

    endpoints: Endpoints | None = None
    """Addresses inside the cluster."""

    storage: StorageStatus | None = None
    """State of the storage."""

    backup: BackupStatus | None = None
    """What the copies made by the schedule tell."""

    operator_version: str | None = None
    """Version of the operator that wrote this."""
