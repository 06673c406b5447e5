"""Memories, their versions, receipts, links and changes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from somamemory.model.values import Payload, Scalar, Vector


class MemoryKind(StrEnum):
    """What a memory is about."""

    UNKNOWN = "unknown"
    EPISODIC = "episodic"
    """Something that happened at a point in time."""
    SEMANTIC = "semantic"
    """Something that is so."""


class Durability(StrEnum):
    """What an acknowledged write has survived."""

    UNKNOWN = "unknown"
    FSYNCED = "fsynced"
    """Stable storage: survives the loss of the process and of power."""


class IndexState(StrEnum):
    """How an acknowledged write is found by recall."""

    UNKNOWN = "unknown"
    SEARCHABLE = "searchable"
    EMBEDDING_PENDING = "embedding_pending"
    REMOVED = "removed"


class LinkDirection(StrEnum):
    """Which ends of links are followed."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"
    BOTH = "both"


class ListOrder(StrEnum):
    """What comes first in a list."""

    EVENT_TIME = "event_time"
    IMPORTANCE = "importance"


class ChangeType(StrEnum):
    """What a change was; `unknown` with a token only: nothing changed."""

    UNKNOWN = "unknown"
    STORED = "stored"
    DELETED = "deleted"
    LINKED = "linked"
    UNLINKED = "unlinked"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A memory as its author writes it; see `calls.store` for each field."""

    payload: Payload
    id: str = ""
    coordinate: Sequence[float] | None = None
    kind: str = MemoryKind.EPISODIC
    text: str = ""
    importance: float | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    event_time: datetime | None = None
    expire_time: datetime | None = None
    embedding: Vector | None = None
    request_id: str = ""
    expected_version: int | None = None


@dataclass(frozen=True)
class Memory:
    """A memory as the server keeps it."""

    namespace: str
    id: str
    payload_json: bytes
    """The payload, byte for byte as it was stored."""
    kind: MemoryKind
    text: str
    importance: float
    metadata: Mapping[str, Scalar]
    coordinate: tuple[float, ...] | None
    event_time: datetime | None
    expire_time: datetime | None
    version: int
    """Counts the writes of this memory: 1 for the first."""
    commit_seq: int
    create_time: datetime | None
    update_time: datetime | None
    embedding_model: str
    """`caller` when the author gave the embedding; empty when there is none yet."""
    access_count: int = 0
    """How often it was given to a caller."""
    last_access_time: datetime | None = None

    @cached_property
    def payload(self) -> dict[str, Any]:
        """The payload as a dict, decoded at the first use."""
        decoded: dict[str, Any] = json.loads(self.payload_json)
        return decoded


@dataclass(frozen=True)
class Receipt:
    """What the server promises about one acknowledged write."""

    id: str
    """The memory's id; empty for a link."""
    request_id: str
    commit_seq: int
    """Position in the server's order of commits; give it to `recall` as `min_commit_seq`."""
    version: int
    durability: Durability
    index_state: IndexState
    replayed: bool
    """True: this request id was carried out before, and this is that answer."""


@dataclass(frozen=True)
class Version:
    """One version of a memory."""

    memory: Memory
    supersede_time: datetime | None
    """When the next version took its place; None: it is the current one."""


@dataclass(frozen=True)
class Purged:
    """What a purge found and deleted."""

    matched_count: int
    deleted_count: int
    commit_seq: int


@dataclass(frozen=True)
class Link:
    """One link as it is kept."""

    from_id: str
    to_id: str
    type: str
    weight: float
    metadata: Mapping[str, Scalar]
    version: int


@dataclass(frozen=True)
class Neighbor:
    """One memory found by a walk over links."""

    memory: Memory
    distance: int
    """How many links away, 1 or more."""
    link: Link
    """The link by which it was reached first."""


@dataclass(frozen=True)
class Neighborhood:
    """The answer to a walk."""

    neighbors: tuple[Neighbor, ...]
    truncated: bool
    """True: there are more than the limit."""


@dataclass(frozen=True)
class Path:
    """The lightest path between two memories."""

    cost: float
    memories: tuple[Memory, ...]
    """Both ends included."""
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Change:
    """One change of a namespace."""

    resume_token: str
    """Goes on after this change."""
    type: ChangeType
    commit_seq: int
    id: str
    version: int
    to_id: str
    link_type: str
    memory: Memory | None
    commit_time: datetime | None
