from soma.memory.v1 import memory_pb2 as _memory_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_message_bytes", "max_payload_bytes", "max_text_bytes", "max_batch_items", "max_top_k", "max_page_size", "max_coordinate_dimensions", "max_link_depth", "request_id_ttl_s", "max_response_bytes")
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_TOP_K_FIELD_NUMBER: _ClassVar[int]
    MAX_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_COORDINATE_DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_LINK_DEPTH_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_TTL_S_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_message_bytes: int
    max_payload_bytes: int
    max_text_bytes: int
    max_batch_items: int
    max_top_k: int
    max_page_size: int
    max_coordinate_dimensions: int
    max_link_depth: int
    request_id_ttl_s: int
    max_response_bytes: int
    def __init__(self, max_message_bytes: _Optional[int] = ..., max_payload_bytes: _Optional[int] = ..., max_text_bytes: _Optional[int] = ..., max_batch_items: _Optional[int] = ..., max_top_k: _Optional[int] = ..., max_page_size: _Optional[int] = ..., max_coordinate_dimensions: _Optional[int] = ..., max_link_depth: _Optional[int] = ..., request_id_ttl_s: _Optional[int] = ..., max_response_bytes: _Optional[int] = ...) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "store", "durability", "embedding_model", "embedding_dimensions", "limits", "commit_seq", "tenant", "authentication")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_MODEL_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    version: str
    store: str
    durability: _memory_pb2.Durability
    embedding_model: str
    embedding_dimensions: int
    limits: Limits
    commit_seq: int
    tenant: str
    authentication: str
    def __init__(self, version: _Optional[str] = ..., store: _Optional[str] = ..., durability: _Optional[_Union[_memory_pb2.Durability, str]] = ..., embedding_model: _Optional[str] = ..., embedding_dimensions: _Optional[int] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., commit_seq: _Optional[int] = ..., tenant: _Optional[str] = ..., authentication: _Optional[str] = ...) -> None: ...

class BackupRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BackupResponse(_message.Message):
    __slots__ = ("data", "summary")
    DATA_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    summary: BackupSummary
    def __init__(self, data: _Optional[bytes] = ..., summary: _Optional[_Union[BackupSummary, _Mapping]] = ...) -> None: ...

class BackupSummary(_message.Message):
    __slots__ = ("size_bytes", "sha256", "commit_seq", "memory_count")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    sha256: bytes
    commit_seq: int
    memory_count: int
    def __init__(self, size_bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ..., commit_seq: _Optional[int] = ..., memory_count: _Optional[int] = ...) -> None: ...
