"""Values: payloads, vectors, times, metadata, references, enums."""

import json
import sys
from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar, cast

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp

from soma.memory.v1 import memory_pb2
from somamemory import model
from somamemory.errors import invalid

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT_MOMENTS = 4096

_EXACT_INTEGERS = 2**53
"""Metadata numbers are float64: integers beyond are not exact."""

Enum = TypeVar("Enum", bound=StrEnum)

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
"""Made once: `json.dumps` makes a new one for each payload."""


def payload_json(payload: model.Payload) -> bytes:
    """Return a payload's JSON text; bytes are sent as they are."""
    if isinstance(payload, bytes):
        return payload
    try:
        return _JSON.encode(payload).encode()
    except (TypeError, ValueError) as error:
        raise invalid("memory.payload_json", f"must be JSON: {error}") from error


def embedding_bytes(vector: model.Vector) -> bytes:
    """Return a vector as little-endian float32."""
    if hasattr(vector, "astype"):  # numpy, without importing it: it takes longer than most calls
        packed: bytes = vector.astype("<f4", copy=False).tobytes()
        return packed
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def timestamp(moment: datetime, field: str) -> Timestamp:
    """Return a moment; refuses one without a time zone, whose meaning depends on the machine."""
    if moment.tzinfo is None:
        raise invalid(field, "must have a time zone")
    wire = Timestamp()
    wire.FromDatetime(moment)
    return wire


def moment(message: Any, field: str) -> datetime | None:
    """Return the time in a message's field, or None where it is not set."""
    if not message.HasField(field):
        return None
    wire: Timestamp = getattr(message, field)
    return _moment(wire.seconds, wire.nanos)


@lru_cache(_KEPT_MOMENTS)
def _moment(seconds: int, nanos: int) -> datetime:
    # Not `ToDatetime`: it takes five times as long, and an answer of ten memories has forty times in it, many twice.
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)


def metadata_value(value: model.Scalar, field: str) -> memory_pb2.MetadataValue:
    """Return one metadata value; True is a flag and never a number."""
    if isinstance(value, bool):
        return memory_pb2.MetadataValue(flag=value)
    if isinstance(value, str):
        return memory_pb2.MetadataValue(text=value)
    if isinstance(value, int) and abs(value) > _EXACT_INTEGERS:
        raise invalid(field, "is kept as float64 and would not stay exact; give it as text")
    if isinstance(value, int | float):
        return memory_pb2.MetadataValue(number=value)
    raise invalid(field, "must be text, a number, True or False")


def metadata(values: Mapping[str, model.Scalar], field: str) -> dict[str, memory_pb2.MetadataValue]:
    """Return metadata values by their keys."""
    return {key: metadata_value(value, f"{field}[{key}]") for key, value in values.items()}


def scalars(values: Mapping[str, memory_pb2.MetadataValue]) -> dict[str, model.Scalar]:
    """Return metadata values as Python's; numbers without a fraction become int."""
    return {key: _scalar(value) for key, value in sorted(values.items())}


def reference(ref: model.Ref) -> memory_pb2.MemoryRef:
    """Return the name of one memory: text is an id, numbers are a coordinate."""
    if isinstance(ref, str):
        return memory_pb2.MemoryRef(id=ref)
    return memory_pb2.MemoryRef(coordinate=coordinate(ref))


def coordinate(values: Sequence[float]) -> memory_pb2.Coordinate:
    """Return a coordinate."""
    return memory_pb2.Coordinate(values=[float(value) for value in values])


@lru_cache
def enum_number(value: str, wire: EnumTypeWrapper, prefix: str, field: str) -> Any:
    """Return an enum's number by our name for it."""
    names = {name.removeprefix(f"{prefix}_").lower(): name for name in wire.keys()[1:]}
    if value not in names:
        raise invalid(field, f"must be one of {', '.join(names)}")
    return wire.Value(names[value])


def enum_member(number: int, wire: EnumTypeWrapper, prefix: str, ours: type[Enum]) -> Enum:
    """Return our name of an enum's number; one that a newer server sends is `unknown`."""
    return cast("Enum", _member(number, wire, prefix, ours))


@lru_cache
def _member(number: int, wire: EnumTypeWrapper, prefix: str, ours: type[StrEnum]) -> StrEnum:
    name = wire.Name(number) if number in wire.values() else ""
    value = name.removeprefix(f"{prefix}_").lower()
    return ours(value if value in set(ours) else "unknown")


def _scalar(wire: memory_pb2.MetadataValue) -> model.Scalar:
    which = wire.WhichOneof("value")
    if which == "number":
        exact = wire.number.is_integer() and abs(wire.number) <= _EXACT_INTEGERS
        return int(wire.number) if exact else wire.number
    return wire.flag if which == "flag" else wire.text
