"""Memories that were read lately, so that what agents ask for again and again is not read again and again.

Reading ten rows makes SQLite let go of the interpreter lock eleven times, and under load each costs more than the row.

Rules:
    1. It is told of every change before the caller who made it is: what it holds is what the store holds.
    2. A record is found only under the namespace that it was read from.
    3. What it keeps was read to be shown, without an embedding.
    4. It forgets what was not asked for lately, and holds at most so many bytes.
"""

from memory_server.domain.memory import MemoryId, MemoryRecord

MAX_BYTES = 32 * 1024 * 1024

_RECORD_BYTES = 512
"""What a record takes beside its payload and text."""


class _Generation:
    """Records that were asked for during one while."""

    __slots__ = ("by_seq", "bytes", "seqs")

    def __init__(self) -> None:
        self.by_seq: dict[int, tuple[int, MemoryRecord]] = {}
        self.seqs: dict[tuple[int, MemoryId], int] = {}
        self.bytes = 0


class RecentRecords:
    """Keeps records in two generations: what is asked for comes into the young one, and the old one is forgotten whole.

    Args:
        max_bytes: Of both together, as far as can be told.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._young, self._old = _Generation(), _Generation()

    def by_seq(self, namespace_key: int, seq: int) -> MemoryRecord | None:
        """Return the record that a commit wrote; None: it is not here."""
        found = self._young.by_seq.get(seq)
        if found is None:
            found = self._old.by_seq.get(seq)
            if found is None:
                return None
            self.keep(*found)
        return found[1] if found[0] == namespace_key else None

    def by_id(self, namespace_key: int, memory_id: MemoryId) -> MemoryRecord | None:
        """Return the current record of a memory; None: it is not here."""
        key = (namespace_key, memory_id)
        seq = self._young.seqs.get(key) or self._old.seqs.get(key)
        return None if seq is None else self.by_seq(namespace_key, seq)

    def keep(self, namespace_key: int, record: MemoryRecord) -> None:
        """Keep a record that was read just now."""
        size = _RECORD_BYTES + len(record.payload_json) + len(record.text)
        if self._young.bytes + size > self._max_bytes // 2:
            self._young, self._old = _Generation(), self._young
        young = self._young
        young.bytes += size
        young.by_seq[record.commit_seq] = (namespace_key, record)
        young.seqs[namespace_key, record.id] = record.commit_seq

    def forget(self, seq: int) -> None:
        """Forget what a commit wrote: it was removed, overwritten or changed."""
        for generation in (self._young, self._old):
            found = generation.by_seq.pop(seq, None)
            if found is not None:
                generation.seqs.pop((found[0], found[1].id), None)

    def forget_id(self, namespace_key: int, memory_id: MemoryId) -> None:
        """Forget the current record of a memory: it was changed."""
        for generation in (self._young, self._old):
            seq = generation.seqs.get((namespace_key, memory_id))
            if seq is not None:
                self.forget(seq)

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old = _Generation(), _Generation()
