"""The durable home of memories and links."""

import enum
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from memory_server.domain.filters import Filter
from memory_server.domain.limits import MAX_RESPONSE_BYTES
from memory_server.domain.memory import (
    LoggedChange,
    MemoryId,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    MemoryVersion,
    MetadataValue,
    NamespaceStats,
    Receipt,
    Scope,
    Tenant,
)
from memory_server.domain.policy import NamespaceInfo, NamespacePolicy
from memory_server.ports.writes import CommitListener, NewEmbedding, RequestKey, Write

COPY_PREFIX = "backup-"
"""How the folders beside a store begin that hold a copy while it is sent; opening the store removes what was left."""


class ListOrder(enum.Enum):
    """What comes first in a list; of equals the latest write."""

    EVENT_TIME = "event_time"
    IMPORTANCE = "importance"


@dataclass(frozen=True, slots=True)
class ListPosition:
    """Where a page of a list ended; `key` is the event time in microseconds, or the raw importance."""

    key: float
    commit_seq: int


@dataclass(frozen=True, slots=True)
class ExportedMemory:
    """A memory with its older versions, oldest first; none if they were not asked for.

    `left_out_count` still older ones would have been too much for one message.
    """

    record: MemoryRecord
    versions: Sequence[MemoryVersion] = ()
    left_out_count: int = 0


@dataclass(frozen=True, slots=True)
class Lacking:
    """A memory whose text a model has not embedded."""

    scope: Scope
    commit_seq: int
    text: str


@dataclass(frozen=True, slots=True)
class StoreCopy:
    """What is in a copy of a whole store.

    Attributes:
        commit_seq: The last commit in it.
        memory_count: Memories in it, of all tenants.
    """

    commit_seq: int
    memory_count: int


class Snapshot(Protocol):
    """One namespace as it was at one commit, however long the reading takes."""

    @property
    def commit_seq(self) -> int:
        """The last commit that it holds."""
        ...

    def memories(
        self,
        given: Filter,
        now_us: int,
        *,
        with_versions: bool,
        most_bytes: int = MAX_RESPONSE_BYTES,
    ) -> AsyncIterator[Sequence[ExportedMemory]]:
        """Yield the memories that pass, in the order of their commits.

        Each has its latest versions, as many as fit so many bytes together with it.
        """
        ...

    def links(self) -> AsyncIterator[Sequence[MemoryLink]]:
        """Yield all links."""
        ...


