"""Filters."""

from soma.memory.v1 import memory_pb2
from somamemory import model
from somamemory.codec.values import enum_number, metadata_value, timestamp


def filter_of(ours: model.Filter | None) -> memory_pb2.Filter | None:
    """Return a filter; None stays None."""
    if ours is None:
        return None
    wire = memory_pb2.Filter(
        kinds=[
            enum_number(kind, memory_pb2.MemoryKind, "MEMORY_KIND", "filter.kinds")
            for kind in ours.kinds
        ],
        metadata=[_metadata_test(key, test) for key, test in ours.metadata.items()],
        min_importance=ours.min_importance,
        importance_below=ours.importance_below,
    )
    if ours.event_time_from is not None:
        wire.event_time_from.CopyFrom(timestamp(ours.event_time_from, "filter.event_time_from"))
    if ours.event_time_until is not None:
        wire.event_time_until.CopyFrom(timestamp(ours.event_time_until, "filter.event_time_until"))
    return wire


def _metadata_test(key: str, test: model.Test) -> memory_pb2.MetadataTest:
    field = f"filter.metadata[{key}]"
    match test:
        case model.AnyOf(values):
            wire = [metadata_value(value, field) for value in values]
            return memory_pb2.MetadataTest(key=key, any_of=memory_pb2.MetadataValues(values=wire))
        case model.Between(lowest, highest):
            bounds = memory_pb2.NumberRange(min=lowest, max=highest)
            return memory_pb2.MetadataTest(key=key, range=bounds)
        case model.Present(present):
            return memory_pb2.MetadataTest(key=key, exists=present)
        case _:
            return memory_pb2.MetadataTest(key=key, equals=metadata_value(test, field))
