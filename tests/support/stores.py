"""The memory stores under test, opened over a folder."""

from pathlib import Path
from typing import Any

from memory_server.adapters.embedded.committer import CommitObserver, CommitterOptions
from memory_server.adapters.embedded.database import open_database
from memory_server.adapters.embedded.store import EmbeddedStore
from memory_server.adapters.in_memory.store import InMemoryStore
from memory_server.domain.memory import MemoryId, MemoryLink, Receipt
from memory_server.domain.quota import TenantQuotas, no_quotas
from memory_server.ports import Change, MemoryStore, Write
from tests.support.memories import DIMENSIONS, NOW_US, SCOPE, StoppedClock


class StoreCase:
    """A store under test, with the changes it told its listener of."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.changes: list[Change] = []
        store.listen(self.changes.extend)


async def commit(case: StoreCase, write: Write) -> Receipt:
    """Carry out one write; its refusal is raised."""
    outcome = (await case.store.commit([write]))[0]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def links_from(case: StoreCase, memory_id: str, **more: Any) -> list[MemoryLink]:
    """Return the links of a memory, the outgoing ones unless said otherwise."""
    given: dict[str, Any] = {"outgoing": True, "types": [], "now_us": NOW_US, "limit": 1000} | more
    return await case.store.links_of(SCOPE, MemoryId(memory_id), **given)


async def open_embedded(
    folder: Path,
    *,
    queue_size: int = 4096,
    observe: CommitObserver = lambda _count, _seconds: None,
    quotas: TenantQuotas = no_quotas,
) -> EmbeddedStore:
    """Open the embedded store in `folder`."""
    database = open_database(folder, synchronous="FULL", dimensions=DIMENSIONS)
    return EmbeddedStore(
        database, StoppedClock(), CommitterOptions(queue_size, 3600, quotas), observe
    )


async def open_in_memory(_folder: Path, *, quotas: TenantQuotas = no_quotas) -> InMemoryStore:
    """Make an in-memory store."""
    return InMemoryStore(quotas)
