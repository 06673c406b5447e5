"""How a change reaches the pods, and when."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.base import ATOMIC, ApiModel, rules
from soma_operator.api.v1alpha1.schedule import form_rule


class Rollback(ApiModel):
    """What happens to a change that does not succeed."""

    enabled: bool = True
    """Whether pods go back to the last good revision at the progress deadline; the spec stays. Default: true."""


class MaintenanceWindow(ApiModel):
    """A time in which pods may be replaced."""

    schedule: Annotated[
        str,
        Field(
            max_length=48,
            json_schema_extra=rules(form_rule("updateStrategy.maintenanceWindows[].schedule")),
        ),
    ]
    """When the window opens: five fields of cron, in UTC."""

    duration_minutes: Annotated[int, Field(ge=1, le=10080)]
    """How long it stays open. A change that began goes on after that."""


_MIN_READY = "(has(self.minReadySeconds) ? self.minReadySeconds : 0)"
_DEADLINE = "(has(self.progressDeadlineSeconds) ? self.progressDeadlineSeconds : 600)"


class UpdateStrategy(ApiModel):
    """How a change reaches the pods."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"{_MIN_READY} < {_DEADLINE}",
                "updateStrategy.minReadySeconds must be less than updateStrategy.progressDeadlineSeconds (default 600)",
            ),
        )
    )

    type: Literal["Automatic", "Supervised", "OnDelete"] = "Automatic"
    """Automatic: a change of the spec rolls out at once; what only a new operator release changes waits for approval,
    for a maintenance window, or for the next change that makes new pods anyway. Supervised: every change of the pods
    waits for approval. OnDelete: every change waits until a pod ends for another reason, a drain or `kubectl delete
    pod`. Default: Automatic."""

    maintenance_windows: Annotated[
        list[MaintenanceWindow], Field(max_length=8, json_schema_extra=ATOMIC)
    ] = []
    """When pods that serve may be replaced; in a window, what a new operator release changes rolls out as well. An
    approval or a restart asks for no window. Default: at any time."""

    progress_deadline_seconds: Annotated[int, Field(ge=10, le=86400)] = 600
    """How long a change may take before it counts as failed. Default: 600."""

    min_ready_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    """How long a pod must be ready before it counts, and its revision as one to go back to. Default: 0."""

    rollback: Rollback = Rollback()
    """What happens to a change that does not succeed."""
