"""Memories, their addresses, and the receipts of writes."""

from typing import cast

from memory_server.domain.limits import MAX_MASK_PATHS
from memory_server.domain.memory import (
    MemoryDraft,
    MemoryId,
    MemoryKind,
    MemoryRecord,
    MemoryRef,
    MemoryVersion,
    Receipt,
)
from memory_server.transport.codec.values import (
    coordinate,
    few,
    metadata_of,
    optional_int,
    put_metadata,
    put_time,
    time_us,
)
from memory_server.usecases.delete import DeleteCommand
from memory_server.usecases.store import StoreCommand
from memory_server.usecases.update import RestoreCommand, UpdateCommand
from soma.memory.v1 import memory_pb2, memory_service_pb2

_UNSAID_KIND = MemoryKind.EPISODIC
_FSYNCED = memory_pb2.DURABILITY_FSYNCED
_REMOVED = memory_pb2.INDEX_STATE_REMOVED
_SEARCHABLE = memory_pb2.INDEX_STATE_SEARCHABLE
_PENDING = memory_pb2.INDEX_STATE_EMBEDDING_PENDING


def store_command(
    message: memory_service_pb2.StoreRequest | memory_service_pb2.StoreItem,
) -> StoreCommand:
    """Return what a StoreRequest or a StoreItem asks for."""
    version = message.expected_version if message.HasField("expected_version") else None
    return StoreCommand(memory_draft(message.memory), message.request_id, version)


def memory_draft(message: memory_pb2.MemoryDraft) -> MemoryDraft:
    """Return the draft of a message."""
    has = message.HasField
    # Without the names of the fields: those take as long as the rest.
    return MemoryDraft(
        message.payload_json,
        message.id,
        coordinate(message.coordinate) if has("coordinate") else None,
        message.kind or _UNSAID_KIND,
        message.text,
        message.importance if has("importance") else 1.0,
        metadata_of(message.metadata),
        time_us(message, "event_time") if has("event_time") else None,
        time_us(message, "expire_time") if has("expire_time") else None,
        message.embedding,
    )


def memory_ref(message: memory_pb2.MemoryRef) -> MemoryRef:
    """Return the reference of a message."""
    named = message.WhichOneof("ref")
    if named == "id":
        return MemoryRef(id=MemoryId(message.id))
    return MemoryRef(coordinate=coordinate(message.coordinate) if named else None)


def memory_message(namespace: str, record: MemoryRecord) -> memory_pb2.Memory:
    """Return a memory as callers see it."""
    message = memory_pb2.Memory()
    put_memory(message, namespace, record)
    return message


def put_memory(target: memory_pb2.Memory, namespace: str, record: MemoryRecord) -> None:
    """Write a memory into a field of a message.

    Field by field and in its place: every recall writes tens of them, and a message that is made elsewhere and copied
    takes twice as long.
    """
    target.namespace = namespace
    target.id = record.id
    target.kind = cast("memory_pb2.MemoryKind", record.kind)
    target.payload_json = record.payload_json
    target.text = record.text
    target.importance = record.importance
    target.version = record.version
    target.commit_seq = record.commit_seq
    target.embedding_model = record.embedding_model
    target.access_count = record.access_count
    put_time(target.event_time, record.event_time_us)
    put_time(target.create_time, record.create_time_us)
    put_time(target.update_time, record.update_time_us)
    if record.last_access_us is not None:
        put_time(target.last_access_time, record.last_access_us)
    if record.coordinate is not None:
        target.coordinate.values.extend(record.coordinate)
    if record.expire_time_us is not None:
        put_time(target.expire_time, record.expire_time_us)
    put_metadata(target.metadata, record.metadata)


def receipt_message(receipt: Receipt) -> memory_pb2.Receipt:
    """Return a receipt as callers see it."""
    message = memory_pb2.Receipt()
    put_receipt(message, receipt)
    return message


def put_receipt(target: memory_pb2.Receipt, receipt: Receipt) -> None:
    """Write a receipt into a field of a message."""
    target.request_id = receipt.request_id
    target.commit_seq = receipt.commit_seq
    target.version = receipt.version
    target.durability = _FSYNCED
    if receipt.is_removed:
        target.index_state = _REMOVED
    else:
        target.index_state = _SEARCHABLE if receipt.is_embedded else _PENDING
    if receipt.is_replayed:
        target.replayed = True


def delete_command(
    message: memory_service_pb2.DeleteRequest | memory_service_pb2.DeleteItem,
) -> DeleteCommand:
    """Return what a DeleteRequest or a DeleteItem asks for."""
    version = optional_int(message, "expected_version")
    return DeleteCommand(memory_ref(message.ref), message.request_id, version)


def update_command(message: memory_service_pb2.UpdateRequest) -> UpdateCommand:
    """Return what an UpdateRequest asks for."""
    return UpdateCommand(
        memory_ref(message.ref),
        memory_draft(message.memory),
        tuple(few(message.update_mask.paths, MAX_MASK_PATHS)),
        message.request_id,
        optional_int(message, "expected_version"),
    )


def restore_command(message: memory_service_pb2.RestoreVersionRequest) -> RestoreCommand:
    """Return what a RestoreVersionRequest asks for."""
    version = optional_int(message, "expected_version")
    return RestoreCommand(memory_ref(message.ref), message.version, message.request_id, version)


def version_message(namespace: str, version: MemoryVersion) -> memory_pb2.MemoryVersion:
    """Return a version as callers see it."""
    message = memory_pb2.MemoryVersion(memory=memory_message(namespace, version.record))
    if version.supersede_time_us is not None:
        put_time(message.supersede_time, version.supersede_time_us)
    return message
