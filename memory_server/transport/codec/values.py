"""Parts of messages: times, numbers that may be unset, metadata, coordinates.

A part that was not set, or a number that no enum has, is passed on as it is: validation names it to the caller together
with everything else that is wrong.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TypeVar, cast

from google.protobuf import timestamp_pb2
from google.protobuf.message import Message

from memory_server.domain.limits import MAX_METADATA_ITEMS
from memory_server.domain.memory import Coordinate, Metadata, MetadataValue
from soma.memory.v1 import memory_pb2
from somafractalmemory import memory_pb2 as predecessor_pb2

Part = TypeVar("Part")


def few(parts: Sequence[Part], most: int) -> Sequence[Part]:
    """Return all parts, or of more than there may be one too many: it is refused, and nobody need look at the others.

    A message that is taken has room for millions, and other calls wait while they are read.
    """
    return parts if len(parts) <= most else parts[: most + 1]


def metadata_of(messages: Mapping[str, memory_pb2.MetadataValue]) -> Metadata:
    """Return metadata; a value that was not set is None, which validation refuses."""
    if not messages:
        return {}
    # By their keys: `items()` of protobuf's map is a generator of Python's.
    keys = (
        messages
        if len(messages) <= MAX_METADATA_ITEMS
        else islice(messages, MAX_METADATA_ITEMS + 1)
    )
    values = {key: metadata_value(messages[key]) for key in keys}
    return cast("Metadata", values)


def metadata_value(message: memory_pb2.MetadataValue) -> MetadataValue | None:
    """Return one value; None when it was not set."""
    named = message.WhichOneof("value")
    return cast("MetadataValue", getattr(message, named)) if named else None


def put_metadata(target: Mapping[str, memory_pb2.MetadataValue], metadata: Metadata) -> None:
    """Write metadata into the map of a message."""
    for key, value in metadata.items():
        if isinstance(value, bool):
            target[key].flag = value
        elif isinstance(value, str):
            target[key].text = value
        else:
            target[key].number = value


def time_us(message: Message, name: str) -> int | None:
    """Return the time in a field, microseconds since the Unix epoch; None when it was not set."""
    if not message.HasField(name):
        return None
    stamp: timestamp_pb2.Timestamp = getattr(message, name)
    return stamp.seconds * 1_000_000 + stamp.nanos // 1000


def timestamp(moment_us: int) -> timestamp_pb2.Timestamp:
    """Return the message of a time."""
    seconds, rest_us = divmod(moment_us, 1_000_000)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=rest_us * 1000)


def put_time(target: timestamp_pb2.Timestamp, moment_us: int) -> None:
    """Write a time into a field of a message."""
    target.seconds, rest_us = divmod(moment_us, 1_000_000)
    target.nanos = rest_us * 1000


def optional_int(message: Message, name: str) -> int | None:
    """Return the number in a field; None when it was not set."""
    return getattr(message, name) if message.HasField(name) else None


def optional_float(message: Message, name: str) -> float | None:
    """Return the number in a field; None when it was not set."""
    return getattr(message, name) if message.HasField(name) else None


def coordinate(
    message: memory_pb2.Coordinate | predecessor_pb2.Coordinate,
) -> Coordinate:
    """Return the coordinate of a message; -0.0 becomes 0.0."""
    # Adding 0.0 does that, and leaves every other number as it is.
    return tuple(value + 0.0 for value in message.values)
