"""What a store is asked to write, and what it says it changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memory_server.domain.memory import MemoryId, MemoryRecord, MemoryRef, Metadata, Scope


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What makes a retry safe: the caller's request id, and a digest of the request it stands for."""

    id: str
    body_digest: bytes


@dataclass(frozen=True, slots=True)
class StoreWrite:
    """Writes one memory: creates it, or overwrites the one at its id or coordinate.

    `id` empty: the id of the memory at `coordinate` if there is one, else `fallback_id`.
    """

    scope: Scope
    id: str
    fallback_id: MemoryId
    record: MemoryRecord
    """Everything but id, version, commit_seq and create_time, which the commit decides."""
    now_us: int
    request: RequestKey | None = None
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteWrite:
    """Deletes one memory with its links."""

    scope: Scope
    ref: MemoryRef
    now_us: int
    request: RequestKey | None = None
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class LinkWrite:
    """Writes one link between two memories that exist."""

    scope: Scope
    from_ref: MemoryRef
    to_ref: MemoryRef
    type: str
    weight: float
    metadata: Metadata
    now_us: int
    request: RequestKey | None = None
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class ExpireWrite:
    """Removes up to `limit` memories, of all tenants, whose time is over."""

    now_us: int
    limit: int


Write = StoreWrite | DeleteWrite | LinkWrite | ExpireWrite


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit changed for the index: a record that is new, records that are gone."""

    scope: Scope
    commit_seq: int
    added: MemoryRecord | None = None
    removed_seqs: tuple[int, ...] = ()


CommitListener = Callable[[Sequence[Change]], None]
