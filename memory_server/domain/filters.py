"""Filters: which memories are looked at. They apply before the best are chosen, and are never relaxed."""

from typing import NamedTuple

from memory_server.domain.memory import MemoryRecord, Metadata, MetadataValue


class MetadataTest(NamedTuple):
    """One test of a metadata value: exactly one of `any_of`, a range, or `exists`.

    Equality is `any_of` with one value. Values of different types are never equal.
    """

    key: str
    any_of: tuple[MetadataValue | None, ...] | None = None
    is_range: bool = False
    minimum: float | None = None
    maximum: float | None = None
    exists: bool | None = None

    def holds(self, metadata: Metadata) -> bool:
        """Tell whether a memory with this metadata passes."""
        value = metadata.get(self.key)
        if self.any_of is not None:
            return any(same_value(value, wanted) for wanted in self.any_of)
        if self.is_range:
            return self._in_range(value)
        return (value is not None) == self.exists

    def _in_range(self, value: MetadataValue | None) -> bool:
        if not isinstance(value, float):
            return False
        above = self.minimum is None or value >= self.minimum
        return above and (self.maximum is None or value <= self.maximum)


class Filter(NamedTuple):
    """All given parts must hold. The empty filter passes everything that has not expired."""

    kinds: frozenset[int] = frozenset()
    metadata: tuple[MetadataTest, ...] = ()
    event_time_from_us: int | None = None
    event_time_until_us: int | None = None
    min_importance: float | None = None
    importance_below: float | None = None

    def passes(self, record: MemoryRecord, now_us: int) -> bool:
        """Tell whether a memory is looked at."""
        return (
            not record.is_expired(now_us)
            and (not self.kinds or record.kind in self.kinds)
            and (self.event_time_from_us is None or record.event_time_us >= self.event_time_from_us)
            and (
                self.event_time_until_us is None or record.event_time_us < self.event_time_until_us
            )
            and (self.min_importance is None or record.importance >= self.min_importance)
            and (self.importance_below is None or record.importance < self.importance_below)
            and all(test.holds(record.metadata) for test in self.metadata)
        )


def same_value(value: MetadataValue | None, wanted: MetadataValue | None) -> bool:
    """Tell whether two metadata values are equal and of the same type: True is not 1.0."""
    return value is not None and type(value) is type(wanted) and value == wanted
