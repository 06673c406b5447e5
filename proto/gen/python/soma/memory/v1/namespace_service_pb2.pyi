import datetime

from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStatsRequest(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    def __init__(self, namespace: _Optional[str] = ...) -> None: ...

class GetStatsResponse(_message.Message):
    __slots__ = ("memory_count", "episodic_count", "semantic_count", "link_count", "payload_bytes", "embedded_count", "commit_seq")
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    EPISODIC_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEMANTIC_COUNT_FIELD_NUMBER: _ClassVar[int]
    LINK_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    memory_count: int
    episodic_count: int
    semantic_count: int
    link_count: int
    payload_bytes: int
    embedded_count: int
    commit_seq: int
    def __init__(self, memory_count: _Optional[int] = ..., episodic_count: _Optional[int] = ..., semantic_count: _Optional[int] = ..., link_count: _Optional[int] = ..., payload_bytes: _Optional[int] = ..., embedded_count: _Optional[int] = ..., commit_seq: _Optional[int] = ...) -> None: ...

class ListNamespacesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListNamespacesResponse(_message.Message):
    __slots__ = ("namespaces", "next_page_token")
    NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespaces: _containers.RepeatedScalarFieldContainer[str]
    next_page_token: str
    def __init__(self, namespaces: _Optional[_Iterable[str]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DecayLevel(_message.Message):
    __slots__ = ("age_s", "drop_fields")
    AGE_S_FIELD_NUMBER: _ClassVar[int]
    DROP_FIELDS_FIELD_NUMBER: _ClassVar[int]
    age_s: int
    drop_fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, age_s: _Optional[int] = ..., drop_fields: _Optional[_Iterable[str]] = ...) -> None: ...

class ScoreDecay(_message.Message):
    __slots__ = ("threshold", "keep_fields")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELDS_FIELD_NUMBER: _ClassVar[int]
    threshold: float
    keep_fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, threshold: _Optional[float] = ..., keep_fields: _Optional[_Iterable[str]] = ...) -> None: ...

class NamespacePolicy(_message.Message):
    __slots__ = ("default_ttl_s", "max_memories", "max_versions", "recency_half_life_s", "decay_levels", "score_decay", "quota_memories", "quota_payload_bytes")
    DEFAULT_TTL_S_FIELD_NUMBER: _ClassVar[int]
    MAX_MEMORIES_FIELD_NUMBER: _ClassVar[int]
    MAX_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    RECENCY_HALF_LIFE_S_FIELD_NUMBER: _ClassVar[int]
    DECAY_LEVELS_FIELD_NUMBER: _ClassVar[int]
    SCORE_DECAY_FIELD_NUMBER: _ClassVar[int]
    QUOTA_MEMORIES_FIELD_NUMBER: _ClassVar[int]
    QUOTA_PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    default_ttl_s: int
    max_memories: int
    max_versions: int
    recency_half_life_s: int
    decay_levels: _containers.RepeatedCompositeFieldContainer[DecayLevel]
    score_decay: ScoreDecay
    quota_memories: int
    quota_payload_bytes: int
    def __init__(self, default_ttl_s: _Optional[int] = ..., max_memories: _Optional[int] = ..., max_versions: _Optional[int] = ..., recency_half_life_s: _Optional[int] = ..., decay_levels: _Optional[_Iterable[_Union[DecayLevel, _Mapping]]] = ..., score_decay: _Optional[_Union[ScoreDecay, _Mapping]] = ..., quota_memories: _Optional[int] = ..., quota_payload_bytes: _Optional[int] = ...) -> None: ...

class Namespace(_message.Message):
    __slots__ = ("name", "policy", "create_time", "version", "commit_seq")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    name: str
    policy: NamespacePolicy
    create_time: _timestamp_pb2.Timestamp
    version: int
    commit_seq: int
    def __init__(self, name: _Optional[str] = ..., policy: _Optional[_Union[NamespacePolicy, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[int] = ..., commit_seq: _Optional[int] = ...) -> None: ...

class CreateNamespaceRequest(_message.Message):
    __slots__ = ("namespace", "policy")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    policy: NamespacePolicy
    def __init__(self, namespace: _Optional[str] = ..., policy: _Optional[_Union[NamespacePolicy, _Mapping]] = ...) -> None: ...

class CreateNamespaceResponse(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: Namespace
    def __init__(self, namespace: _Optional[_Union[Namespace, _Mapping]] = ...) -> None: ...

class GetNamespaceRequest(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    def __init__(self, namespace: _Optional[str] = ...) -> None: ...

class GetNamespaceResponse(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: Namespace
    def __init__(self, namespace: _Optional[_Union[Namespace, _Mapping]] = ...) -> None: ...

class UpdateNamespaceRequest(_message.Message):
    __slots__ = ("namespace", "policy", "update_mask", "expected_version")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    policy: NamespacePolicy
    update_mask: _field_mask_pb2.FieldMask
    expected_version: int
    def __init__(self, namespace: _Optional[str] = ..., policy: _Optional[_Union[NamespacePolicy, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., expected_version: _Optional[int] = ...) -> None: ...

class UpdateNamespaceResponse(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: Namespace
    def __init__(self, namespace: _Optional[_Union[Namespace, _Mapping]] = ...) -> None: ...

class DeleteNamespaceRequest(_message.Message):
    __slots__ = ("namespace",)
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    def __init__(self, namespace: _Optional[str] = ...) -> None: ...

class DeleteNamespaceResponse(_message.Message):
    __slots__ = ("commit_seq",)
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    commit_seq: int
    def __init__(self, commit_seq: _Optional[int] = ...) -> None: ...
