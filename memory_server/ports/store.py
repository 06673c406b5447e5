"""The durable home of memories and links."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from memory_server.domain.filters import Filter
from memory_server.domain.memory import (
    MemoryId,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    NamespaceStats,
    Receipt,
    Scope,
    Tenant,
)
from memory_server.ports.writes import CommitListener, Write


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