class MemoryStore(Protocol):
    """Durable home of memories and links: what it says is true, whatever an index says.

    Guarantees:
        - When `commit` returns, the write is durable, visible to every read, and the listener has been told.
        - Commits have one order, `commit_seq`, which never repeats and never goes back, also after a restart.
        - The listener is told of every change exactly once, in that order, before the commit is acknowledged.
        - A write is decided and carried out in one step: two with the same `expected_version` never both win.
        - The same request id gives the same receipt, with `is_replayed`; with another body it is refused.
        - A scope never sees another scope's memories, links or request ids.
        - Nothing of a deleted memory is readable after its commit returned, and of an overwritten version only what the
          calls for versions and moments return.
        - A namespace never holds more memories than its policy's limit, and no write goes beyond its quotas.
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
    def history_id(self) -> int:
        """Number of 63 bits, another one each time that a store is made of a copy; 0: it was made of none.

        What was committed after the copy is no part of this history.
        """
        ...

    @property
    def signing_seed(self) -> bytes:
        """Secret of 32 bytes from which the store's Ed25519 key is made; lives as long as the store."""
        ...

    @property
    def last_commit_seq(self) -> int:
        """The last commit that every read sees."""
        ...

    @property
    def folder(self) -> Path | None:
        """Where the store keeps its files, with room for a copy; None: it has none."""
        ...

    async def copy(self, target: Path) -> StoreCopy:
        """Write a compact copy of the whole store to a file that does not exist yet; return what is in it.

        Raises:
            InvalidInput: This store has no file to copy.
        """
        ...

    def listen(self, listener: CommitListener) -> None:
        """Tell `listener` of every change from now on; to be called once, before the first commit."""
        ...

    async def commit(self, writes: Sequence[Write]) -> list[Receipt | Exception]:
        """Carry out writes; each succeeds or fails on its own, in their order.

        Returns:
            One receipt or one error per write: `Conflict`, `NotFound`, `AlreadyExists`, `RequestIdReused`,
            `QuotaExceeded`, `StorageFull`, `Unavailable`.

        Raises:
            Overloaded: Too many writes wait; none of these was taken.
        """
        ...

    async def get(self, scope: Scope, ref: MemoryRef, now_us: int) -> MemoryRecord:
        """Return one memory to be shown: without its embedding, which takes more room than all else.

        Raises:
            NotFound: There is no such namespace, or no such memory in it, or it has expired.
        """
        ...

    async def get_whole(self, scope: Scope, ref: MemoryRef, now_us: int) -> MemoryRecord:
        """Return one memory with its embedding, to be written again.

        Raises:
            NotFound: As `get`.
        """
        ...

    async def get_by_seq(self, scope: Scope, seqs: Sequence[int]) -> dict[int, MemoryRecord]:
        """Return the live memories that these commits wrote, to be shown; those that are gone are left out."""
        ...

    async def get_by_id(
        self, scope: Scope, ids: Sequence[MemoryId]
    ) -> dict[MemoryId, MemoryRecord]:
        """Return the memories of these ids, to be shown; those that are gone are left out."""
        ...

    async def list_page(
        self,
        scope: Scope,
        given: Filter,
        now_us: int,
        after: ListPosition | None,
        limit: int,
        order: ListOrder = ListOrder.EVENT_TIME,
    ) -> list[MemoryRecord]:
        """Return up to `limit` memories that pass, in an order; of equals the latest commit first.

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

    async def replayed(self, tenant: Tenant, request: RequestKey) -> Receipt | None:
        """Return the receipt of a request that was carried out before, marked as replayed; None: it was not.

        Raises:
            RequestIdReused: The id was used for another request.
        """
        ...

    async def get_version(
        self, scope: Scope, ref: MemoryRef, version: int, now_us: int
    ) -> MemoryRecord:
        """Return one version of a live memory, the current one or a kept one.

        Raises:
            NotFound: There is no such namespace, memory or version.
        """
        ...

    async def versions(
        self, scope: Scope, ref: MemoryRef, now_us: int, *, before: int, limit: int
    ) -> list[MemoryVersion]:
        """Return up to `limit` versions below `before` of a live memory, the newest first.

        Raises:
            NotFound: There is no such namespace or memory.
        """
        ...

    async def as_of(self, scope: Scope, moment_us: int, now_us: int) -> list[MemoryRecord]:
        """Return every version that was current, and not expired, at a moment, as far as it is kept; one a memory.

        Of a memory that has expired by now there is none, swept away or not.

        Raises:
            NotFound: There is no such namespace.
        """
        ...

    async def as_of_seqs(self, scope: Scope, moment_us: int, now_us: int) -> list[int]:
        """Return the commits of what `as_of` returns, without reading it.

        Raises:
            NotFound: There is no such namespace.
        """
        ...

    async def next_expiry(self, now_us: int) -> int | None:
        """Return when the next memory expires after now, whosever it is; None: none will. Quick."""
        ...

    async def versions_by_seq(self, scope: Scope, seqs: Sequence[int]) -> dict[int, MemoryRecord]:
        """Return the versions that these commits wrote, current or kept; those that are gone are left out."""
        ...

    async def changes(self, scope: Scope, after: tuple[int, int], limit: int) -> list[LoggedChange]:
        """Return up to `limit` changes after (commit, position), in the order of the commits.

        Raises:
            NotFound: There is no such namespace.
            HistoryLost: What happened since then is no longer kept.
        """
        ...

    async def namespace(self, scope: Scope) -> NamespaceInfo:
        """Describe a namespace.

        Raises:
            NotFound: There is no such namespace.
        """
        ...

    async def policy(self, scope: Scope) -> NamespacePolicy:
        """Return the policy of a namespace; quick, because every recall asks.

        Raises:
            NotFound: There is no such namespace.
        """
        ...

    async def policies(self) -> list[tuple[Scope, NamespacePolicy]]:
        """Return the policy of every namespace of every tenant."""
        ...

    def snapshot(self, scope: Scope) -> AbstractAsyncContextManager[Snapshot]:
        """Hold a namespace as it is now, to be read at leisure.

        Raises:
            NotFound: There is no such namespace.
        """
        ...

    async def count_subject(
        self, tenant: Tenant, namespace: str, key: str, value: MetadataValue
    ) -> int:
        """Count the memories that an `EraseWrite` of the same arguments would erase."""
        ...

    @property
    def scrubbed_seq(self) -> int:
        """The last commit of which nothing that it removed is left in logs and free pages."""
        ...

    async def scrub(self, patience_s: float) -> bool:
        """Force what was deleted out of logs and free pages; return whether it is.

        What is read meanwhile may be in the way for `patience_s` at most; the store tries again by itself, at the
        latest some seconds later, and `scrubbed_seq` tells when it is done.
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

    async def link(
        self, scope: Scope, from_id: MemoryId, to_id: MemoryId, link_type: str
    ) -> MemoryLink | None:
        """Return the link of a type from one memory to another; None: there is none."""
        ...

    async def links_of(
        self,
        scope: Scope,
        memory_id: MemoryId,
        *,
        outgoing: bool,
        types: Sequence[str],
        now_us: int,
        after: MemoryLink | None = None,
        limit: int,
    ) -> list[MemoryLink]:
        """Return up to `limit` links that start (or end) at a memory, and whose other end has not expired.

        The heaviest come first, of equals by the id of the other end, then by type; with `after` those behind that one.
        `types` empty means all. What it costs depends on `limit`, not on how many links there are.
        """
        ...

    async def heaviest_links(
        self, scope: Scope, ids: Sequence[MemoryId], *, outgoing: bool, limit: int
    ) -> list[MemoryLink]:
        """Return links that start (or end) at these memories, in any order: the `limit` heaviest of all are among them.

        One end may have expired. What it costs is bounded, however many links there are.
        """
        ...

    async def has_links(self, scope: Scope) -> bool:
        """Tell whether there is any link in a namespace; quick, because every recall asks."""
        ...

    async def live_seqs(self) -> dict[Scope, npt.NDArray[np.int64]]:
        """Return the commits of all live memories, ascending, by scope."""
        ...

    def scan(self, after: int = 0) -> AsyncIterator[Sequence[tuple[Scope, MemoryRecord]]]:
        """Yield everything live that was written after a commit, in batches by commit; what the index is made from."""
        ...

    def scan_beside(self) -> AsyncIterator[Sequence[tuple[Scope, NewEmbedding]]]:
        """Yield every embedding that is kept beside the present one of a live memory, in batches."""
        ...

    async def lacking(self, model: str, after: int, limit: int) -> list[Lacking]:
        """Return up to `limit` memories without an embedding of a model, by commit, after a commit.

        Those with an embedding of their caller's are left out, and those without any text.
        """
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
