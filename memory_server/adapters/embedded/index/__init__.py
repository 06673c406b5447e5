"""SearchIndex of the embedded store: one partition per tenant and namespace.

Changes and searches run on the event loop; one that a helper does is over before anything changes. What takes long
(compaction, inverted files of vectors, the copy on disk) runs in a thread on what is not written any more. See
`ports.SearchIndex` for the promises.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from memory_server.adapters.embedded.index.columns import Arrays
from memory_server.adapters.embedded.index.frozen import freeze, thaw
from memory_server.adapters.embedded.index.hands import Hands
from memory_server.adapters.embedded.index.partition import Partition
from memory_server.adapters.embedded.index.snapshot import Snapshot, SnapshotFile
from memory_server.adapters.embedded.index.vectors import VectorRows
from memory_server.domain.memory import Coordinate, MemoryRecord, Scope, Tenant
from memory_server.domain.spans import Span
from memory_server.ports import Allowed, Asked, Change, Found, Question, Seqs, WordVectors

log = logging.getLogger(__name__)

COMPACT_SHARE = 0.25
COMPACT_LEAST = 512
"""A partition is compacted when so many of its slots are empty."""

KEEP_SHARE = 0.25
KEEP_LEAST = 10_000
"""A new copy is kept when so many memories have come since the last one; and always at the end."""

KEEP_EVERY_S = 60.0
"""So long lies between two copies while much is stored: they would take a tenth of the time of a core."""


class EmbeddedIndex:
    """Partitions by scope; made by their first change.

    Args:
        words: Vectors of single words, by which the keyword leg finds related ones. None: it finds none.
        kept: Where a copy is kept from start to start. None: nowhere.
    """

    def __init__(self, words: WordVectors | None = None, kept: SnapshotFile | None = None) -> None:
        self._words = words
        self._kept = kept
        self._partitions: dict[Scope, Partition] = {}
        self._hands = Hands()
        self._commit_seq = 0
        self._kept_seq = 0
        """Last commit that the copy on disk covers; 0: there is no copy."""
        self._came = 0
        """Memories that came since the last copy."""
        self._came_before = 0
        """The same at the last look."""
        self._keep_from = 0.0
        """When the next copy may be kept, by the loop's clock."""
        self._replay: tuple[Scope, list[Change]] | None = None
        """What happens to the partition that is being compacted."""

    def apply(self, changes: Sequence[Change]) -> None:
        """See the port."""
        self._hands.settle()
        for change in changes:
            self._commit_seq = max(self._commit_seq, change.commit_seq)
            if self._replay is not None and self._replay[0] == change.scope:
                self._replay[1].append(change)
            if change.drops_namespace:
                self._partitions.pop(change.scope, None)
                self._drop_kept()
                continue
            partition = self._partitions.get(change.scope)
            if partition is None:
                partition = self._partitions[change.scope] = Partition(self._words)
            _apply(partition, change)
            touched = (*change.removed_seqs, *(new.seq for new in change.embedded))
            if any(seq <= self._kept_seq for seq in touched):
                self._drop_kept()
            if change.added is not None:
                self._came += 1

    def search(self, scope: Scope, asked: Sequence[Asked], allowed: Allowed) -> Iterator[Found]:
        """See the port."""
        partition = self._partitions.get(scope)
        if partition is None:
            return iter([Found.nothing()] * len(asked))
        return partition.search(asked, allowed, self._hands)

    def compare(
        self, scope: Scope, seqs: Sequence[int], question: Question, allowed: Allowed
    ) -> Found:
        """See the port."""
        partition = self._partitions.get(scope)
        if partition is None:
            return Found.nothing()
        return partition.compare(seqs, question, allowed, self._hands)

    def adjacent(
        self, scope: Scope, seqs: Sequence[int], allowed: Allowed
    ) -> Mapping[int, Sequence[int]]:
        """See the port."""
        partition = self._partitions.get(scope)
        return partition.adjacent(seqs, allowed) if partition else {}

    def nearest(
        self, scope: Scope, coordinate: Coordinate, allowed: Allowed, limit: int
    ) -> list[tuple[int, float]]:
        """See the port."""
        partition = self._partitions.get(scope)
        return partition.nearest(coordinate, allowed, limit) if partition else []

    def within(
        self, scope: Scope, least: Coordinate, greatest: Coordinate, allowed: Allowed
    ) -> list[int]:
        """See the port."""
        partition = self._partitions.get(scope)
        return partition.within(least, greatest, allowed) if partition else []

    def event_times(self, scope: Scope) -> Span | None:
        """See the port."""
        partition = self._partitions.get(scope)
        return partition.event_times() if partition else None

    def of_records(self, scope: Scope, records: Sequence[MemoryRecord]) -> "EmbeddedIndex":
        """See the port."""
        made = EmbeddedIndex(self._words)
        ordered = sorted(records, key=lambda record: record.commit_seq)
        made.apply([Change(scope, record.commit_seq, record) for record in ordered])
        return made

    async def maintain(self) -> None:
        """Compact, build and keep what is due; one thing at a time."""
        is_quiet, self._came_before = self._came == self._came_before, self._came
        for scope, partition in list(self._partitions.items()):
            empty = partition.dead_count
            if empty >= max(COMPACT_LEAST, COMPACT_SHARE * partition.count):
                await self._compact(scope, partition)
                continue
            for rows in partition.vectors.values():
                work = rows.upkeep(is_quiet=is_quiet)
                if work is not None:
                    rows.inverted = await asyncio.to_thread(work)
        loop = asyncio.get_running_loop()
        is_due = self._came >= max(KEEP_LEAST, KEEP_SHARE * self.size())
        if is_due and (is_quiet or loop.time() >= self._keep_from):
            await self.save()
            self._keep_from = loop.time() + KEEP_EVERY_S

    def tail_size(self) -> int:
        """See the port."""
        return sum(
            rows.tail_size
            for partition in self._partitions.values()
            for rows in partition.vectors.values()
        )

    def size(self) -> int:
        """Return how many memories there are."""
        return sum(each.count - each.dead_count for each in self._partitions.values())

    def models(self) -> Counter[str]:
        """See the port."""
        found: Counter[str] = Counter()
        for partition in self._partitions.values():
            found += partition.models()
        return found

    async def load(self, live: Mapping[Scope, Seqs]) -> int:
        """See the port."""
        if self._kept is None:
            return 0
        snapshot = await asyncio.to_thread(self._kept.opened)
        if snapshot is None:
            return 0
        partitions = await asyncio.to_thread(_thawed, snapshot, live, self._words)
        if partitions is None:
            self._kept.drop()
            return 0
        self._partitions = partitions
        self._commit_seq = self._kept_seq = snapshot.commit_seq
        for scope, partition in partitions.items():
            known = partition.columns.seq.view
            gone = np.setdiff1d(known, live.get(scope, known[:0]), assume_unique=True)
            self.apply([Change(scope, snapshot.commit_seq, None, tuple(gone.tolist()))])
        return snapshot.commit_seq

    async def save(self, *, is_last: bool = False) -> None:
        """Keep a copy; without one the next start takes longer, and that is all.

        Args:
            is_last: Nothing is searched any more, so that vectors need not move into the copy.
        """
        if self._kept is None:
            return
        came, commit_seq = self._came, self._commit_seq
        works = {scope: freeze(partition) for scope, partition in self._partitions.items()}
        frozen = {
            scope: (partition, [(rows, rows.count) for rows in partition.vectors.values()])
            for scope, partition in self._partitions.items()
        }

        def write(kept: SnapshotFile) -> Snapshot | None:
            made = {(str(s.tenant), s.namespace): work() for s, work in works.items()}
            kept.write(Snapshot(commit_seq, made))
            return None if is_last else kept.read()

        self._kept_seq = commit_seq
        try:
            copy = await asyncio.to_thread(write, self._kept)
        except OSError as error:
            # A removal meanwhile takes the file away under the writing: that is no failure.
            if self._kept_seq == commit_seq:
                log.warning("failed to keep a copy of the index", extra={"cause": error.strerror})
            self._kept_seq = 0
            return
        if self._kept_seq != commit_seq:
            # Something that the copy covers was removed while it was written.
            self._kept.drop()
            return
        self._came -= came
        for scope, (partition, vectors) in frozen.items():
            if copy is not None and self._partitions.get(scope) is partition:
                _map(vectors, copy.partitions[str(scope.tenant), scope.namespace])

    async def close(self) -> None:
        """See the port."""
        self._hands.close()
        if self._came or (self._kept_seq == 0 and self._partitions):
            await self.save(is_last=True)

    def _drop_kept(self) -> None:
        if self._kept is not None:
            self._kept.drop()
            self._kept_seq = 0

    async def _compact(self, scope: Scope, partition: Partition) -> None:
        self._replay = (scope, [])
        try:
            work = freeze(partition)
            compacted = await asyncio.to_thread(lambda: thaw(work(), self._words))
            if any(change.drops_namespace for change in self._replay[1]):
                return
            for change in self._replay[1]:
                _apply(compacted, change)
            self._partitions[scope] = compacted
        finally:
            self._replay = None


def _apply(partition: Partition, change: Change) -> None:
    for seq in change.removed_seqs:
        partition.remove(seq)
    if change.added is not None:
        partition.add(change.added)
    for new in change.embedded:
        partition.embed(new)


def _map(vectors: Sequence[tuple[VectorRows, int]], arrays: Arrays) -> None:
    """Let vectors be those of the file, which the system may drop from memory and read again."""
    for number, (rows, count) in enumerate(vectors):
        kept = arrays[f"vectors/{number}/rows"]
        # Where rows were left out of the copy, theirs are other numbers.
        if len(kept) == count:
            rows.map(kept)


def _thawed(
    snapshot: Snapshot, live: Mapping[Scope, Seqs], words: WordVectors | None
) -> dict[Scope, Partition] | None:
    """Return the partitions of a copy; None: the store has memories of its time that it does not have."""
    made: dict[Scope, Partition] = {}
    for (tenant, namespace), arrays in snapshot.partitions.items():
        made[Scope(Tenant(tenant), namespace)] = thaw(arrays, words)
    for scope, seqs in live.items():
        covered = seqs[seqs <= snapshot.commit_seq]
        known = made[scope].columns.seq.view if scope in made else covered[:0]
        if not np.isin(covered, known).all():
            return None
    return made
