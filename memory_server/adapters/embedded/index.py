"""SearchIndex of the embedded store: one partition per tenant and namespace, all in this process's memory.

Everything but the flushes runs on the event loop, so that a change and a search never overlap; see
`ports.SearchIndex` for the promises.
"""

import asyncio
from collections.abc import Sequence

from memory_server.adapters.embedded.partition import Partition
from memory_server.domain.memory import Coordinate, Scope
from memory_server.ports import Allowed, Change, Found, Vector


class EmbeddedIndex:
    """Partitions by scope; made by their first change."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._partitions: dict[Scope, Partition] = {}

    def apply(self, changes: Sequence[Change]) -> None:
        """See the port."""
        for change in changes:
            if change.drops_namespace:
                self._partitions.pop(change.scope, None)
                continue
            partition = self._partitions.get(change.scope)
            if partition is None:
                partition = self._partitions[change.scope] = Partition(self._dimensions)
            for seq in change.removed_seqs:
                partition.remove(seq)
            if change.added is not None:
                partition.add(change.added)

    def search(
        self,
        scope: Scope,
        *,
        text: str | None,
        vector: tuple[str, Vector] | None,
        allowed: Allowed,
        limit: int,
    ) -> Found:
        """See the port."""
        partition = self._partitions.get(scope)
        return partition.search(text, vector, allowed, limit) if partition else Found()

    def adjacent(self, scope: Scope, seqs: Sequence[int], allowed: Allowed) -> dict[int, list[int]]:
        """See the port."""
        partition = self._partitions.get(scope)
        return partition.adjacent(seqs, allowed) if partition else {}

    def nearest(
        self, scope: Scope, coordinate: Coordinate, allowed: Allowed, limit: int
    ) -> list[tuple[int, float]]:
        """See the port."""
        partition = self._partitions.get(scope)
        return partition.nearest(coordinate, allowed, limit) if partition else []

    async def maintain(self) -> None:
        """Flush every keyword tail that is long enough; one flush at a time."""
        for partition in list(self._partitions.values()):
            keywords = partition.keywords
            if keywords.wants_flush():
                # Cancelled in between, the frozen words stay found: they are dropped by `thaw` only.
                keywords.thaw(await asyncio.to_thread(keywords.freeze()))

    def tail_size(self) -> int:
        """See the port."""
        return sum(partition.keywords.tail_size for partition in self._partitions.values())
