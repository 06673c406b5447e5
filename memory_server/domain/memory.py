"""The nouns: memories, their addresses, links, and the receipts of writes.

Conventions:
    - Times are integers: microseconds since the Unix epoch, UTC (`_us`).
    - Embeddings are unit vectors: float32, little-endian when they are bytes.
    - A record is immutable and belongs to one commit; an overwrite is another record under the same id.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, NewType, Protocol

Tenant = NewType("Tenant", str)
"""Isolation unit of the server; comes from the caller's credential, never from a request."""

MemoryId = NewType("MemoryId", str)
"""Unique within a namespace."""

Coordinate = tuple[float, ...]
"""A caller's own address: finite float64 values, -0.0 written as 0.0."""

MetadataValue = str | float | bool
Metadata = Mapping[str, MetadataValue]

CALLER_MODEL = "caller"
"""Name of the model of an embedding that the memory's author gave."""


class MemoryKind(enum.IntEnum):
    """What a memory is about. The numbers are stored and sent: they never change."""

    EPISODIC = 1
    SEMANTIC = 2


class Scope(NamedTuple):
    """The partition a call works in."""

    tenant: Tenant
    namespace: str


@dataclass(frozen=True, slots=True)
class MemoryRef:
    """Names a memory by exactly one of its two addresses."""

    id: MemoryId | None = None
    coordinate: Coordinate | None = None


NO_METADATA: Metadata = MappingProxyType({})


class MemoryDraft(NamedTuple):
    """A memory as its author writes it; `validation.check_draft` says whether it is acceptable.

    A tuple, like everything that each write makes: a frozen dataclass takes several times as long to make.
    """

    payload_json: bytes
    id: str = ""
    coordinate: Coordinate | None = None
    kind: int = MemoryKind.EPISODIC
    text: str = ""
    importance: float = 1.0
    metadata: Metadata = NO_METADATA
    event_time_us: int | None = None
    expire_time_us: int | None = None
    embedding: bytes = b""


class Before(Protocol):
    """What a commit carries over from the version that it overwrites."""

    @property
    def version(self) -> int:
        """Its number."""
        ...

    @property
    def create_time_us(self) -> int:
        """When the id was first written."""
        ...

    @property
    def access_count(self) -> int:
        """How often it was given to a caller."""
        ...

    @property
    def last_access_us(self) -> int | None:
        """When it was last."""
        ...


class MemoryRecord(NamedTuple):
    """A memory as it is kept: one version, written by one commit.

    A tuple, because every recall makes tens of them, and a frozen dataclass takes eight times as long to make.

    Its embedding, little-endian float32, is empty where it is still to be made, and in what was read to be shown.
    """

    id: MemoryId
    version: int
    commit_seq: int
    kind: MemoryKind
    payload_json: bytes
    text: str
    importance: float
    metadata: Metadata
    event_time_us: int
    expire_time_us: int | None
    create_time_us: int
    update_time_us: int
    coordinate: Coordinate | None
    embedding: bytes
    embedding_model: str
    access_count: int = 0
    last_access_us: int | None = None

    def shown(self) -> "MemoryRecord":
        """Return the record as it is read to be shown."""
        return self._replace(embedding=b"")

    def committed(
        self,
        memory_id: MemoryId,
        commit_seq: int,
        now_us: int,
        expire_time_us: int | None,
        before: "Before | None",
    ) -> "MemoryRecord":
        """Return the record as a commit writes it, given what was there before, if anything."""
        return MemoryRecord(
            memory_id,
            before.version + 1 if before else 1,
            commit_seq,
            self.kind,
            self.payload_json,
            self.text,
            self.importance,
            self.metadata,
            self.event_time_us,
            expire_time_us,
            before.create_time_us if before else now_us,
            self.update_time_us,
            self.coordinate,
            self.embedding,
            self.embedding_model,
            before.access_count if before else 0,
            before.last_access_us if before else None,
        )

    def is_expired(self, now_us: int) -> bool:
        """Tell whether the memory is gone for every caller."""
        return self.expire_time_us is not None and self.expire_time_us <= now_us


def committed_in_a_row(
    records: Sequence[MemoryRecord],
    memory_id: MemoryId,
    first_seq: int,
    now_us: int,
    before: Before | None,
) -> list[MemoryRecord]:
    """Return versions that are committed together, oldest first, each under a commit of its own.

    Args:
        records: The versions.
        memory_id: Whose they are.
        first_seq: The commit of the first one; those of the others follow.
        now_us: When the memory began, unless there was one before.
        before: The version that the first one overwrites, if any.
    """
    made: list[MemoryRecord] = []
    for place, record in enumerate(records):
        last = made[-1] if made else before
        made.append(
            record.committed(memory_id, first_seq + place, now_us, record.expire_time_us, last)
        )
    return made


@dataclass(frozen=True, slots=True)
class MemoryLink:
    """A typed edge between two memories of a namespace."""

    from_id: MemoryId
    to_id: MemoryId
    type: str
    weight: float
    metadata: Metadata
    version: int


@dataclass(frozen=True, slots=True)
class ErasedCounts:
    """What an erasure took; `ids_sha256` is over the erased ids with their namespaces, in order."""

    memory_count: int
    version_count: int
    link_count: int
    ids_sha256: bytes


class Receipt(NamedTuple):
    """What is promised about one acknowledged write.

    `is_embedded` is False when the embedding is still to be made; `is_removed` tells that it was a delete. Of writes
    that concern no single memory, `version` counts what was changed; `erased` is set for erasures.
    """

    request_id: str
    memory_id: MemoryId
    commit_seq: int
    version: int
    is_embedded: bool = True
    is_removed: bool = False
    is_replayed: bool = False
    erased: ErasedCounts | None = None

    def named(self, request_id: str) -> "Receipt":
        """Return the receipt under a request id; spelt out, because `_replace` takes several times as long."""
        return Receipt(
            request_id,
            self.memory_id,
            self.commit_seq,
            self.version,
            self.is_embedded,
            self.is_removed,
            self.is_replayed,
            self.erased,
        )


@dataclass(frozen=True, slots=True)
class MemoryVersion:
    """One version of a memory; `supersede_time_us` None: it is the current one."""

    record: MemoryRecord
    supersede_time_us: int | None = None


class ChangeType(enum.IntEnum):
    """What a change was. The numbers are sent: they never change."""

    STORED = 1
    DELETED = 2
    LINKED = 3
    UNLINKED = 4


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """One change as a watcher hears of it; of a memory or link that changed again since, only the last is told.

    `position` tells apart what one commit changed.
    """

    commit_seq: int
    position: int
    type: ChangeType
    id: MemoryId
    version: int
    time_us: int
    to_id: MemoryId = MemoryId("")
    link_type: str = ""


@dataclass(frozen=True, slots=True)
class NamespaceStats:
    """Counts of one namespace; expired memories are left out."""

    memory_count: int
    episodic_count: int
    semantic_count: int
    link_count: int
    payload_bytes: int
    embedded_count: int
    commit_seq: int
