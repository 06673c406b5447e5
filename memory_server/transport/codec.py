"""Messages to domain values and back: no I/O, no judgement.

A part that was not set, or a number that no enum has, is passed on as it is: validation names it to the caller together
with everything else that is wrong.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from google.protobuf import timestamp_pb2
from google.protobuf.message import Message

from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.memory import (
    Coordinate,
    MemoryDraft,
    MemoryId,
    MemoryKind,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    Metadata,
    MetadataValue,
    Receipt,
)
from memory_server.usecases.link import Direction, LinkCommand, Neighbor
from memory_server.usecases.recall import RecallAnswer, RecallMode, RecallQuery
from memory_server.usecases.store import StoreCommand
from soma.memory.v1 import link_service_pb2, memory_pb2, memory_service_pb2, recall_service_pb2
from somafractalmemory import memory_pb2 as predecessor_pb2

_MODES = {
    recall_service_pb2.RECALL_MODE_UNSPECIFIED: RecallMode.HYBRID,
    recall_service_pb2.RECALL_MODE_HYBRID: RecallMode.HYBRID,
    recall_service_pb2.RECALL_MODE_VECTOR: RecallMode.VECTOR,
    recall_service_pb2.RECALL_MODE_KEYWORD: RecallMode.KEYWORD,
}
_DIRECTIONS = {
    link_service_pb2.LINK_DIRECTION_UNSPECIFIED: Direction.OUTGOING,
    link_service_pb2.LINK_DIRECTION_OUTGOING: Direction.OUTGOING,
    link_service_pb2.LINK_DIRECTION_INCOMING: Direction.INCOMING,
    link_service_pb2.LINK_DIRECTION_BOTH: Direction.BOTH,
}


def store_command(
    message: memory_service_pb2.StoreRequest | memory_service_pb2.StoreItem,
) -> StoreCommand:
    """Return what a StoreRequest or a StoreItem asks for."""
    return StoreCommand(
        memory_draft(message.memory),
        message.request_id,
        _optional_int(message, "expected_version"),
    )


def memory_draft(message: memory_pb2.MemoryDraft) -> MemoryDraft:
    """Return the draft of a message."""
    return MemoryDraft(
        payload_json=message.payload_json,
        id=message.id,
        coordinate=coordinate(message.coordinate) if message.HasField("coordinate") else None,
        kind=message.kind or MemoryKind.EPISODIC,
        text=message.text,
        importance=message.importance if message.HasField("importance") else 1.0,
        metadata=metadata_of(message.metadata),
        event_time_us=_time_us(message, "event_time"),
        expire_time_us=_time_us(message, "expire_time"),
        embedding=message.embedding,
    )


def memory_ref(message: memory_pb2.MemoryRef) -> MemoryRef:
    """Return the reference of a message."""
    named = message.WhichOneof("ref")
    if named == "id":
        return MemoryRef(id=MemoryId(message.id))
    return MemoryRef(coordinate=coordinate(message.coordinate) if named else None)


def coordinate(
    message: memory_pb2.Coordinate | predecessor_pb2.Coordinate,
) -> Coordinate:
    """Return the coordinate of a message; -0.0 becomes 0.0."""
    # Adding 0.0 does that, and leaves every other number as it is.
    return tuple(value + 0.0 for value in message.values)


def filter_of(message: memory_pb2.Filter) -> Filter:
    """Return the filter of a message."""
    return Filter(
        kinds=frozenset(message.kinds),
        metadata=tuple(_metadata_test(test) for test in message.metadata),
        event_time_from_us=_time_us(message, "event_time_from"),
        event_time_until_us=_time_us(message, "event_time_until"),
        min_importance=_optional_float(message, "min_importance"),
    )


def recall_query(message: recall_service_pb2.RecallRequest) -> RecallQuery:
    """Return what a RecallRequest asks for."""
    named = message.WhichOneof("query")
    return RecallQuery(
        text=message.text if named == "text" else None,
        vector=message.vector if named == "vector" else None,
        coordinate=coordinate(message.coordinate) if named == "coordinate" else None,
        mode=_MODES.get(message.mode),
        top_k=message.top_k,
        given=filter_of(message.filter),
        min_score=_optional_float(message, "min_score"),
        min_commit_seq=message.min_commit_seq,
    )


def link_command(message: link_service_pb2.LinkRequest) -> LinkCommand:
    """Return what a LinkRequest asks for."""
    return LinkCommand(
        memory_ref(message.from_ref),
        memory_ref(message.to_ref),
        message.type,
        message.weight if message.HasField("weight") else 1.0,
        metadata_of(message.metadata),
        message.request_id,
        _optional_int(message, "expected_version"),
    )


def direction(number: int) -> Direction | None:
    """Return the direction of a number; None for one that is not known."""
    return _DIRECTIONS.get(cast("link_service_pb2.LinkDirection", number))


def metadata_of(messages: Mapping[str, memory_pb2.MetadataValue]) -> Metadata:
    """Return metadata; a value that was not set is None, which validation refuses."""
    values = {key: _metadata_value(message) for key, message in messages.items()}
    return cast("Metadata", values)


def memory_message(namespace: str, record: MemoryRecord) -> memory_pb2.Memory:
    """Return a memory as callers see it."""
    message = memory_pb2.Memory(
        namespace=namespace,
        id=record.id,
        kind=cast("memory_pb2.MemoryKind", int(record.kind)),
        payload_json=record.payload_json,
        text=record.text,
        importance=record.importance,
        event_time=_timestamp(record.event_time_us),
        version=record.version,
        commit_seq=record.commit_seq,
        create_time=_timestamp(record.create_time_us),
        update_time=_timestamp(record.update_time_us),
        embedding_model=record.embedding_model,
    )
    if record.coordinate is not None:
        message.coordinate.values.extend(record.coordinate)
    if record.expire_time_us is not None:
        message.expire_time.CopyFrom(_timestamp(record.expire_time_us))
    _put_metadata(message.metadata, record.metadata)
    return message


def receipt_message(receipt: Receipt) -> memory_pb2.Receipt:
    """Return a receipt as callers see it."""
    if receipt.is_removed:
        state = memory_pb2.INDEX_STATE_REMOVED
    elif receipt.is_embedded:
        state = memory_pb2.INDEX_STATE_SEARCHABLE
    else:
        state = memory_pb2.INDEX_STATE_EMBEDDING_PENDING
    return memory_pb2.Receipt(
        request_id=receipt.request_id,
        commit_seq=receipt.commit_seq,
        version=receipt.version,
        durability=memory_pb2.DURABILITY_FSYNCED,
        index_state=state,
        replayed=receipt.is_replayed,
    )


def recall_message(
    namespace: str, answer: RecallAnswer, *, explain: bool
) -> recall_service_pb2.RecallResponse:
    """Return the answer of a recall."""
    if answer.degraded:
        completeness = recall_service_pb2.COMPLETENESS_DEGRADED
    elif answer.is_exact:
        completeness = recall_service_pb2.COMPLETENESS_EXACT
    else:
        completeness = recall_service_pb2.COMPLETENESS_APPROXIMATE
    message = recall_service_pb2.RecallResponse(
        completeness=completeness,
        degraded=answer.degraded,
        commit_seq=answer.commit_seq,
        truncated=answer.is_truncated,
    )
    for hit in answer.hits:
        result = message.results.add(memory=memory_message(namespace, hit.record), score=hit.score)
        if explain:
            result.parts.keyword = hit.parts.keyword
            result.parts.vector = hit.parts.vector
            result.parts.links = hit.parts.links
            result.parts.coordinate_distance = hit.parts.distance
    return message


def neighbors_message(
    namespace: str, neighbors: Sequence[Neighbor], *, is_truncated: bool
) -> link_service_pb2.NeighborsResponse:
    """Return the answer of a walk."""
    message = link_service_pb2.NeighborsResponse(truncated=is_truncated)
    for neighbor in neighbors:
        message.neighbors.add(
            memory=memory_message(namespace, neighbor.record),
            distance=neighbor.distance,
            link=_link_message(neighbor.link),
        )
    return message


def _link_message(link: MemoryLink) -> memory_pb2.MemoryLink:
    message = memory_pb2.MemoryLink(
        from_id=link.from_id,
        to_id=link.to_id,
        type=link.type,
        weight=link.weight,
        version=link.version,
    )
    _put_metadata(message.metadata, link.metadata)
    return message


def _metadata_test(message: memory_pb2.MetadataTest) -> MetadataTest:
    named = message.WhichOneof("test")
    if named == "equals":
        return MetadataTest(message.key, any_of=(_metadata_value(message.equals),))
    if named == "any_of":
        values = tuple(_metadata_value(value) for value in message.any_of.values)
        return MetadataTest(message.key, any_of=values)
    if named == "range":
        low = _optional_float(message.range, "min")
        high = _optional_float(message.range, "max")
        return MetadataTest(message.key, is_range=True, minimum=low, maximum=high)
    return MetadataTest(message.key, exists=message.exists if named else None)


def _metadata_value(message: memory_pb2.MetadataValue) -> MetadataValue | None:
    named = message.WhichOneof("value")
    return cast("MetadataValue", getattr(message, named)) if named else None


def _put_metadata(target: Mapping[str, memory_pb2.MetadataValue], metadata: Metadata) -> None:
    for key, value in metadata.items():
        if isinstance(value, bool):
            target[key].flag = value
        elif isinstance(value, str):
            target[key].text = value
        else:
            target[key].number = value


def _time_us(message: Message, name: str) -> int | None:
    if not message.HasField(name):
        return None
    stamp: timestamp_pb2.Timestamp = getattr(message, name)
    return stamp.seconds * 1_000_000 + stamp.nanos // 1000


def _timestamp(time_us: int) -> timestamp_pb2.Timestamp:
    seconds, rest_us = divmod(time_us, 1_000_000)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=rest_us * 1000)


def _optional_int(message: Message, name: str) -> int | None:
    return getattr(message, name) if message.HasField(name) else None


def _optional_float(message: Message, name: str) -> float | None:
    return getattr(message, name) if message.HasField(name) else None
