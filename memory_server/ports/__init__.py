"""Needs of the use cases, in the words of the domain. `tests/contract/memory_server` holds every adapter to them.

Deadlines are not parameters: the transport runs each call under `asyncio.timeout`, and every port may be cancelled at
any await. A cancelled commit has happened or has not; its request id tells which.
"""

from memory_server.ports.clock import Clock
from memory_server.ports.embedder import Embedder, Vector, Vectors, WordVectors
from memory_server.ports.index import Allowed, Asked, Found, Question, SearchIndex, Seqs
from memory_server.ports.store import (
    COPY_PREFIX,
    ExportedMemory,
    Lacking,
    ListOrder,
    ListPosition,
    MemoryStore,
    Snapshot,
    StoreCopy,
)
from memory_server.ports.writes import (
    AccessWrite,
    Change,
    CommitListener,
    CreateNamespaceWrite,
    DeleteWrite,
    DropNamespaceWrite,
    EraseWrite,
    EvictWrite,
    ExpireWrite,
    LinkWrite,
    NewEmbedding,
    PolicyWrite,
    PromoteWrite,
    ReembedWrite,
    RequestKey,
    ScopedWrite,
    StoreWrite,
    SweepWrite,
    UnlinkWrite,
    Write,
)

__all__ = [
    "COPY_PREFIX",
    "AccessWrite",
    "Allowed",
    "Asked",
    "Change",
    "Clock",
    "CommitListener",
    "CreateNamespaceWrite",
    "DeleteWrite",
    "DropNamespaceWrite",
    "Embedder",
    "EraseWrite",
    "EvictWrite",
    "ExpireWrite",
    "ExportedMemory",
    "Found",
    "Lacking",
    "LinkWrite",
    "ListOrder",
    "ListPosition",
    "MemoryStore",
    "NewEmbedding",
    "PolicyWrite",
    "PromoteWrite",
    "Question",
    "ReembedWrite",
    "RequestKey",
    "ScopedWrite",
    "SearchIndex",
    "Seqs",
    "Snapshot",
    "StoreCopy",
    "StoreWrite",
    "SweepWrite",
    "UnlinkWrite",
    "Vector",
    "Vectors",
    "WordVectors",
    "Write",
]
