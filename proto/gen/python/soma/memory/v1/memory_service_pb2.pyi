import datetime

from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from soma.memory.v1 import memory_pb2 as _memory_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIST_ORDER_UNSPECIFIED: _ClassVar[ListOrder]
    LIST_ORDER_EVENT_TIME: _ClassVar[ListOrder]
    LIST_ORDER_IMPORTANCE: _ClassVar[ListOrder]

class ChangeType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANGE_TYPE_UNSPECIFIED: _ClassVar[ChangeType]
    CHANGE_TYPE_STORED: _ClassVar[ChangeType]
    CHANGE_TYPE_DELETED: _ClassVar[ChangeType]
    CHANGE_TYPE_LINKED: _ClassVar[ChangeType]
    CHANGE_TYPE_UNLINKED: _ClassVar[ChangeType]
LIST_ORDER_UNSPECIFIED: ListOrder
LIST_ORDER_EVENT_TIME: ListOrder
LIST_ORDER_IMPORTANCE: ListOrder
CHANGE_TYPE_UNSPECIFIED: ChangeType
CHANGE_TYPE_STORED: ChangeType
CHANGE_TYPE_DELETED: ChangeType
CHANGE_TYPE_LINKED: ChangeType
CHANGE_TYPE_UNLINKED: ChangeType

