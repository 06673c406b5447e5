"""Memories as bytes, kept for those that are asked for again and again.

Writing the fields of a memory into a message takes three times as long as letting protobuf read them from bytes.
"""

from memory_server.domain.memory import MemoryRecord
from memory_server.transport.codec.memories import memory_message
from soma.memory.v1 import memory_pb2

MAX_BYTES = 16 * 1024 * 1024

_ENTRY_BYTES = 300
"""What an entry takes beside the bytes of its memory."""

_Entry = tuple[MemoryRecord, str, bytes]


class EncodedMemories:
    """Keeps bytes by the very record that they were made of, in two generations of which the older is forgotten whole.

    A record never changes: what has changed is another record, for which nothing is found here.

    Args:
        max_bytes: Of both generations together, as far as can be told.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._young: dict[int, _Entry] = {}
        self._old: dict[int, _Entry] = {}
        self._bytes = 0

    def bytes_of(self, namespace: str, record: MemoryRecord) -> bytes:
        """Return a memory on the wire."""
        found = self._young.get(record.commit_seq)
        if found is None or found[0] is not record or found[1] != namespace:
            found = self._kept(namespace, record)
        return found[2]

    def put(self, target: memory_pb2.Memory, namespace: str, record: MemoryRecord) -> None:
        """Write a memory into an empty field of a message."""
        target.MergeFromString(self.bytes_of(namespace, record))

    def message(self, namespace: str, record: MemoryRecord) -> memory_pb2.Memory:
        """Return a memory as callers see it."""
        made = memory_pb2.Memory()
        self.put(made, namespace, record)
        return made

    def _kept(self, namespace: str, record: MemoryRecord) -> _Entry:
        """Return the entry of a record that is not among the young ones, and put it there."""
        entry = self._old.get(record.commit_seq)
        if entry is None or entry[0] is not record or entry[1] != namespace:
            entry = (record, namespace, memory_message(namespace, record).SerializeToString())
        size = _ENTRY_BYTES + len(entry[2])
        if self._bytes + size > self._max_bytes // 2:
            self._young, self._old, self._bytes = {}, self._young, 0
        self._young[record.commit_seq] = entry
        self._bytes += size
        return entry
