"""Between the client's values and the messages of `soma.memory.v1`; pure, both ways."""

import json
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp

from soma.memory.v1 import admin_service_pb2, link_service_pb2, memory_pb2, recall_service_pb2
from soma.memory.v1 import namespace_service_pb2 as namespace_pb2
from somamemory import model
from somamemory.errors import invalid

_EXACT_INTEGERS = 2**53
"""Metadata numbers are float64: integers beyond are not exact."""

Enum = TypeVar("Enum", bound=StrEnum)


def payload_json(payload: model.Payload) -> bytes:
    """Return a payload's JSON text; bytes are sent as they are."""
    if isinstance(payload, bytes):
        return payload
    try:
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except (TypeError, ValueError) as error:
        raise invalid("memory.payload_json", f"must be JSON: {error}") from error


def embedding_bytes(vector: model.Vector) -> bytes:
    """Return a vector as little-endian float32."""
    if hasattr(vector, "astype"):  # numpy, without importing it: it takes longer than most calls
        packed: bytes = vector.astype("<f4").tobytes()
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
    return wire.ToDatetime(tzinfo=UTC)


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


def enum_number(value: str, wire: EnumTypeWrapper, prefix: str, field: str) -> Any:
    """Return an enum's number by our name for it."""
    names = {name.removeprefix(f"{prefix}_").lower(): name for name in wire.keys()[1:]}
    if value not in names:
        raise invalid(field, f"must be one of {', '.join(names)}")
    return wire.Value(names[value])


def enum_member(number: int, wire: EnumTypeWrapper, prefix: str, ours: type[Enum]) -> Enum:
    """Return our name of an enum's number; one that a newer server sends is `unknown`."""
    name = wire.Name(number) if number in wire.values() else ""
    value = name.removeprefix(f"{prefix}_").lower()
    return ours(value if value in set(ours) else "unknown")


def draft(ours: model.Draft) -> memory_pb2.MemoryDraft:
    """Return a memory to write."""
    wire = memory_pb2.MemoryDraft(
        id=ours.id,
        kind=enum_number(ours.kind, memory_pb2.MemoryKind, "MEMORY_KIND", "memory.kind"),
        payload_json=payload_json(ours.payload),
        text=ours.text,
        importance=ours.importance,
        metadata=metadata(ours.metadata, "memory.metadata"),
    )
    if ours.coordinate is not None:
        wire.coordinate.CopyFrom(coordinate(ours.coordinate))
    if ours.event_time is not None:
        wire.event_time.CopyFrom(timestamp(ours.event_time, "memory.event_time"))
    if ours.expire_time is not None:
        wire.expire_time.CopyFrom(timestamp(ours.expire_time, "memory.expire_time"))
    if ours.embedding is not None:
        wire.embedding = embedding_bytes(ours.embedding)
    return wire


def memory(wire: memory_pb2.Memory) -> model.Memory:
    """Return a memory."""
    return model.Memory(
        namespace=wire.namespace,
        id=wire.id,
        payload_json=wire.payload_json,
        kind=enum_member(wire.kind, memory_pb2.MemoryKind, "MEMORY_KIND", model.MemoryKind),
        text=wire.text,
        importance=wire.importance,
        metadata=scalars(wire.metadata),
        coordinate=tuple(wire.coordinate.values) if wire.HasField("coordinate") else None,
        event_time=moment(wire, "event_time"),
        expire_time=moment(wire, "expire_time"),
        version=wire.version,
        commit_seq=wire.commit_seq,
        create_time=moment(wire, "create_time"),
        update_time=moment(wire, "update_time"),
        embedding_model=wire.embedding_model,
    )


def receipt(wire: memory_pb2.Receipt, *, memory_id: str = "") -> model.Receipt:
    """Return a receipt."""
    return model.Receipt(
        id=memory_id,
        request_id=wire.request_id,
        commit_seq=wire.commit_seq,
        version=wire.version,
        durability=_durability(wire.durability),
        index_state=enum_member(
            wire.index_state, memory_pb2.IndexState, "INDEX_STATE", model.IndexState
        ),
        replayed=wire.replayed,
    )


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
    )
    if ours.event_time_from is not None:
        wire.event_time_from.CopyFrom(timestamp(ours.event_time_from, "filter.event_time_from"))
    if ours.event_time_until is not None:
        wire.event_time_until.CopyFrom(timestamp(ours.event_time_until, "filter.event_time_until"))
    return wire


def recalled(wire: recall_service_pb2.RecallResponse) -> model.Recalled:
    """Return the answer to a query."""
    return model.Recalled(
        hits=tuple(_hit(result) for result in wire.results),
        completeness=enum_member(
            wire.completeness, recall_service_pb2.Completeness, "COMPLETENESS", model.Completeness
        ),
        degraded=tuple(wire.degraded),
        commit_seq=wire.commit_seq,
    )


def neighborhood(wire: link_service_pb2.NeighborsResponse) -> model.Neighborhood:
    """Return the answer to a walk."""
    return model.Neighborhood(
        neighbors=tuple(
            model.Neighbor(memory(each.memory), each.distance, _link(each.link))
            for each in wire.neighbors
        ),
        truncated=wire.truncated,
    )


def stats(wire: namespace_pb2.GetStatsResponse) -> model.Stats:
    """Return the counts of a namespace."""
    return model.Stats(**{each.name: getattr(wire, each.name) for each in fields(model.Stats)})


def server_info(wire: admin_service_pb2.GetServerInfoResponse) -> model.ServerInfo:
    """Return the server's facts."""
    limits = {each.name: getattr(wire.limits, each.name) for each in fields(model.Limits)}
    return model.ServerInfo(
        version=wire.version,
        store=wire.store,
        durability=_durability(wire.durability),
        embedding_model=wire.embedding_model,
        embedding_dimensions=wire.embedding_dimensions,
        limits=model.Limits(**limits),
        commit_seq=wire.commit_seq,
        tenant=wire.tenant,
        authentication=wire.authentication,
    )


def _scalar(wire: memory_pb2.MetadataValue) -> model.Scalar:
    which = wire.WhichOneof("value")
    if which == "number":
        exact = wire.number.is_integer() and abs(wire.number) <= _EXACT_INTEGERS
        return int(wire.number) if exact else wire.number
    return wire.flag if which == "flag" else wire.text


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


def _durability(number: int) -> model.Durability:
    return enum_member(number, memory_pb2.Durability, "DURABILITY", model.Durability)


def _hit(wire: recall_service_pb2.RecallResult) -> model.RecallHit:
    parts = model.ScoreParts(
        keyword=wire.parts.keyword,
        vector=wire.parts.vector,
        links=wire.parts.links,
        coordinate_distance=wire.parts.coordinate_distance,
    )
    return model.RecallHit(
        memory=memory(wire.memory),
        score=wire.score,
        parts=parts if wire.HasField("parts") else None,
    )


def _link(wire: memory_pb2.MemoryLink) -> model.Link:
    return model.Link(
        from_id=wire.from_id,
        to_id=wire.to_id,
        type=wire.type,
        weight=wire.weight,
        metadata=scalars(wire.metadata),
        version=wire.version,
    )
