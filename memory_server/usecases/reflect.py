"""Return a random sample of memories."""

import hashlib
import heapq

from memory_server.domain import limits, validation
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryId, MemoryRecord, Scope
from memory_server.domain.validation import Violations
from memory_server.usecases.engine import Engine
from memory_server.usecases.read import every_page, read_fitting

DEFAULT_COUNT = 5


async def reflect(
    engine: Engine, scope: Scope, given: Filter, *, count: int, seed: int | None
) -> list[MemoryRecord]:
    """Return some of the memories that pass, each as likely as any other, without repeats, in random order.

    Every memory draws a lot made of the seed and its id; the least lots win. So the same seed over the same memories
    gives the same sample, whatever the order in which they are read.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_filter(found, given)
    wanted = validation.check_count(
        found, "count", count, default=DEFAULT_COUNT, maximum=limits.MAX_TOP_K
    )
    found.raise_if_any()
    salt = engine.randomness(16) if seed is None else repr(seed).encode()
    drawn: list[tuple[bytes, MemoryId]] = []
    async for page in every_page(engine, scope, given):
        lots = ((_lot(salt, record.id), record.id) for record in page)
        drawn = heapq.nsmallest(wanted, [*drawn, *lots])
    return (await read_fitting(engine, scope, [memory_id for _, memory_id in drawn]))[0]


def _lot(salt: bytes, memory_id: str) -> bytes:
    return hashlib.sha256(salt + memory_id.encode("utf-8", "surrogatepass")).digest()
