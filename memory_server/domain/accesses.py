"""Counting accesses without a write for each: counts gather in memory, and are written down together."""

from collections.abc import Iterable

from memory_server.domain.memory import MemoryId, Scope

Counts = dict[tuple[Scope, MemoryId], tuple[int, int]]
"""(count, time of the last in microseconds) by memory."""

MAX_MEMORIES = 100_000
"""Memories whose counts may wait; beyond, new ones are not counted. It bounds what a scan of everything costs."""


class Accesses:
    """Counts that wait to be written down."""

    def __init__(self) -> None:
        self._counts: Counts = {}

    def note(self, scope: Scope, ids: Iterable[MemoryId], now_us: int) -> None:
        """Count one access of each memory."""
        counts = self._counts
        for memory_id in ids:
            key = (scope, memory_id)
            known = counts.get(key)
            if known is not None:
                counts[key] = (known[0] + 1, now_us)
            elif len(counts) < MAX_MEMORIES:
                counts[key] = (1, now_us)

    def take(self, limit: int) -> Counts:
        """Take up to `limit` counts out."""
        taken = dict(list(self._counts.items())[:limit])
        for key in taken:
            del self._counts[key]
        return taken

    def give_back(self, counts: Counts) -> None:
        """Put counts back that could not be written."""
        for key, (count, last_us) in counts.items():
            newer = self._counts.get(key, (0, last_us))
            self._counts[key] = (count + newer[0], max(last_us, newer[1]))
