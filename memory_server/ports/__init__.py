"""Needs of the use cases, in the words of the domain. `tests/contract/memory_server` holds every adapter to them.

Deadlines are not parameters: the transport runs each call under `asyncio.timeout`, and every port may be cancelled at
any await. A cancelled commit has happened or has not; its request id tells which.
"""

from memory_server.ports.clock import Clock
from memory_server.ports.embedder import Embedder, Vector, Vectors
from memory_server.ports.index import Allowed, Found, SearchIndex
from memory_server.ports.store import ListPosition, MemoryStore
from memory_server.ports.writes import (
    Change,
    CommitListener,
    DeleteWrite,
    ExpireWrite,
    LinkWrite,
    RequestKey,
    StoreWrite,
    Write,
)

__all__ = [
    "Allowed",
    "Change",
    "Clock",
    "CommitListener",
    "DeleteWrite",
    "Embedder",
    "ExpireWrite",
    "Found",
    "LinkWrite",
    "ListPosition",
    "MemoryStore",
    "RequestKey",
    "SearchIndex",
    "StoreWrite",
    "Vector",
    "Vectors",
    "Write",
]
