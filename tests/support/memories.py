"""Builders of the memory server's values, with defaults."""

from typing import Any

import numpy as np

from memory_server.domain.memory import (
    CALLER_MODEL,
    MemoryDraft,
    MemoryId,
    MemoryKind,
    MemoryRecord,
    MemoryRef,
    Scope,
    Tenant,
)
from memory_server.ports import DeleteWrite, LinkWrite, RequestKey, StoreWrite

NOW_US = 1_700_000_000_000_000
DIMENSIONS = 64
SCOPE = Scope(Tenant("default"), "notes")


class StoppedClock:
    """A clock that stands where the test puts it."""

    def __init__(self, now_us: int = NOW_US) -> None:
        self.time_us = now_us

    def now_us(self) -> int:
        """Return the time."""
        return self.time_us


def a_draft(**changes: Any) -> MemoryDraft:
    """Return an acceptable draft."""
    return MemoryDraft(payload_json=b'{"text": "green tea"}')._replace(**changes)


def a_record(**changes: Any) -> MemoryRecord:
    """Return a record as a store is given it."""
    record = MemoryRecord(
        id=MemoryId(""),
        version=0,
        commit_seq=0,
        kind=MemoryKind.EPISODIC,
        payload_json=b'{"text": "green tea"}',
        text="green tea",
        importance=1.0,
        metadata={},
        event_time_us=NOW_US,
        expire_time_us=None,
        create_time_us=NOW_US,
        update_time_us=NOW_US,
        coordinate=None,
        embedding=b"",
        embedding_model="",
    )
    return record._replace(**changes)


def a_store(id: str = "tea", /, **changes: Any) -> StoreWrite:
    """Return a write of one memory; `record` fields and write fields are both taken."""
    fields = StoreWrite._fields
    own = {name: value for name, value in changes.items() if name in fields}
    record = a_record(**{name: value for name, value in changes.items() if name not in fields})
    given: dict[str, Any] = {
        "scope": SCOPE,
        "fallback_id": MemoryId("fallback"),
        "now_us": NOW_US,
    } | own
    return StoreWrite(id=id, record=record, **given)


def a_delete(id: str = "tea", /, **changes: Any) -> DeleteWrite:
    """Return a delete of one memory."""
    given: dict[str, Any] = {"scope": SCOPE, "ref": MemoryRef(id=MemoryId(id)), "now_us": NOW_US}
    return DeleteWrite(**(given | changes))


def a_link(from_id: str, to_id: str, /, **changes: Any) -> LinkWrite:
    """Return a write of one link."""
    given: dict[str, Any] = {
        "scope": SCOPE,
        "from_ref": MemoryRef(id=MemoryId(from_id)),
        "to_ref": MemoryRef(id=MemoryId(to_id)),
        "type": "related",
        "weight": 1.0,
        "metadata": {},
        "now_us": NOW_US,
    }
    return LinkWrite(**(given | changes))


def a_request(id: str, body: bytes = b"body") -> RequestKey:
    """Return a request key."""
    return RequestKey(id, body)


def a_direction(seed: int) -> dict[str, Any]:
    """Return the record fields of a caller's embedding: a random direction, the same for the same seed."""
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    unit = (vector / np.linalg.norm(vector)).astype("<f4")
    return {"embedding": unit.tobytes(), "embedding_model": CALLER_MODEL}
