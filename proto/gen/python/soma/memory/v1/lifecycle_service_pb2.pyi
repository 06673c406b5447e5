import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from soma.memory.v1 import memory_pb2 as _memory_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExportRequest(_message.Message):
    __slots__ = ("namespace", "filter", "include_versions", "include_embeddings")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    filter: _memory_pb2.Filter
    include_versions: bool
    include_embeddings: bool
    def __init__(self, namespace: _Optional[str] = ..., filter: _Optional[_Union[_memory_pb2.Filter, _Mapping]] = ..., include_versions: _Optional[bool] = ..., include_embeddings: _Optional[bool] = ...) -> None: ...

class MovedMemory(_message.Message):
    __slots__ = ("memory", "embedding", "versions")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    memory: _memory_pb2.Memory
    embedding: bytes
    versions: _containers.RepeatedCompositeFieldContainer[_memory_pb2.MemoryVersion]
    def __init__(self, memory: _Optional[_Union[_memory_pb2.Memory, _Mapping]] = ..., embedding: _Optional[bytes] = ..., versions: _Optional[_Iterable[_Union[_memory_pb2.MemoryVersion, _Mapping]]] = ...) -> None: ...

class ExportResponse(_message.Message):
    __slots__ = ("memory", "link", "summary")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    memory: MovedMemory
    link: _memory_pb2.MemoryLink
    summary: ExportSummary
    def __init__(self, memory: _Optional[_Union[MovedMemory, _Mapping]] = ..., link: _Optional[_Union[_memory_pb2.MemoryLink, _Mapping]] = ..., summary: _Optional[_Union[ExportSummary, _Mapping]] = ...) -> None: ...

class ExportSummary(_message.Message):
    __slots__ = ("commit_seq", "memory_count", "link_count", "left_out_version_count")
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    LINK_COUNT_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_VERSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    commit_seq: int
    memory_count: int
    link_count: int
    left_out_version_count: int
    def __init__(self, commit_seq: _Optional[int] = ..., memory_count: _Optional[int] = ..., link_count: _Optional[int] = ..., left_out_version_count: _Optional[int] = ...) -> None: ...

