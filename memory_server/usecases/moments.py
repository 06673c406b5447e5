"""What the store knew at a moment, searched and ranked like the present: an index made for it.

Theory of operation:
    Making an index of a whole namespace takes a second where it has tens of thousands of memories. Two moments differ
    little, though: so of each namespace the last moment that was asked for is kept, and turned into the next one by
    what differs. Versions come back in any order that way, but an index wants ascending commits: it is given numbers of
    its own, in the order in which versions were taken in.

Rules:
    1. A moment is the same until the next commit only, which may have erased what was known then, and until the next
       memory expires: its past is gone with it.
    2. Who was given a moment uses it before the next await: then it may be turned into another one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from memory_server.domain.memory import MemoryRecord, Scope
from memory_server.ports import Change, Clock, MemoryStore, SearchIndex

MOST_NAMESPACES = 4
MOST_MEMORIES = 20_000
"""Namespaces of which a moment is kept, and memories of all of them together; the last one is always kept."""

AT_ONCE = 100
"""Memories of a moment that are taken in before other calls get their turn: some 10 ms."""

MOST_DEAD = 1.0
"""What was taken out again of an index, as a share of what is in it, before it is made anew."""


@dataclass(slots=True)
class Past:
    """The memories of one moment, and the index of them; its commits are the keys of `records`."""

    index: SearchIndex
    records: dict[int, MemoryRecord] = field(default_factory=dict)
    """Without their embeddings."""
    numbers: dict[int, int] = field(default_factory=dict)
    """The index's own numbers by commit."""
    is_of: tuple[int, int] = (-1, -1)
    """Which moment, and up to which commit it was looked at."""
    looked_us: int = 0
    until_us: int | None = None
    """When it was looked at, and until when nothing of it expires; None: nothing does."""
    taken_count: int = 0

    @property
    def is_worn(self) -> bool:
        """Whether so much was taken out again that a new index is better."""
        dead = self.taken_count - len(self.records)
        return dead > max(MOST_DEAD * len(self.records), AT_ONCE)

    def is_right(self, wanted: tuple[int, int], now_us: int) -> bool:
        """Tell whether it is a moment, at a commit, as it is to be seen now; clocks are set back at times."""
        is_fresh = self.until_us is None or now_us < self.until_us
        return self.is_of == wanted and is_fresh and self.looked_us <= now_us


@dataclass(slots=True)
class _Kept:
    """A namespace's last moment; one caller at a time turns it into another."""

    past: Past
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class Moments:
    """The last moment that was asked for, of each of the namespaces that were asked for last."""

    _kept: OrderedDict[Scope, _Kept] = field(default_factory=OrderedDict)

    async def at(
        self, store: MemoryStore, index: SearchIndex, clock: Clock, scope: Scope, moment_us: int
    ) -> Past:
        """Return a moment, to be used before the next await.

        Raises:
            NotFound: There is no such namespace.
        """
        kept = self._kept.setdefault(scope, _Kept(Past(index.of_records(scope, []))))
        async with kept.lock:
            wanted, now_us = (moment_us, store.last_commit_seq), clock.now_us()
            try:
                if not kept.past.is_right(wanted, now_us):
                    await _turn(kept, store, index, scope, moment_us, now_us)
                    kept.past.is_of, kept.past.looked_us = wanted, now_us
            except BaseException:
                # Half turned it is no moment at all, neither for who waits nor for who comes.
                kept.past = Past(index.of_records(scope, []))
                self._kept.pop(scope, None)
                raise
            self._kept[scope] = kept
            self._kept.move_to_end(scope)
            self._forget()
            return kept.past

    def clear(self) -> None:
        """Forget all moments: what was erased is not to stay in memory."""
        for scope in [scope for scope, kept in self._kept.items() if not kept.lock.locked()]:
            del self._kept[scope]

    def _forget(self) -> None:
        idle = [scope for scope, kept in self._kept.items() if not kept.lock.locked()]
        while idle and self._is_too_much():
            del self._kept[idle.pop(0)]

    def _is_too_much(self) -> bool:
        count = sum(len(kept.past.records) for kept in self._kept.values())
        return len(self._kept) > MOST_NAMESPACES or count > MOST_MEMORIES


async def _turn(
    kept: _Kept, store: MemoryStore, index: SearchIndex, scope: Scope, moment_us: int, now_us: int
) -> None:
    """Turn what is kept into another moment, as it is to be seen now."""
    kept.past.is_of = (-1, -1)
    until_us = await store.next_expiry(now_us)
    if not kept.past.records or kept.past.is_worn:
        kept.past = Past(index.of_records(scope, []), until_us=until_us)
        await _take_in(kept.past, scope, await store.as_of(scope, moment_us, now_us))
        return
    kept.past.until_us = until_us
    wanted = set(await store.as_of_seqs(scope, moment_us, now_us))
    await _take_out(kept.past, scope, kept.past.numbers.keys() - wanted)
    new = sorted(wanted - kept.past.numbers.keys())
    found = await store.versions_by_seq(scope, new)
    await _take_in(kept.past, scope, list(found.values()))


async def _take_in(past: Past, scope: Scope, records: Sequence[MemoryRecord]) -> None:
    ordered = sorted(records, key=lambda record: record.commit_seq)
    for start in range(0, len(ordered), AT_ONCE):
        changes = []
        for record in ordered[start : start + AT_ONCE]:
            past.taken_count += 1
            number = past.numbers[record.commit_seq] = past.taken_count
            past.records[number] = record.shown()
            changes.append(Change(scope, number, record._replace(commit_seq=number)))
        past.index.apply(changes)
        await asyncio.sleep(0)


async def _take_out(past: Past, scope: Scope, seqs: Iterable[int]) -> None:
    gone = sorted(past.numbers.pop(seq) for seq in seqs)
    for start in range(0, len(gone), AT_ONCE):
        some = gone[start : start + AT_ONCE]
        for number in some:
            del past.records[number]
        past.index.apply([Change(scope, some[-1], removed_seqs=tuple(some))])
        await asyncio.sleep(0)
