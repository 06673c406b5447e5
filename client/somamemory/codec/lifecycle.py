"""Moving, summing up, judging and erasing memories."""

from typing import cast

from soma.memory.v1 import lifecycle_service_pb2 as pb
from soma.memory.v1 import memory_pb2
from somamemory import model
from somamemory.codec.memories import draft, link, memory, version
from somamemory.codec.values import (
    coordinate,
    enum_number,
    metadata,
    metadata_value,
    moment,
    timestamp,
)
from somamemory.status import error_of_status


def conflict_number(policy: str) -> memory_pb2.ConflictPolicy:
    """Return the number of a conflict policy."""
    number = enum_number(policy, memory_pb2.ConflictPolicy, "CONFLICT_POLICY", "conflict")
    return cast("memory_pb2.ConflictPolicy", number)


def exported(wire: pb.ExportResponse) -> model.Moved | model.Link | model.ExportSummary:
    """Return one part of an export."""
    which = wire.WhichOneof("part")
    if which == "link":
        return link(wire.link)
    if which == "summary":
        end = wire.summary
        return model.ExportSummary(
            end.commit_seq, end.memory_count, end.link_count, end.left_out_version_count
        )
    versions = tuple(version(each) for each in wire.memory.versions)
    return model.Moved(memory(wire.memory.memory), wire.memory.embedding, versions)


def moved_message(ours: model.Moved) -> pb.MovedMemory:
    """Return one memory as it comes in."""
    wire = pb.MovedMemory(memory=_memory_message(ours.memory), embedding=ours.embedding)
    for each in ours.versions:
        wire.versions.add(memory=_memory_message(each.memory))
    return wire


def import_progress(wire: pb.ImportResponse) -> model.ImportProgress:
    """Return what became of an import until now."""
    return model.ImportProgress(
        wire.stored_count,
        wire.skipped_count,
        wire.linked_count,
        wire.rejected_count,
        wire.commit_seq,
        tuple(
            model.Reject(each.position, each.id, error_of_status(each.error))
            for each in wire.rejects
        ),
    )


def share_progress(wire: pb.ShareResponse) -> model.ImportProgress:
    """Return what was shared."""
    return model.ImportProgress(
        wire.stored_count,
        wire.skipped_count,
        wire.linked_count,
        wire.rejected_count,
        wire.commit_seq,
    )


def consolidation(wire: pb.ConsolidateResponse) -> model.Consolidation:
    """Return what a consolidation did."""
    memories = tuple(
        model.Consolidated(each.id, each.text, tuple(each.source_ids), each.created)
        for each in wire.memories
    )
    return model.Consolidation(wire.consolidation_id, memories, wire.commit_seq, wire.truncated)


def correction(ours: model.Draft) -> memory_pb2.MemoryDraft:
    """Return a correction; it is a fact, whatever kind its draft has by default."""
    wire = draft(ours)
    wire.kind = memory_pb2.MEMORY_KIND_SEMANTIC
    return wire


def subject(metadata_key: str, value: model.Scalar, namespace: str) -> pb.EraseSubjectRequest:
    """Return the name of a subject."""
    return pb.EraseSubjectRequest(
        metadata_key=metadata_key, value=metadata_value(value, "value"), namespace=namespace
    )


def erasure_receipt(wire: pb.ErasureReceipt) -> model.ErasureReceipt:
    """Return a receipt of an erasure."""
    return model.ErasureReceipt(
        message=wire.SerializeToString(deterministic=True),
        id=wire.id,
        erase_time=moment(wire, "erase_time"),
        memory_count=wire.memory_count,
        version_count=wire.version_count,
        link_count=wire.link_count,
        swept=tuple(wire.swept),
        pending=tuple(wire.pending),
        public_key=wire.public_key,
    )


def erasure_message(ours: model.ErasureReceipt) -> pb.ErasureReceipt:
    """Return a receipt as the server gave it."""
    return pb.ErasureReceipt.FromString(ours.message)


def _memory_message(ours: model.Memory) -> memory_pb2.Memory:
    wire = memory_pb2.Memory(
        id=ours.id,
        kind=enum_number(ours.kind, memory_pb2.MemoryKind, "MEMORY_KIND", "memory.kind"),
        payload_json=ours.payload_json,
        text=ours.text,
        importance=ours.importance,
        metadata=metadata(ours.metadata, "memory.metadata"),
        embedding_model=ours.embedding_model,
    )
    if ours.coordinate is not None:
        wire.coordinate.CopyFrom(coordinate(ours.coordinate))
    for field in ("event_time", "expire_time", "create_time", "update_time"):
        if (given := getattr(ours, field)) is not None:
            getattr(wire, field).CopyFrom(timestamp(given, f"memory.{field}"))
    return wire
