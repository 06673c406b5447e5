"""Since when a memory has no newer copy: what an alert asks, whatever the reason is."""

from dataclasses import dataclass
from datetime import datetime

from soma_operator.core.kinds import Manifest, is_deleting
from soma_operator.core.published import condition, parse_time

_ASLEEP = frozenset({"Hibernated", "Stopped"})
"""Phases in which nothing is stored, and so nothing is copied."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How the copies of a schedule are.

    Attributes:
        at: When the newest verified copy was complete; when the memory was made, where there is none yet.
        is_healthy: Whether `BackupHealthy` is True.
    """

    at: datetime
    is_healthy: bool


def freshness(resource: Manifest) -> Freshness | None:
    """Return how the copies of a SomaMemory's schedule are; None: it has none, sleeps, or is being deleted.

    A schedule that was suspended is told all the same: a suspension that was forgotten is what an alert is for.
    """
    status: Manifest = resource.get("status") or {}
    schedule = (resource.get("spec") or {}).get("backup", {}).get("schedule")
    if schedule is None or is_deleting(resource) or status.get("phase") in _ASLEEP:
        return None
    made = resource["metadata"]["creationTimestamp"]
    healthy = condition(status, "BackupHealthy")
    return Freshness(
        at=parse_time(status.get("backup", {}).get("lastSuccessfulAt", made)),
        is_healthy=healthy is not None and healthy["status"] == "True",
    )
