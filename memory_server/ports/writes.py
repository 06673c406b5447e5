"""What a store is asked to write, and what it says it changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
    """Everything but id, version, commit_seq, create_time and accesses, which the commit decides."""
    now_us: int
    request: RequestKey | None = None
    expected_version: int | None = None
    has_default_ttl: bool = True
    """Whether a record without an expire time gets one by the namespace's policy."""
    keeps_history: bool = True
    """Whether the version that is overwritten is kept; if not, older ones go too."""


@dataclass(frozen=True, slots=True)
class DeleteWrite:
    """Deletes one memory with its versions and links."""

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

    Its versions and links go with it, and its name in what else the store keeps. Watchers must begin anew.
    """

    tenant: Tenant
    namespace: str
    """Empty: all namespaces."""
    key: str
    value: MetadataValue
    now_us: int


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

Write = ScopedWrite | ExpireWrite | AccessWrite | SweepWrite | EraseWrite


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit changed for the index: a record that is new, records that are gone, a namespace that is gone."""

    scope: Scope
    commit_seq: int
    added: MemoryRecord | None = None
    removed_seqs: tuple[int, ...] = ()
    drops_namespace: bool = False


CommitListener = Callable[[Sequence[Change]], None]
