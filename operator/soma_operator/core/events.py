"""Events: told once, when the state changes; never repeated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soma_operator.core.content import content_hash
from soma_operator.core.kinds import EVENT, Manifest
from soma_operator.core.observed import Seen
from soma_operator.core.published import Status, condition, format_time

_CALM = frozenset(
    {
        "Progressing",
        "WaitingForCleanup",
        "Ready",
        "ScaledToZero",
        "Paused",
        "Deleting",
        "Copying",
        "Verified",
        "Expiring",
        "Restoring",
        "SnapshotUnderWay",
    }
)
"""Reasons of Ready that need nobody's attention."""


LONGEST_NOTE = 1024
"""Bytes of an Event's note that the API server takes."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a resource.

    Attributes:
        identity: The same for the same occurrence, so that telling it twice makes one Event.
    """

    type: str
    reason: str
    note: str
    identity: str


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who this process is, in Events."""

    controller: str
    instance: str


def transitions(status: Status, observed: Seen) -> tuple[Event, ...]:
    """Return what is new in the status."""
    # What is being deleted keeps its verdict; what is new is what the deletion waits for.
    subject = "Reconciling" if status["phase"] == "Deleting" else "Ready"
    ready, before = condition(status, subject), condition(observed.status, subject)
    stalled = condition(status, "Stalled")
    was_stalled = condition(observed.status, "Stalled") is not None
    if ready is None or (_said(ready) == _said(before) and (stalled is not None) == was_stalled):
        return ()
    is_calm = ready["reason"] in _CALM and stalled is None
    said = [status["observedGeneration"], _said(ready), ready["lastTransitionTime"], bool(stalled)]
    end = " (given up until something changes)" if stalled else ""
    return (
        Event(
            type="Normal" if is_calm else "Warning",
            reason=ready["reason"],
            note=_cut(ready["message"], LONGEST_NOTE - len(end)) + end,
            identity=repr(said),
        ),
    )


def _cut(text: str, size: int) -> str:
    """Return as much of a text as fits into that many bytes; the API server counts bytes, not characters."""
    return text.encode()[:size].decode(errors="ignore")


def _said(ready: Mapping[str, Any] | None) -> tuple[Any, ...] | None:
    # That work under way is first unknown and then known not to be done is one occurrence to people.
    return None if ready is None else (ready["status"] == "True", ready["reason"])


def event_manifest(event: Event, observed: Seen, reporter: Reporter) -> Manifest:
    """Return an Event as the API takes it."""
    uid = observed.metadata["uid"]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        # A name made of the occurrence: the same occurrence told twice, after a crash, is one Event.
        "metadata": {
            "name": f"{observed.key.name}.{content_hash([uid, event.identity])}",
            "namespace": observed.key.namespace,
        },
        "eventTime": format_time(observed.now).replace("Z", ".000000Z"),
        "reportingController": reporter.controller,
        "reportingInstance": reporter.instance,
        "action": "Reconcile",
        "type": event.type,
        "reason": event.reason,
        "note": event.note,
        "regarding": {
            "apiVersion": observed.resource["apiVersion"],
            "kind": observed.resource["kind"],
            "name": observed.key.name,
            "namespace": observed.key.namespace,
            "uid": uid,
        },
    }
