"""The events of a cluster, as `kubectl get events -A -o json` prints them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO

from somamemory.importers import Found, Unreadable
from somamemory.model import Draft, MemoryKind, Scalar


def read(file: BinaryIO, name: str) -> Iterator[Found | Unreadable]:
    """Yield a memory for every event: its id is the event's uid, so that a later count overwrites it."""
    try:
        whole = json.loads(file.read())
        events = list(whole["items"]) if whole["kind"].endswith("List") else [whole]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        yield Unreadable(name, "is not the JSON of `kubectl get events -A -o json`")
        return
    for number, event in enumerate(events, start=1):
        yield _memory_of(event, f"{name}: event {number}")


def _memory_of(event: Any, place: str) -> Found | Unreadable:
    try:
        uid, about = event["metadata"]["uid"], _about(event)
        message = event.get("message") or event.get("note") or ""
        payload = {**event, "metadata": _without_fields_of_managers(event["metadata"])}
        happened = _happened(event)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        return Unreadable(place, f"is not an event: {type(error).__name__} {error}")
    subject = "/".join(
        str(about[key]) for key in ("object_namespace", "object_name") if key in about
    )
    head = [str(about[key]) for key in ("type", "reason", "object_kind") if key in about]
    draft = Draft(
        id=f"event-{uid}",
        kind=MemoryKind.EPISODIC,
        payload=payload,
        text=f"{' '.join([*head, subject])}: {message}",
        metadata=about,
        event_time=happened,
    )
    return Found(draft, place)


def _about(event: dict[str, Any]) -> dict[str, Scalar]:
    involved = event.get("involvedObject") or event.get("regarding") or {}
    source = event.get("source") or event.get("deprecatedSource") or {}
    told = {
        "type": event.get("type"),
        "reason": event.get("reason"),
        "object_kind": involved.get("kind"),
        "object_namespace": involved.get("namespace"),
        "object_name": involved.get("name"),
        "component": source.get("component") or event.get("reportingComponent"),
    }
    return {key: str(value) for key, value in told.items() if value}


def _without_fields_of_managers(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key != "managedFields"}


def _happened(event: dict[str, Any]) -> datetime | None:
    """Return when it happened last; which field holds it differs by who wrote the event."""
    text = (
        (event.get("series") or {}).get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event.get("firstTimestamp")
        or event["metadata"].get("creationTimestamp")
    )
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
