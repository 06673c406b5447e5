"""What a store is asked to write, and what it says it changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from memory_server.domain.memory import (
    MemoryId,
    MemoryRecord,
    MemoryRef,
    Metadata,
    MetadataValue,
    Scope,
    Tenant,
)
from memory_server.domain.policy import NamespacePolicy


class RequestKey(NamedTuple):
    """What makes a retry safe: the caller's request id, and a digest of the request it stands for."""

    id: str
    body_digest: bytes
    earlier_digest: Callable[[], bytes] | None = None
    """Makes the digest that an earlier version of the server kept of the same request, where that is another one."""

    def is_of(self, kept_digest: bytes) -> bool:
        """Return whether a digest that was kept under the id is that of this request."""
        if kept_digest == self.body_digest:
            return True
        return self.earlier_digest is not None and kept_digest == self.earlier_digest()


class StoreWrite(NamedTuple):
    """Writes one memory: creates it, or overwrites the one at its id or coordinate.

    `id` empty: the id of the memory at `coordinate` if there is one, else `fallback_id`.
    """

    scope: Scope
    id: str
    fallback_id: MemoryId
    record: MemoryRecord
    """Everything but id, version, commit_seq, create_time and accesses, which the commit decides."""
    now_us: int
    request: RequestKey | None = None
    expected_version: int | None = None
    has_default_ttl: bool = True
    """Whether a record without an expire time gets one by the namespace's policy."""
    keeps_history: bool = True
    """Whether the version that is overwritten is kept; if not, older ones go too."""
    older: tuple[MemoryRecord, ...] = ()
    """Versions that come before `record`, oldest first, each dated by its update time: written with it or not at
    all. Only `record` counts for quotas, and has its coordinate for itself."""
    create_time_us: int | None = None
    """When the memory began, if that was not now; of one that is overwritten it stays."""
    read_seq: int | None = None
    """Commit of the record that was read to be changed: where another one is there, or none, this is a `Conflict`. A
    version does not tell: it is counted anew once a memory was deleted."""
    made_of: tuple[int, ...] = ()
    """Commits of the records that it says something of: where one is neither a memory any more nor a kept version of
    one, this is `NotFound`. What was erased meanwhile must not come back."""

    @property
    def begin_us(self) -> int:
        """When the memory began, unless there was one before."""
        return self.now_us if self.create_time_us is None else self.create_time_us


@dataclass(frozen=True, slots=True)
class DeleteWrite:
    """Deletes one memory with its versions and links; `read_seq` as in `StoreWrite`."""

    scope: Scope
    ref: MemoryRef
    now_us: int
    request: RequestKey | None = None
    expected_version: int | None = None
    read_seq: int | None = None


@dataclass(frozen=True, slots=True)
class LinkWrite:
    """Writes one link between two memories that exist; `from_version` None: the start may be at any version."""

    scope: Scope
    from_ref: MemoryRef
    to_ref: MemoryRef
    type: str
    weight: float
    metadata: Metadata
    now_us: int
    request: RequestKey | None = None
    expected_version: int | None = None
    from_version: int | None = None


@dataclass(frozen=True, slots=True)
class UnlinkWrite:
    """Removes the link of a type, or with an empty type all links, from one memory to another.

    The receipt's version counts them; none is `NotFound`.
    """

    scope: Scope
    from_ref: MemoryRef
    to_ref: MemoryRef
    type: str
    now_us: int
    request: RequestKey | None = None


@dataclass(frozen=True, slots=True)
class ExpireWrite:
    """Removes up to `limit` memories, of all tenants, whose time is over; the receipt's version counts them."""

    now_us: int
    limit: int


@dataclass(frozen=True, slots=True)
class EvictWrite:
    """Removes up to `limit` memories of a namespace that holds more than its policy's `max_memories`.

    The least important go, of equals the oldest. The receipt's version counts them; 0: no namespace holds more.
    """

    now_us: int
    limit: int


@dataclass(frozen=True, slots=True)
class AccessWrite:
    """Adds to the counts of accesses; memories that are gone are left out.

    `accesses` holds (count, time of the last) by memory.
    """

    accesses: Mapping[tuple[Scope, MemoryId], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class CreateNamespaceWrite:
    """Makes a namespace with a policy; `AlreadyExists` if there is one."""

    scope: Scope
    policy: NamespacePolicy
    now_us: int


@dataclass(frozen=True, slots=True)
class PolicyWrite:
    """Replaces the policy of a namespace."""

    scope: Scope
    policy: NamespacePolicy
    now_us: int
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class DropNamespaceWrite:
    """Makes a namespace unreachable with all it holds; its name is free at once."""

    scope: Scope
    now_us: int


@dataclass(frozen=True, slots=True)
class SweepWrite:
    """Frees up to `limit` memories of dropped namespaces; the receipt's version counts what was freed."""

    limit: int


@dataclass(frozen=True, slots=True)
class EraseWrite:
    """Erases every memory of a tenant that has, or in a kept version had, a metadata value.

    Its versions and links go with it, and its name in what else the store keeps. Watchers must begin anew. What dropped
    namespaces held is erased and counted as well, until it is swept away.
    """

    tenant: Tenant
    namespace: str
    """Empty: all namespaces."""
    key: str
    value: MetadataValue
    now_us: int


@dataclass(frozen=True, slots=True)
class ReembedWrite:
    """Gives memories an embedding of a model; those that were overwritten since, and callers' own, are left out.

    No reader of memories can tell: version and commit stay. The receipt's version counts what was asked.

    Attributes:
        model: Who made them.
        embeddings: By scope and commit, little-endian float32 of unit length; empty: the model has none for the text.
        is_beside: Kept beside the present embedding until a `PromoteWrite`, instead of in its place.
    """

    model: str
    embeddings: Mapping[tuple[Scope, int], bytes]
    is_beside: bool = False


@dataclass(frozen=True, slots=True)
class PromoteWrite:
    """Puts up to `limit` embeddings of a model that are kept beside in the place of the present ones.

    Drops those of other models that are kept beside. The receipt's version counts both.
    """

    model: str
    limit: int


ScopedWrite = (
    StoreWrite
    | DeleteWrite
    | LinkWrite
    | UnlinkWrite
    | CreateNamespaceWrite
    | PolicyWrite
    | DropNamespaceWrite
)
"""Writes that a caller asks of one namespace."""

Write = (
    ScopedWrite
    | ExpireWrite
    | EvictWrite
    | AccessWrite
    | SweepWrite
    | EraseWrite
    | ReembedWrite
    | PromoteWrite
)


@dataclass(frozen=True, slots=True)
class NewEmbedding:
    """What the index is told of a memory's new embedding; the memory is the same."""

    seq: int
    model: str
    vector: bytes
    is_beside: bool
    """Whether the present embedding stays, and this one is found beside it by its model."""


class Change(NamedTuple):
    """What one commit changed for the index: a record that is new, records that are gone, a namespace that is gone.

    `embedded` holds new embeddings of records that stay.
    """

    scope: Scope
    commit_seq: int
    added: MemoryRecord | None = None
    removed_seqs: tuple[int, ...] = ()
    drops_namespace: bool = False
    embedded: tuple[NewEmbedding, ...] = ()


CommitListener = Callable[[Sequence[Change]], None]
