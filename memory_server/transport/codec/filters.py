"""Filters."""

from collections.abc import Sequence

from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.limits import MAX_FILTER_TESTS, MAX_FILTER_VALUES
from memory_server.transport.codec.values import few, metadata_value, optional_float, time_us
from soma.memory.v1 import memory_pb2

_EVERYTHING = Filter()


def filter_of(message: memory_pb2.Filter) -> Filter:
    """Return the filter of a message."""
    if not message.ByteSize():
        return _EVERYTHING
    return Filter(
        kinds=_kinds(message.kinds),
        metadata=tuple(_metadata_test(test) for test in few(message.metadata, MAX_FILTER_TESTS)),
        event_time_from_us=time_us(message, "event_time_from"),
        event_time_until_us=time_us(message, "event_time_until"),
        min_importance=optional_float(message, "min_importance"),
        importance_below=optional_float(message, "importance_below"),
    )


def _kinds(numbers: Sequence[int]) -> frozenset[int]:
    if len(numbers) <= MAX_FILTER_VALUES:
        return frozenset(numbers)
    # Most of them are given several times: one that is none has all of them refused.
    return frozenset((memory_pb2.MEMORY_KIND_UNSPECIFIED,))


def _metadata_test(message: memory_pb2.MetadataTest) -> MetadataTest:
    named = message.WhichOneof("test")
    if named == "equals":
        return MetadataTest(message.key, any_of=(metadata_value(message.equals),))
    if named == "any_of":
        values = tuple(
            metadata_value(value) for value in few(message.any_of.values, MAX_FILTER_VALUES)
        )
        return MetadataTest(message.key, any_of=values)
    if named == "range":
        low = optional_float(message.range, "min")
        high = optional_float(message.range, "max")
        return MetadataTest(message.key, is_range=True, minimum=low, maximum=high)
    return MetadataTest(message.key, exists=message.exists if named else None)
