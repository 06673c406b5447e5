"""Metadata of one partition: which slots have which values, so that filters need not look at every memory.

It lives beside the other parts of the index, not in SQLite, so that a filter and the search it restricts see the same
memories, also while others write.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from memory_server.adapters.embedded.vectors import Mask
from memory_server.domain.filters import MetadataTest
from memory_server.domain.memory import Metadata, MetadataValue

_TypedValue = tuple[type, MetadataValue]
"""A value with its type: to a dictionary True, 1 and 1.0 are one key."""


class MetadataIndex:
    """An inverted list of metadata values."""

    def __init__(self) -> None:
        self._slots: dict[str, dict[_TypedValue, set[int]]] = {}
        self._metadata: dict[int, Metadata] = {}

    def add(self, slot: int, metadata: Metadata) -> None:
        """Take in a memory's metadata."""
        if not metadata:
            return
        self._metadata[slot] = metadata
        for name, value in metadata.items():
            values = self._slots.setdefault(name, {})
            values.setdefault((type(value), value), set()).add(slot)

    def remove(self, slot: int) -> None:
        """Drop a memory's metadata."""
        for name, value in self._metadata.pop(slot, {}).items():
            values = self._slots[name]
            slots = values[type(value), value]
            slots.remove(slot)
            if not slots:
                del values[type(value), value]
            if not values:
                del self._slots[name]

    def passing(self, test: MetadataTest, count: int) -> Mask:
        """Return which of the first `count` slots pass a test."""
        mask: Mask = np.zeros(count, np.bool_)
        for slots in self._matching(test):
            mask[np.fromiter(slots, np.int64, len(slots))] = True
        return ~mask if test.exists is False else mask

    def _matching(self, test: MetadataTest) -> Iterator[set[int]]:
        values = self._slots.get(test.key, {})
        if test.any_of is not None:
            yield from _with_values(values, test.any_of)
        elif test.is_range:
            yield from (
                slots for (_, value), slots in values.items() if test.holds({test.key: value})
            )
        else:
            yield from values.values()


def _with_values(
    values: dict[_TypedValue, set[int]], wanted: Iterable[MetadataValue | None]
) -> Iterator[set[int]]:
    for value in wanted:
        if value is not None and (type(value), value) in values:
            yield values[type(value), value]
