"""Counting accesses without a write for each: counts gather in memory, and are written down together."""

from collections.abc import Iterable
from itertools import islice

from memory_server.domain.memory import MemoryId, Scope

Counts = dict[tuple[Scope, MemoryId], tuple[int, int]]
"""(count, time of the last in microseconds) by memory."""

MAX_MEMORIES = 100_000
"""Memories whose counts may wait; beyond, new ones are not counted. It bounds what a scan of everything costs."""


class Accesses:
    """Counts that wait to be written down."""

    def __init__(self) -> None:
        self._counts: dict[Scope, dict[MemoryId, tuple[int, int]]] = {}
        self._size = 0

    def note(self, scope: Scope, ids: Iterable[MemoryId], now_us: int) -> None:
        """Count one access of each memory."""
        counts = self._counts.setdefault(scope, {})
        for memory_id in ids:
            known = counts.get(memory_id)
            if known is not None:
                counts[memory_id] = (known[0] + 1, now_us)
            elif self._size < MAX_MEMORIES:
                counts[memory_id] = (1, now_us)
                self._size += 1

    def take(self, limit: int) -> Counts:
        """Take up to `limit` counts out."""
        taken: Counts = {}
        for scope in list(self._counts):
            counts = self._counts[scope]
            for memory_id in list(islice(counts, limit - len(taken))):
                taken[scope, memory_id] = counts.pop(memory_id)
            if not counts:
                del self._counts[scope]
            if len(taken) >= limit:
                break
        self._size -= len(taken)
        return taken

    def give_back(self, counts: Counts) -> None:
        """Put counts back that could not be written."""
        for (scope, memory_id), (count, last_us) in counts.items():
            known = self._counts.setdefault(scope, {})
            if memory_id not in known:
                self._size += 1
            newer = known.get(memory_id, (0, last_us))
            known[memory_id] = (count + newer[0], max(last_us, newer[1]))
