from soma.memory.v1 import memory_pb2 as _memory_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecallMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECALL_MODE_UNSPECIFIED: _ClassVar[RecallMode]
    RECALL_MODE_HYBRID: _ClassVar[RecallMode]
    RECALL_MODE_VECTOR: _ClassVar[RecallMode]
    RECALL_MODE_KEYWORD: _ClassVar[RecallMode]

class Completeness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPLETENESS_UNSPECIFIED: _ClassVar[Completeness]
    COMPLETENESS_EXACT: _ClassVar[Completeness]
    COMPLETENESS_APPROXIMATE: _ClassVar[Completeness]
    COMPLETENESS_DEGRADED: _ClassVar[Completeness]
RECALL_MODE_UNSPECIFIED: RecallMode
RECALL_MODE_HYBRID: RecallMode
RECALL_MODE_VECTOR: RecallMode
RECALL_MODE_KEYWORD: RecallMode
COMPLETENESS_UNSPECIFIED: Completeness
COMPLETENESS_EXACT: Completeness
COMPLETENESS_APPROXIMATE: Completeness
COMPLETENESS_DEGRADED: Completeness

class RecallRequest(_message.Message):
    __slots__ = ("namespace", "text", "vector", "coordinate", "mode", "top_k", "filter", "min_score", "min_commit_seq", "explain")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    COORDINATE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    MIN_COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    text: str
    vector: bytes
    coordinate: _memory_pb2.Coordinate
    mode: RecallMode
    top_k: int
    filter: _memory_pb2.Filter
    min_score: float
    min_commit_seq: int
    explain: bool
    def __init__(self, namespace: _Optional[str] = ..., text: _Optional[str] = ..., vector: _Optional[bytes] = ..., coordinate: _Optional[_Union[_memory_pb2.Coordinate, _Mapping]] = ..., mode: _Optional[_Union[RecallMode, str]] = ..., top_k: _Optional[int] = ..., filter: _Optional[_Union[_memory_pb2.Filter, _Mapping]] = ..., min_score: _Optional[float] = ..., min_commit_seq: _Optional[int] = ..., explain: _Optional[bool] = ...) -> None: ...

class ScoreParts(_message.Message):
    __slots__ = ("keyword", "vector", "coordinate_distance", "links")
    KEYWORD_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    COORDINATE_DISTANCE_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    keyword: float
    vector: float
    coordinate_distance: float
    links: float
    def __init__(self, keyword: _Optional[float] = ..., vector: _Optional[float] = ..., coordinate_distance: _Optional[float] = ..., links: _Optional[float] = ...) -> None: ...

class RecallResult(_message.Message):
    __slots__ = ("memory", "score", "parts")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    memory: _memory_pb2.Memory
    score: float
    parts: ScoreParts
    def __init__(self, memory: _Optional[_Union[_memory_pb2.Memory, _Mapping]] = ..., score: _Optional[float] = ..., parts: _Optional[_Union[ScoreParts, _Mapping]] = ...) -> None: ...

class RecallResponse(_message.Message):
    __slots__ = ("results", "completeness", "degraded", "commit_seq", "truncated")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    COMPLETENESS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RecallResult]
    completeness: Completeness
    degraded: _containers.RepeatedScalarFieldContainer[str]
    commit_seq: int
    truncated: bool
    def __init__(self, results: _Optional[_Iterable[_Union[RecallResult, _Mapping]]] = ..., completeness: _Optional[_Union[Completeness, str]] = ..., degraded: _Optional[_Iterable[str]] = ..., commit_seq: _Optional[int] = ..., truncated: _Optional[bool] = ...) -> None: ...