class ImportOptions(_message.Message):
    __slots__ = ("namespace", "conflict", "dry_run")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    conflict: _memory_pb2.ConflictPolicy
    dry_run: bool
    def __init__(self, namespace: _Optional[str] = ..., conflict: _Optional[_Union[_memory_pb2.ConflictPolicy, str]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class ImportRequest(_message.Message):
    __slots__ = ("options", "memories", "links")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    options: ImportOptions
    memories: _containers.RepeatedCompositeFieldContainer[MovedMemory]
    links: _containers.RepeatedCompositeFieldContainer[_memory_pb2.MemoryLink]
    def __init__(self, options: _Optional[_Union[ImportOptions, _Mapping]] = ..., memories: _Optional[_Iterable[_Union[MovedMemory, _Mapping]]] = ..., links: _Optional[_Iterable[_Union[_memory_pb2.MemoryLink, _Mapping]]] = ...) -> None: ...

class ImportReject(_message.Message):
    __slots__ = ("position", "id", "error")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    position: int
    id: str
    error: _status_pb2.Status
    def __init__(self, position: _Optional[int] = ..., id: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ImportResponse(_message.Message):
    __slots__ = ("stored_count", "skipped_count", "linked_count", "rejected_count", "rejects", "commit_seq")
    STORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    LINKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REJECTS_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    stored_count: int
    skipped_count: int
    linked_count: int
    rejected_count: int
    rejects: _containers.RepeatedCompositeFieldContainer[ImportReject]
    commit_seq: int
    def __init__(self, stored_count: _Optional[int] = ..., skipped_count: _Optional[int] = ..., linked_count: _Optional[int] = ..., rejected_count: _Optional[int] = ..., rejects: _Optional[_Iterable[_Union[ImportReject, _Mapping]]] = ..., commit_seq: _Optional[int] = ...) -> None: ...

class ShareRequest(_message.Message):
    __slots__ = ("namespace", "to_namespace", "filter", "conflict", "dry_run")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TO_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    to_namespace: str
    filter: _memory_pb2.Filter
    conflict: _memory_pb2.ConflictPolicy
    dry_run: bool
    def __init__(self, namespace: _Optional[str] = ..., to_namespace: _Optional[str] = ..., filter: _Optional[_Union[_memory_pb2.Filter, _Mapping]] = ..., conflict: _Optional[_Union[_memory_pb2.ConflictPolicy, str]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class ShareResponse(_message.Message):
    __slots__ = ("stored_count", "skipped_count", "linked_count", "rejected_count", "commit_seq")
    STORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    LINKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    stored_count: int
    skipped_count: int
    linked_count: int
    rejected_count: int
    commit_seq: int
    def __init__(self, stored_count: _Optional[int] = ..., skipped_count: _Optional[int] = ..., linked_count: _Optional[int] = ..., rejected_count: _Optional[int] = ..., commit_seq: _Optional[int] = ...) -> None: ...

class ConsolidateRequest(_message.Message):
    __slots__ = ("namespace", "filter", "min_episodes", "max_summary_bytes", "summaries", "dry_run")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MIN_EPISODES_FIELD_NUMBER: _ClassVar[int]
    MAX_SUMMARY_BYTES_FIELD_NUMBER: _ClassVar[int]
    SUMMARIES_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    filter: _memory_pb2.Filter
    min_episodes: int
    max_summary_bytes: int
    summaries: _containers.RepeatedCompositeFieldContainer[Summary]
    dry_run: bool
    def __init__(self, namespace: _Optional[str] = ..., filter: _Optional[_Union[_memory_pb2.Filter, _Mapping]] = ..., min_episodes: _Optional[int] = ..., max_summary_bytes: _Optional[int] = ..., summaries: _Optional[_Iterable[_Union[Summary, _Mapping]]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class Summary(_message.Message):
    __slots__ = ("memory", "sources")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    memory: _memory_pb2.MemoryDraft
    sources: _containers.RepeatedCompositeFieldContainer[_memory_pb2.MemoryRef]
    def __init__(self, memory: _Optional[_Union[_memory_pb2.MemoryDraft, _Mapping]] = ..., sources: _Optional[_Iterable[_Union[_memory_pb2.MemoryRef, _Mapping]]] = ...) -> None: ...

class ConsolidateResponse(_message.Message):
    __slots__ = ("consolidation_id", "memories", "commit_seq", "truncated")
    CONSOLIDATION_ID_FIELD_NUMBER: _ClassVar[int]
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    consolidation_id: str
    memories: _containers.RepeatedCompositeFieldContainer[ConsolidatedMemory]
    commit_seq: int
    truncated: bool
    def __init__(self, consolidation_id: _Optional[str] = ..., memories: _Optional[_Iterable[_Union[ConsolidatedMemory, _Mapping]]] = ..., commit_seq: _Optional[int] = ..., truncated: _Optional[bool] = ...) -> None: ...

class ConsolidatedMemory(_message.Message):
    __slots__ = ("id", "text", "source_ids", "created")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_IDS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    id: str
    text: str
    source_ids: _containers.RepeatedScalarFieldContainer[str]
    created: bool
    def __init__(self, id: _Optional[str] = ..., text: _Optional[str] = ..., source_ids: _Optional[_Iterable[str]] = ..., created: _Optional[bool] = ...) -> None: ...

class UndoConsolidationRequest(_message.Message):
    __slots__ = ("namespace", "consolidation_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CONSOLIDATION_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    consolidation_id: str
    def __init__(self, namespace: _Optional[str] = ..., consolidation_id: _Optional[str] = ...) -> None: ...

class UndoConsolidationResponse(_message.Message):
    __slots__ = ("deleted_count", "commit_seq")
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    commit_seq: int
    def __init__(self, deleted_count: _Optional[int] = ..., commit_seq: _Optional[int] = ...) -> None: ...

class ReflectRequest(_message.Message):
    __slots__ = ("namespace", "filter", "count", "seed")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    filter: _memory_pb2.Filter
    count: int
    seed: int
    def __init__(self, namespace: _Optional[str] = ..., filter: _Optional[_Union[_memory_pb2.Filter, _Mapping]] = ..., count: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class ReflectResponse(_message.Message):
    __slots__ = ("memories",)
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[_memory_pb2.Memory]
    def __init__(self, memories: _Optional[_Iterable[_Union[_memory_pb2.Memory, _Mapping]]] = ...) -> None: ...

class ReportOutcomeRequest(_message.Message):
    __slots__ = ("namespace", "ref", "outcome", "correction", "request_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    ref: _memory_pb2.MemoryRef
    outcome: float
    correction: _memory_pb2.MemoryDraft
    request_id: str
    def __init__(self, namespace: _Optional[str] = ..., ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., outcome: _Optional[float] = ..., correction: _Optional[_Union[_memory_pb2.MemoryDraft, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ReportOutcomeResponse(_message.Message):
    __slots__ = ("receipt", "importance", "correction_id")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    IMPORTANCE_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    receipt: _memory_pb2.Receipt
    importance: float
    correction_id: str
    def __init__(self, receipt: _Optional[_Union[_memory_pb2.Receipt, _Mapping]] = ..., importance: _Optional[float] = ..., correction_id: _Optional[str] = ...) -> None: ...

class EraseSubjectRequest(_message.Message):
    __slots__ = ("metadata_key", "value", "namespace")
    METADATA_KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    metadata_key: str
    value: _memory_pb2.MetadataValue
    namespace: str
    def __init__(self, metadata_key: _Optional[str] = ..., value: _Optional[_Union[_memory_pb2.MetadataValue, _Mapping]] = ..., namespace: _Optional[str] = ...) -> None: ...

class ErasureReceipt(_message.Message):
    __slots__ = ("id", "subject_sha256", "erase_time", "commit_seq", "memory_count", "version_count", "link_count", "ids_sha256", "swept", "pending", "public_key", "signature")
    ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_SHA256_FIELD_NUMBER: _ClassVar[int]
    ERASE_TIME_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    LINK_COUNT_FIELD_NUMBER: _ClassVar[int]
    IDS_SHA256_FIELD_NUMBER: _ClassVar[int]
    SWEPT_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    id: str
    subject_sha256: bytes
    erase_time: _timestamp_pb2.Timestamp
    commit_seq: int
    memory_count: int
    version_count: int
    link_count: int
    ids_sha256: bytes
    swept: _containers.RepeatedScalarFieldContainer[str]
    pending: _containers.RepeatedScalarFieldContainer[str]
    public_key: bytes
    signature: bytes
    def __init__(self, id: _Optional[str] = ..., subject_sha256: _Optional[bytes] = ..., erase_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., commit_seq: _Optional[int] = ..., memory_count: _Optional[int] = ..., version_count: _Optional[int] = ..., link_count: _Optional[int] = ..., ids_sha256: _Optional[bytes] = ..., swept: _Optional[_Iterable[str]] = ..., pending: _Optional[_Iterable[str]] = ..., public_key: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class EraseSubjectResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: ErasureReceipt
    def __init__(self, receipt: _Optional[_Union[ErasureReceipt, _Mapping]] = ...) -> None: ...

class VerifyErasureRequest(_message.Message):
    __slots__ = ("receipt", "subject")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    receipt: ErasureReceipt
    subject: EraseSubjectRequest
    def __init__(self, receipt: _Optional[_Union[ErasureReceipt, _Mapping]] = ..., subject: _Optional[_Union[EraseSubjectRequest, _Mapping]] = ...) -> None: ...

class VerifyErasureResponse(_message.Message):
    __slots__ = ("authentic", "remaining_count", "pending")
    AUTHENTIC_FIELD_NUMBER: _ClassVar[int]
    REMAINING_COUNT_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    authentic: bool
    remaining_count: int
    pending: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, authentic: _Optional[bool] = ..., remaining_count: _Optional[int] = ..., pending: _Optional[_Iterable[str]] = ...) -> None: ...
