"""Reads of the whole store, by pages: what the index and the embedder work through."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded import queries, rows
from memory_server.domain.memory import CALLER_MODEL, MemoryRecord, Scope, Tenant
from memory_server.ports import Lacking, NewEmbedding

SCAN_ROWS = 1000

Slowly = Callable[[str, Sequence[object]], Awaitable[list[rows.Row]]]
"""Reads in a thread: statement and parameters to rows."""


async def live_seqs(
    slowly: Slowly, scopes: Mapping[int, Scope]
) -> dict[Scope, npt.NDArray[np.int64]]:
    """Return the commits of all live memories, ascending, by scope; see `ports.MemoryStore`."""
    # From an index alone: the rows themselves, with their payloads, need not be read.
    statement = (
        "SELECT commit_seq FROM memory INDEXED BY memory_by_event_time WHERE namespace_key = ?"
    )
    found: dict[Scope, npt.NDArray[np.int64]] = {}
    for key, scope in scopes.items():
        seqs = await slowly(statement, [key])
        found[scope] = np.sort(np.fromiter((row[0] for row in seqs), np.int64, len(seqs)))
    return found


async def scan(
    slowly: Slowly, scopes: Mapping[int, Scope], after: int
) -> AsyncIterator[Sequence[tuple[Scope, MemoryRecord]]]:
    """Yield the live memories that commits after one wrote, in their order; see `ports.MemoryStore`."""
    statement = (
        f"SELECT {rows.MEMORY_COLUMNS}, namespace_key FROM memory"
        " WHERE commit_seq > ? ORDER BY commit_seq LIMIT ?"
    )
    last = after
    while found := await slowly(statement, [last, SCAN_ROWS]):
        last = found[-1][0]
        yield [
            (scopes[row[-1]], rows.memory_record(row[:-1]))
            for row in found
            if row[-1] in scopes  # else its namespace was dropped, and it waits to be swept
        ]


async def scan_beside(slowly: Slowly) -> AsyncIterator[Sequence[tuple[Scope, NewEmbedding]]]:
    """Yield the embeddings that are kept beside present ones; see `ports.MemoryStore`."""
    statement = (
        "SELECT beside.commit_seq, beside.model, beside.embedding, tenant, name"
        " FROM beside_embedding AS beside JOIN memory ON memory.commit_seq = beside.commit_seq"
        " JOIN namespace ON namespace.key = namespace_key"
        " WHERE beside.commit_seq > ? AND tenant <> '' ORDER BY beside.commit_seq LIMIT ?"
    )
    last = 0
    while found := await slowly(statement, [last, SCAN_ROWS]):
        last = found[-1][0]
        yield [
            (Scope(Tenant(tenant), name), NewEmbedding(seq, model, vector, is_beside=True))
            for seq, model, vector, tenant, name in found
        ]


async def lacking(slowly: Slowly, model: str, after: int, limit: int) -> list[Lacking]:
    """Return memories that have no embedding of a model; see `ports.MemoryStore`."""
    found = await slowly(queries.LACKING, [model, after, model, CALLER_MODEL, limit])
    return [Lacking(Scope(Tenant(tenant), name), seq, text) for tenant, name, seq, text in found]
