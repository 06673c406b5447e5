"""Moving, summing up, judging and erasing memories."""

from collections.abc import Mapping

from memory_server.domain.limits import MAX_ALL_SOURCES, MAX_BATCH_ITEMS, MAX_VERSIONS
from memory_server.domain.memory import (
    MemoryDraft,
    MemoryId,
    MemoryKind,
    MemoryLink,
    MemoryVersion,
    Tenant,
)
from memory_server.ports import ExportedMemory
from memory_server.transport.codec.filters import filter_of
from memory_server.transport.codec.memories import (
    memory_draft,
    memory_message,
    memory_ref,
    version_message,
)
from memory_server.transport.codec.values import (
    coordinate,
    few,
    metadata_of,
    metadata_value,
    time_us,
    timestamp,
)
from memory_server.transport.status_map import status_of
from memory_server.usecases.consolidate import Order, Result, Summary
from memory_server.usecases.erase import Erasure, Subject, subject_digest
from memory_server.usecases.movement import (
    ConflictPolicy,
    ImportOptions,
    MovedMemory,
    Progress,
)
from memory_server.usecases.outcome import Outcome
from memory_server.usecases.signing import Signer, is_signed
from soma.memory.v1 import lifecycle_service_pb2 as pb
from soma.memory.v1 import memory_pb2

_CONFLICTS: Mapping[int, ConflictPolicy] = {
    memory_pb2.CONFLICT_POLICY_UNSPECIFIED: ConflictPolicy.REFUSE,
    memory_pb2.CONFLICT_POLICY_REFUSE: ConflictPolicy.REFUSE,
    memory_pb2.CONFLICT_POLICY_SKIP: ConflictPolicy.SKIP,
    memory_pb2.CONFLICT_POLICY_OVERWRITE: ConflictPolicy.OVERWRITE,
}


def exported_message(
    namespace: str, memory: ExportedMemory, *, with_embedding: bool
) -> pb.ExportResponse:
    """Return one exported memory."""
    moved = pb.MovedMemory(memory=memory_message(namespace, memory.record))
    if with_embedding:
        moved.embedding = memory.record.embedding
    moved.versions.extend(_version(namespace, version) for version in memory.versions)
    return pb.ExportResponse(memory=moved)


def import_options(message: pb.ImportOptions | pb.ShareRequest) -> ImportOptions:
    """Return how memories are taken in."""
    return ImportOptions(_CONFLICTS.get(message.conflict), message.dry_run)


def moved_memory(message: pb.MovedMemory) -> MovedMemory:
    """Return one memory that comes in."""
    memory = message.memory
    return MovedMemory(
        _draft(memory, message.embedding),
        memory.embedding_model if message.embedding else "",
        time_us(memory, "update_time"),
        time_us(memory, "create_time"),
        tuple(
            MovedMemory(_draft(one.memory, b""), "", time_us(one.memory, "update_time"))
            for one in few(message.versions, MAX_VERSIONS)
        ),
    )


def moved_link(message: memory_pb2.MemoryLink) -> MemoryLink:
    """Return one link that comes in."""
    return MemoryLink(
        MemoryId(message.from_id),
        MemoryId(message.to_id),
        message.type,
        message.weight,
        metadata_of(message.metadata),
        message.version,
    )


def import_message(progress: Progress) -> pb.ImportResponse:
    """Return what became of an import until now."""
    message = pb.ImportResponse(
        stored_count=progress.stored_count,
        skipped_count=progress.skipped_count,
        linked_count=progress.linked_count,
        rejected_count=progress.rejected_count,
        commit_seq=progress.commit_seq,
    )
    for reject in progress.rejects:
        message.rejects.add(position=reject.position, id=reject.id, error=status_of(reject.error))
    return message


def consolidation_order(message: pb.ConsolidateRequest) -> Order:
    """Return what is to be summed up."""
    summaries: list[Summary] = []
    left = MAX_ALL_SOURCES + 1
    for one in few(message.summaries, MAX_BATCH_ITEMS):
        sources = [memory_ref(ref) for ref in one.sources[:left]]
        left -= len(sources)
        summaries.append(Summary(_semantic(one.memory), sources))
    return Order(
        filter_of(message.filter),
        message.min_episodes,
        message.max_summary_bytes,
        summaries,
        message.dry_run,
    )


def consolidation_message(result: Result) -> pb.ConsolidateResponse:
    """Return what a consolidation did."""
    message = pb.ConsolidateResponse(
        consolidation_id=result.consolidation_id,
        commit_seq=result.commit_seq,
        truncated=result.is_truncated,
    )
    for one in result.memories:
        message.memories.add(
            id=one.id, text=one.text, source_ids=one.source_ids, created=one.is_created
        )
    return message


def outcome_of(message: pb.ReportOutcomeRequest) -> Outcome:
    """Return what a ReportOutcomeRequest tells."""
    correction = _semantic(message.correction) if message.HasField("correction") else None
    return Outcome(memory_ref(message.ref), message.outcome, correction, message.request_id)


def subject_of(message: pb.EraseSubjectRequest) -> Subject:
    """Return whom an EraseSubjectRequest names."""
    value = metadata_value(message.value) if message.HasField("value") else None
    return Subject(message.metadata_key, value, message.namespace)


def receipt_message(erasure: Erasure, signer: Signer) -> pb.ErasureReceipt:
    """Return the signed receipt of an erasure."""
    message = pb.ErasureReceipt(
        id=erasure.id,
        subject_sha256=erasure.subject_sha256,
        erase_time=timestamp(erasure.erase_time_us),
        commit_seq=erasure.commit_seq,
        memory_count=erasure.memory_count,
        version_count=erasure.version_count,
        link_count=erasure.link_count,
        ids_sha256=erasure.ids_sha256,
        swept=erasure.swept,
        pending=erasure.pending,
        public_key=signer.public_key,
    )
    message.signature = signer.sign(_signed_part(message))
    return message


def is_authentic(
    message: pb.ErasureReceipt, tenant: Tenant, subject: Subject, signer: Signer
) -> bool:
    """Tell whether a receipt was signed by this store, and is about this subject of this tenant."""
    is_about = message.subject_sha256 == subject_digest(tenant, subject)
    return is_about and is_signed(_signed_part(message), message.signature, signer.public_key)


def _signed_part(message: pb.ErasureReceipt) -> bytes:
    bare = pb.ErasureReceipt()
    bare.CopyFrom(message)
    bare.ClearField("signature")
    return bare.SerializeToString(deterministic=True)


def _semantic(message: memory_pb2.MemoryDraft) -> MemoryDraft:
    """Return a draft whose kind, if it is not set, is semantic."""
    filled = memory_pb2.MemoryDraft()
    filled.CopyFrom(message)
    filled.kind = message.kind or memory_pb2.MEMORY_KIND_SEMANTIC
    return memory_draft(filled)


def _draft(memory: memory_pb2.Memory, embedding: bytes) -> MemoryDraft:
    return MemoryDraft(
        payload_json=memory.payload_json,
        id=memory.id,
        coordinate=coordinate(memory.coordinate) if memory.HasField("coordinate") else None,
        kind=memory.kind or MemoryKind.EPISODIC,
        text=memory.text,
        importance=memory.importance,
        metadata=metadata_of(memory.metadata),
        event_time_us=time_us(memory, "event_time"),
        expire_time_us=time_us(memory, "expire_time"),
        embedding=embedding,
    )


def _version(namespace: str, version: MemoryVersion) -> memory_pb2.MemoryVersion:
    return version_message(namespace, version)
