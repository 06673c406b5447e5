"""Needs of the use cases, in the words of the domain. `tests/contract/memory_server` holds every adapter to them.

Deadlines are not parameters: the transport runs each call under `asyncio.timeout`, and every port may be cancelled at
any await. A cancelled commit has happened or has not; its request id tells which.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from memory_server.domain.filters import Filter
from memory_server.domain.memory import (
    Coordinate,
    MemoryId,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    Metadata,
    NamespaceStats,
    Receipt,
    Scope,
    Tenant,
)

Vector = npt.NDArray[np.float32]
"""Shape (dimensions,), unit length."""

Vectors = npt.NDArray[np.float32]
"""Shape (count, dimensions), each row of unit length or all zeros: nothing to embed."""


class Clock(Protocol):
    """Tells the time; injected, so that tests can turn it."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch, UTC."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def model(self) -> str:
        """Name and version of the model; stored with every embedding it makes."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of its vectors."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text, in their order.

        Raises:
            Unavailable: The model does not answer. A store goes on without; recall says that it is degraded.
        """
        ...


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


@dataclass(frozen=True, slots=True)
class LinkedId:
    """A memory id found by a walk, with the link by which it was reached first."""

    id: MemoryId
    distance: int
    link: MemoryLink


@dataclass(frozen=True, slots=True)
class ListPosition:
    """Where a page of a list ended."""

    event_time_us: int
    commit_seq: int


class MemoryStore(Protocol):
    """Durable home of memories and links: what it says is true, whatever an index says.

    Guarantees:
        - When `commit` returns, the write is durable, visible to every read, and the listener has been told.
        - Commits have one order, `commit_seq`, which never repeats and never goes back, also after a restart.
        - The listener is told of every change exactly once, in that order, before the commit is acknowledged.
        - A write is decided and carried out in one step: two with the same `expected_version` never both win.
        - The same request id gives the same receipt, with `is_replayed`; with another body it is refused.
        - A scope never sees another scope's memories, links or request ids.
        - Nothing of a deleted or overwritten version is readable after its commit returned.
    """

    @property
    def name(self) -> str:
        """Name of the adapter, for people."""
        ...

    @property
    def page_key(self) -> bytes:
        """Secret that signs page tokens; lives as long as the store."""
        ...

    @property
    def last_commit_seq(self) -> int:
        """The last commit that every read sees."""
        ...

    def listen(self, listener: CommitListener) -> None:
        """Tell `listener` of every change from now on; to be called once, before the first commit."""
        ...

    async def commit(self, writes: Sequence[Write]) -> list[Receipt | Exception]:
        """Carry out writes; each succeeds or fails on its own, in their order.

        Returns:
            One receipt or one error per write: `Conflict`, `NotFound`, `AlreadyExists`, `RequestIdReused`,
            `StorageFull`, `Unavailable`.

        Raises:
            Overloaded: Too many writes wait; none of these was taken.
        """
        ...

    async def get(self, scope: Scope, ref: MemoryRef, now_us: int) -> MemoryRecord:
        """Return one memory.

        Raises:
            NotFound: There is no such namespace, or no such memory in it, or it has expired.
        """
        ...

    async def get_by_seq(self, scope: Scope, seqs: Sequence[int]) -> dict[int, MemoryRecord]:
        """Return the live memories that these commits wrote; those that are gone are left out."""
        ...

    async def get_by_id(
        self, scope: Scope, ids: Sequence[MemoryId]
    ) -> dict[MemoryId, MemoryRecord]:
        """Return the memories of these ids; those that are gone are left out."""
        ...

    async def list_page(
        self, scope: Scope, given: Filter, now_us: int, after: ListPosition | None, limit: int
    ) -> list[MemoryRecord]:
        """Return up to `limit` memories that pass, newest event first, latest commit first among equals.

        Raises:
            NotFound: There is no such namespace.
        """
        ...

    async def require_namespace(self, scope: Scope) -> None:
        """Check that the namespace exists.

        Raises:
            NotFound: It does not.
        """
        ...

    async def namespaces(self, tenant: Tenant, after: str, limit: int) -> list[str]:
        """Return up to `limit` names of the tenant's namespaces after `after`, in order."""
        ...

    async def stats(self, scope: Scope, now_us: int) -> NamespaceStats:
        """Count what a namespace holds.

        Raises:
            NotFound: There is no such namespace.
        """
        ...

    async def links_of(
        self, scope: Scope, ids: Sequence[MemoryId], *, outgoing: bool, types: Sequence[str]
    ) -> list[MemoryLink]:
        """Return the links that start (or end) at these memories; `types` empty means all."""
        ...

    def scan(self) -> AsyncIterator[Sequence[tuple[Scope, MemoryRecord]]]:
        """Yield everything that is live, in batches by commit; what the index is rebuilt from."""
        ...

    async def check(self) -> None:
        """Tell whether writes are possible now.

        Raises:
            SomaError: They are not; the text names the mend.
        """
        ...

    async def close(self) -> None:
        """Finish the accepted writes and release the store."""
        ...


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which memories a recall looks at: those that pass the filter and have not expired."""

    given: Filter
    now_us: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the index found, by commit.

    `keyword` holds shares of the attainable score in [0, 1], `cosine` cosines in [-1, 1]; a memory that either leg
    found has both, as far as it has an embedding. `is_exact` tells that every allowed memory was compared.
    """

    keyword: Mapping[int, float] = field(default_factory=dict)
    cosine: Mapping[int, float] = field(default_factory=dict)
    is_exact: bool = True


class SearchIndex(Protocol):
    """Cache of the store that finds memories quickly; may be dropped and rebuilt at any time.

    Guarantees:
        - A change is searchable, or no longer found, when `apply` returns.
        - Filters apply before the best are chosen: never fewer than min(limit, matches) per leg.
        - Only embeddings of the asked model are compared.
    """

    def apply(self, changes: Sequence[Change]) -> None:
        """Take over the changes of commits, in their order."""
        ...

    def search(
        self,
        scope: Scope,
        *,
        text: str | None,
        vector: tuple[str, Vector] | None,
        allowed: Allowed,
        limit: int,
    ) -> Found:
        """Return at least the best `limit` of each leg that is asked for.

        Args:
            scope: The partition.
            text: Query of the keyword leg; any of its words may match. None: no keyword leg.
            vector: Model and query of the vector leg. None: no vector leg.
            allowed: Which memories are looked at.
            limit: How many per leg.
        """
        ...

    def adjacent(
        self, scope: Scope, seqs: Sequence[int], allowed: Allowed
    ) -> Mapping[int, Sequence[int]]:
        """Return the allowed episodes just before and after each of these live commits, by event time.

        Only within `ranking.EPISODE_GAP_US`; commits without any are left out.
        """
        ...

    def nearest(
        self, scope: Scope, coordinate: Coordinate, allowed: Allowed, limit: int
    ) -> list[tuple[int, float]]:
        """Return up to `limit` (commit, Euclidean distance), nearest first, of coordinates of the same length."""
        ...

    async def maintain(self) -> None:
        """Move what was searched exactly into the index proper; found results stay the same."""
        ...

    def tail_size(self) -> int:
        """Return how many memories are still searched exactly instead of by the index."""
        ...
