"""One memory as one JSON object: what `soma export` writes, `soma import` reads and `--json` prints.

The round trip is exact: the payload is a JSON value where that gives the same bytes again, else its
text in `payload_json`. Fields that only a server can give (`version`, `commit_seq`, the times of the
write) are written for the reader's sake and not taken back. Not in it: links, and embeddings that a
caller gave, which no call of the API returns.
"""

import json
from datetime import UTC, datetime
from typing import Any

from somamemory.codec import payload_json
from somamemory.errors import InvalidArgument
from somamemory.model import Draft, Memory, MemoryKind

CALLER = "caller"
"""`embedding_model` of a memory whose author gave the embedding."""

_TAKEN_BACK = frozenset(
    {"id", "coordinate", "kind", "payload", "payload_json", "text", "importance", "metadata"}
    | {"event_time", "expire_time"}
)
_SERVER_MADE = frozenset(
    {"namespace", "version", "commit_seq", "create_time", "update_time", "embedding_model"}
)


class NotAMemory(ValueError):
    """An object does not stand for a memory; the text says why."""


def json_text(value: Any) -> str:
    """Return a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_iso)


def object_of(memory: Memory) -> dict[str, Any]:
    """Return a memory as an object; what is not set is left out."""
    whole: dict[str, Any] = {
        "namespace": memory.namespace,
        "id": memory.id,
        "coordinate": list(memory.coordinate) if memory.coordinate else None,
        "kind": str(memory.kind),
        **_payload_fields(memory),
        "text": memory.text,
        "importance": memory.importance,
        "metadata": dict(memory.metadata) or None,
        "event_time": _iso(memory.event_time),
        "expire_time": _iso(memory.expire_time),
        "version": memory.version,
        "commit_seq": memory.commit_seq,
        "create_time": _iso(memory.create_time),
        "update_time": _iso(memory.update_time),
        "embedding_model": memory.embedding_model or None,
    }
    return {key: value for key, value in whole.items() if value is not None}


def draft_of(given: Any) -> Draft:
    """Return the memory that an object stands for.

    Raises:
        NotAMemory: It is not an object, has no payload, or says something that would be lost.
    """
    if not isinstance(given, dict):
        raise NotAMemory("is not a JSON object")
    unknown = sorted(given.keys() - _TAKEN_BACK - _SERVER_MADE)
    if unknown:
        raise NotAMemory(
            f"has unknown fields: {', '.join(unknown)}; put your own data in `payload`"
        )
    try:
        return Draft(
            payload=_payload(given),
            id=_typed(given, "id", str, ""),
            coordinate=_typed(given, "coordinate", list, None),
            kind=_typed(given, "kind", str, MemoryKind.EPISODIC),
            text=_typed(given, "text", str, ""),
            importance=_typed(given, "importance", (int, float), None),
            metadata=_typed(given, "metadata", dict, {}),
            event_time=_time(given, "event_time"),
            expire_time=_time(given, "expire_time"),
        )
    except InvalidArgument as error:
        raise NotAMemory(str(error)) from error


def _payload_fields(memory: Memory) -> dict[str, Any]:
    try:
        exact = payload_json(memory.payload) == memory.payload_json
    except (ValueError, InvalidArgument):  # not JSON, or JSON that Python reads and does not write
        exact = False
    if exact:
        return {"payload": memory.payload}
    return {"payload_json": memory.payload_json.decode()}


def _payload(given: dict[str, Any]) -> bytes:
    if "payload_json" in given:
        text: str = _typed(given, "payload_json", str, "")
        return text.encode()
    if not isinstance(given.get("payload"), dict):
        raise NotAMemory("has no `payload` that is a JSON object")
    return payload_json(given["payload"])


def _typed(given: dict[str, Any], key: str, kind: Any, default: Any) -> Any:
    value = given.get(key)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise NotAMemory(f"`{key}` has the wrong type")
    return value


def _time(given: dict[str, Any], key: str) -> datetime | None:
    text: str | None = _typed(given, key, str, None)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotAMemory(f"`{key}` is not a time like 2026-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise NotAMemory(f"`{key}` has no time zone; end it with Z for UTC")
    return moment


def _iso(moment: Any) -> str | None:
    if not isinstance(moment, datetime):
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
