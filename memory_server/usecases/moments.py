"""What the store knew at a moment, searched and ranked like the present: an index made for it, and kept for a while."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from memory_server.domain.memory import MemoryRecord, Scope
from memory_server.ports import Change, MemoryStore, SearchIndex

MOST_MOMENTS = 4
MOST_MEMORIES = 20_000
"""Moments that are kept, and memories of all of them together; one moment is always kept."""


AT_ONCE = 100
"""Memories of a moment that are taken in before other calls get their turn: some 10 ms."""


@dataclass(frozen=True, slots=True)
class Past:
    """The memories of one moment."""

    index: SearchIndex
    records: Mapping[int, MemoryRecord]


@dataclass(slots=True)
class Moments:
    """The moments that were asked for last.

    A moment is asked for again only until the next commit: it may have erased what was known then.
    """

    _kept: OrderedDict[tuple[Scope, int, int], Past] = field(default_factory=OrderedDict)

    async def at(
        self, store: MemoryStore, index: SearchIndex, scope: Scope, moment_us: int
    ) -> Past:
        """Return a moment.

        Raises:
            NotFound: There is no such namespace.
        """
        key = (scope, moment_us, store.last_commit_seq)
        past = self._kept.get(key)
        if past is None:
            records = await store.as_of(scope, moment_us)
            past = self._kept[key] = await _indexed(index, scope, records)
        self._kept.move_to_end(key)
        self._forget(key[2])
        return past

    def _forget(self, commit_seq: int) -> None:
        for key in [key for key in self._kept if key[2] != commit_seq]:
            del self._kept[key]
        while len(self._kept) > 1 and self._is_too_much():
            self._kept.popitem(last=False)

    def _is_too_much(self) -> bool:
        count = sum(len(past.records) for past in self._kept.values())
        return len(self._kept) > MOST_MOMENTS or count > MOST_MEMORIES


async def _indexed(index: SearchIndex, scope: Scope, records: Sequence[MemoryRecord]) -> Past:
    ordered = sorted(records, key=lambda record: record.commit_seq)
    made = index.of_records(scope, [])
    for start in range(0, len(ordered), AT_ONCE):
        some = ordered[start : start + AT_ONCE]
        made.apply([Change(scope, record.commit_seq, record) for record in some])
        await asyncio.sleep(0)
    return Past(made, {record.commit_seq: record for record in ordered})