class StoreRequest(_message.Message):
    __slots__ = ("namespace", "memory", "request_id", "expected_version")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    memory: _memory_pb2.MemoryDraft
    request_id: str
    expected_version: int
    def __init__(self, namespace: _Optional[str] = ..., memory: _Optional[_Union[_memory_pb2.MemoryDraft, _Mapping]] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class StoreResponse(_message.Message):
    __slots__ = ("id", "receipt")
    ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    id: str
    receipt: _memory_pb2.Receipt
    def __init__(self, id: _Optional[str] = ..., receipt: _Optional[_Union[_memory_pb2.Receipt, _Mapping]] = ...) -> None: ...

class StoreItem(_message.Message):
    __slots__ = ("memory", "request_id", "expected_version")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    memory: _memory_pb2.MemoryDraft
    request_id: str
    expected_version: int
    def __init__(self, memory: _Optional[_Union[_memory_pb2.MemoryDraft, _Mapping]] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class StoreBatchRequest(_message.Message):
    __slots__ = ("namespace", "items")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    items: _containers.RepeatedCompositeFieldContainer[StoreItem]
    def __init__(self, namespace: _Optional[str] = ..., items: _Optional[_Iterable[_Union[StoreItem, _Mapping]]] = ...) -> None: ...

class StoreBatchResult(_message.Message):
    __slots__ = ("stored", "error")
    STORED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    stored: StoreResponse
    error: _status_pb2.Status
    def __init__(self, stored: _Optional[_Union[StoreResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class StoreBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[StoreBatchResult]
    def __init__(self, results: _Optional[_Iterable[_Union[StoreBatchResult, _Mapping]]] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("namespace", "ref", "version", "as_of")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    ref: _memory_pb2.MemoryRef
    version: int
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, namespace: _Optional[str] = ..., ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., version: _Optional[int] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("memory",)
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    memory: _memory_pb2.Memory
    def __init__(self, memory: _Optional[_Union[_memory_pb2.Memory, _Mapping]] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("namespace", "ref", "request_id", "expected_version")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    ref: _memory_pb2.MemoryRef
    request_id: str
    expected_version: int
    def __init__(self, namespace: _Optional[str] = ..., ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("id", "receipt")
    ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    id: str
    receipt: _memory_pb2.Receipt
    def __init__(self, id: _Optional[str] = ..., receipt: _Optional[_Union[_memory_pb2.Receipt, _Mapping]] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("namespace", "filter", "page_size", "page_token", "order")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    filter: _memory_pb2.Filter
    page_size: int
    page_token: str
    order: ListOrder
    def __init__(self, namespace: _Optional[str] = ..., filter: _Optional[_Union[_memory_pb2.Filter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., order: _Optional[_Union[ListOrder, str]] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("memories", "next_page_token")
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[_memory_pb2.Memory]
    next_page_token: str
    def __init__(self, memories: _Optional[_Iterable[_Union[_memory_pb2.Memory, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class StoreStreamRequest(_message.Message):
    __slots__ = ("namespace", "sequence", "items", "stream_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    sequence: int
    items: _containers.RepeatedCompositeFieldContainer[StoreItem]
    stream_id: str
    def __init__(self, namespace: _Optional[str] = ..., sequence: _Optional[int] = ..., items: _Optional[_Iterable[_Union[StoreItem, _Mapping]]] = ..., stream_id: _Optional[str] = ...) -> None: ...

class StoreStreamResponse(_message.Message):
    __slots__ = ("sequence", "results", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    results: _containers.RepeatedCompositeFieldContainer[StoreBatchResult]
    error: _status_pb2.Status
    def __init__(self, sequence: _Optional[int] = ..., results: _Optional[_Iterable[_Union[StoreBatchResult, _Mapping]]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class UpdateRequest(_message.Message):
    __slots__ = ("namespace", "ref", "memory", "update_mask", "request_id", "expected_version")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    ref: _memory_pb2.MemoryRef
    memory: _memory_pb2.MemoryDraft
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    expected_version: int
    def __init__(self, namespace: _Optional[str] = ..., ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., memory: _Optional[_Union[_memory_pb2.MemoryDraft, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class UpdateResponse(_message.Message):
    __slots__ = ("id", "receipt")
    ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    id: str
    receipt: _memory_pb2.Receipt
    def __init__(self, id: _Optional[str] = ..., receipt: _Optional[_Union[_memory_pb2.Receipt, _Mapping]] = ...) -> None: ...

class BatchGetRequest(_message.Message):
    __slots__ = ("namespace", "refs")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REFS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    refs: _containers.RepeatedCompositeFieldContainer[_memory_pb2.MemoryRef]
    def __init__(self, namespace: _Optional[str] = ..., refs: _Optional[_Iterable[_Union[_memory_pb2.MemoryRef, _Mapping]]] = ...) -> None: ...

class BatchGetResult(_message.Message):
    __slots__ = ("memory", "error")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    memory: _memory_pb2.Memory
    error: _status_pb2.Status
    def __init__(self, memory: _Optional[_Union[_memory_pb2.Memory, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class BatchGetResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchGetResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchGetResult, _Mapping]]] = ...) -> None: ...

class DeleteItem(_message.Message):
    __slots__ = ("ref", "request_id", "expected_version")
    REF_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ref: _memory_pb2.MemoryRef
    request_id: str
    expected_version: int
    def __init__(self, ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class DeleteBatchRequest(_message.Message):
    __slots__ = ("namespace", "items")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    items: _containers.RepeatedCompositeFieldContainer[DeleteItem]
    def __init__(self, namespace: _Optional[str] = ..., items: _Optional[_Iterable[_Union[DeleteItem, _Mapping]]] = ...) -> None: ...

class DeleteBatchResult(_message.Message):
    __slots__ = ("deleted", "error")
    DELETED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    deleted: DeleteResponse
    error: _status_pb2.Status
    def __init__(self, deleted: _Optional[_Union[DeleteResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class DeleteBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DeleteBatchResult]
    def __init__(self, results: _Optional[_Iterable[_Union[DeleteBatchResult, _Mapping]]] = ...) -> None: ...

class PurgeRequest(_message.Message):
    __slots__ = ("namespace", "filter", "dry_run", "everything")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EVERYTHING_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    filter: _memory_pb2.Filter
    dry_run: bool
    everything: bool
    def __init__(self, namespace: _Optional[str] = ..., filter: _Optional[_Union[_memory_pb2.Filter, _Mapping]] = ..., dry_run: _Optional[bool] = ..., everything: _Optional[bool] = ...) -> None: ...

class PurgeResponse(_message.Message):
    __slots__ = ("matched_count", "deleted_count", "commit_seq")
    MATCHED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    matched_count: int
    deleted_count: int
    commit_seq: int
    def __init__(self, matched_count: _Optional[int] = ..., deleted_count: _Optional[int] = ..., commit_seq: _Optional[int] = ...) -> None: ...

class ListVersionsRequest(_message.Message):
    __slots__ = ("namespace", "ref", "page_size", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    ref: _memory_pb2.MemoryRef
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListVersionsResponse(_message.Message):
    __slots__ = ("versions", "next_page_token")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[_memory_pb2.MemoryVersion]
    next_page_token: str
    def __init__(self, versions: _Optional[_Iterable[_Union[_memory_pb2.MemoryVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RestoreVersionRequest(_message.Message):
    __slots__ = ("namespace", "ref", "version", "request_id", "expected_version")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    ref: _memory_pb2.MemoryRef
    version: int
    request_id: str
    expected_version: int
    def __init__(self, namespace: _Optional[str] = ..., ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., version: _Optional[int] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class RestoreVersionResponse(_message.Message):
    __slots__ = ("id", "receipt")
    ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    id: str
    receipt: _memory_pb2.Receipt
    def __init__(self, id: _Optional[str] = ..., receipt: _Optional[_Union[_memory_pb2.Receipt, _Mapping]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("namespace", "resume_token", "include_memory")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_MEMORY_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    resume_token: str
    include_memory: bool
    def __init__(self, namespace: _Optional[str] = ..., resume_token: _Optional[str] = ..., include_memory: _Optional[bool] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("resume_token", "type", "commit_seq", "id", "version", "to_id", "link_type", "memory", "commit_time")
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TO_ID_FIELD_NUMBER: _ClassVar[int]
    LINK_TYPE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    resume_token: str
    type: ChangeType
    commit_seq: int
    id: str
    version: int
    to_id: str
    link_type: str
    memory: _memory_pb2.Memory
    commit_time: _timestamp_pb2.Timestamp
    def __init__(self, resume_token: _Optional[str] = ..., type: _Optional[_Union[ChangeType, str]] = ..., commit_seq: _Optional[int] = ..., id: _Optional[str] = ..., version: _Optional[int] = ..., to_id: _Optional[str] = ..., link_type: _Optional[str] = ..., memory: _Optional[_Union[_memory_pb2.Memory, _Mapping]] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
