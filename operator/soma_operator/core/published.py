"""What a status is made of, whatever kind of resource it belongs to: conditions and times."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from soma_operator.api.v1alpha1 import LONGEST_MESSAGE
from soma_operator.core.kinds import Manifest
from soma_operator.core.observed import Seen

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Aspect:
    """A condition without its times."""

    type: str
    status: str
    reason: str
    message: str


def condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Return a published condition."""
    conditions: list[Mapping[str, Any]] = status.get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), None)


def dated(
    aspects: Iterable[Aspect], before: Mapping[str, Any], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Return conditions as they are published: a time moves only when its status does.

    Args:
        aspects: What to tell.
        before: The status as published last.
        generation: What the aspects speak of.
        now: Time of those whose status changed.
    """
    return [_dated(aspect, before, generation, now) for aspect in aspects]


def _dated(
    aspect: Aspect, before: Mapping[str, Any], generation: int, now: datetime
) -> dict[str, Any]:
    earlier = condition(before, aspect.type)
    is_same = earlier is not None and earlier["status"] == aspect.status
    return {
        "type": aspect.type,
        "status": aspect.status,
        "reason": aspect.reason,
        # Some quote others, such as a webhook: too long a sentence must not cost the whole status.
        "message": aspect.message[:LONGEST_MESSAGE],
        "lastTransitionTime": (
            earlier["lastTransitionTime"] if earlier and is_same else format_time(now)
        ),
        "observedGeneration": generation,
    }


def status_manifest(status: Status, observed: Seen) -> Manifest:
    """Return what is applied to publish a status."""
    return {
        "apiVersion": observed.resource["apiVersion"],
        "kind": observed.resource["kind"],
        # With the version, a status lands on the very state that it was computed from, or nowhere: not on a newer spec,
        # not on a new resource of the same name. (The uid would be ignored here.)
        "metadata": {
            "name": observed.key.name,
            "namespace": observed.key.namespace,
            "resourceVersion": observed.metadata["resourceVersion"],
        },
        "status": status,
    }


def is_published(status: Status, observed: Seen, types: tuple[str, ...]) -> bool:
    """Return whether the status says the same as the stored one.

    Conditions of other writers do not count: they are not ours to remove, and would make us write for ever.

    Args:
        status: What would be published.
        observed: What is.
        types: Every condition that may be ours, in the order of publishing.
    """
    stored = dict(observed.status)
    stored["conditions"] = sorted(
        (one for one in stored.get("conditions", []) if one["type"] in types),
        key=lambda one: types.index(one["type"]),
    )
    return stored == status


def strangers(status: Status, resource: Manifest, types: tuple[str, ...]) -> frozenset[str]:
    """Return the types of conditions that are ours to tell, and that somebody else's write holds in a resource.

    An apply leaves them, for another field manager owns them: they would be a lie for ever, and a write at every look.
    """
    told = {one["type"] for one in status["conditions"]}
    stored = {one["type"] for one in resource.get("status", {}).get("conditions", [])}
    return frozenset(stored & set(types) - told)


def parse_time(text: str) -> datetime:
    """Read a time as the API writes it."""
    return datetime.fromisoformat(text)


def format_time(moment: datetime) -> str:
    """Write a time as the API does: whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
