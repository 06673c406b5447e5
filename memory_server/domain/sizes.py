"""How much memories take in a message."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from memory_server.domain.memory import MemoryRecord, MemoryVersion

Item = TypeVar("Item")

BESIDE_BYTES, VALUE_BYTES = 1024, 24
"""What else a memory takes at most, such as its id and coordinate; and what surrounds a metadata value."""


def message_bytes(record: MemoryRecord) -> int:
    """Return what a memory takes in a message at most, without its embedding."""
    size = len(record.payload_json) + len(record.text.encode()) + BESIDE_BYTES
    for name, value in record.metadata.items():
        size += len(name.encode()) + (len(value.encode()) if isinstance(value, str) else 0)
        size += VALUE_BYTES
    return size


def latest_fitting(
    record: MemoryRecord, versions: Iterable[MemoryVersion], most_bytes: int
) -> tuple[MemoryVersion, ...]:
    """Return the latest versions that take no more than so many bytes together with their memory, oldest first.

    Args:
        record: The memory, with its embedding.
        versions: The latest one first; none is taken beyond the first that does not fit.
        most_bytes: Of all of it.
    """
    fitting: list[MemoryVersion] = []
    most_bytes -= message_bytes(record) + len(record.embedding)
    for version in versions:
        most_bytes -= message_bytes(version.record)
        if most_bytes < 0:
            break
        fitting.append(version)
    return tuple(reversed(fitting))


def portions(
    some: Iterable[Item], size_of: Callable[[Item], int], most: int
) -> Iterator[list[Item]]:
    """Yield items in their order, as many at a time as are not larger than `most` together; at least one."""
    portion: list[Item] = []
    size = 0
    for item in some:
        own = size_of(item)
        if portion and size + own > most:
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += own
    if portion:
        yield portion
