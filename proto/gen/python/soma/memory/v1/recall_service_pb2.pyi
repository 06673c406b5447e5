import datetime

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
    __slots__ = ("namespace", "text", "vector", "coordinate", "field_match", "mode", "top_k", "filter", "min_score", "min_commit_seq", "explain", "as_of", "context", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    COORDINATE_FIELD_NUMBER: _ClassVar[int]
    FIELD_MATCH_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    MIN_COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    text: str
    vector: bytes
    coordinate: _memory_pb2.Coordinate
    field_match: FieldMatch
    mode: RecallMode
    top_k: int
    filter: _memory_pb2.Filter
    min_score: float
    min_commit_seq: int
    explain: bool
    as_of: _timestamp_pb2.Timestamp
    context: str
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., text: _Optional[str] = ..., vector: _Optional[bytes] = ..., coordinate: _Optional[_Union[_memory_pb2.Coordinate, _Mapping]] = ..., field_match: _Optional[_Union[FieldMatch, _Mapping]] = ..., mode: _Optional[_Union[RecallMode, str]] = ..., top_k: _Optional[int] = ..., filter: _Optional[_Union[_memory_pb2.Filter, _Mapping]] = ..., min_score: _Optional[float] = ..., min_commit_seq: _Optional[int] = ..., explain: _Optional[bool] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., context: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class FieldMatch(_message.Message):
    __slots__ = ("term", "substring", "case_sensitive")
    TERM_FIELD_NUMBER: _ClassVar[int]
    SUBSTRING_FIELD_NUMBER: _ClassVar[int]
    CASE_SENSITIVE_FIELD_NUMBER: _ClassVar[int]
    term: str
    substring: bool
    case_sensitive: bool
    def __init__(self, term: _Optional[str] = ..., substring: _Optional[bool] = ..., case_sensitive: _Optional[bool] = ...) -> None: ...

class ScoreParts(_message.Message):
    __slots__ = ("keyword", "vector", "coordinate_distance", "links", "recency", "importance", "context", "named_time")
    KEYWORD_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    COORDINATE_DISTANCE_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    RECENCY_FIELD_NUMBER: _ClassVar[int]
    IMPORTANCE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    NAMED_TIME_FIELD_NUMBER: _ClassVar[int]
    keyword: float
    vector: float
    coordinate_distance: float
    links: float
    recency: float
    importance: float
    context: float
    named_time: float
    def __init__(self, keyword: _Optional[float] = ..., vector: _Optional[float] = ..., coordinate_distance: _Optional[float] = ..., links: _Optional[float] = ..., recency: _Optional[float] = ..., importance: _Optional[float] = ..., context: _Optional[float] = ..., named_time: _Optional[float] = ...) -> None: ...

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
    __slots__ = ("results", "completeness", "degraded", "commit_seq", "truncated", "next_page_token")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    COMPLETENESS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    COMMIT_SEQ_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RecallResult]
    completeness: Completeness
    degraded: _containers.RepeatedScalarFieldContainer[str]
    commit_seq: int
    truncated: bool
    next_page_token: str
    def __init__(self, results: _Optional[_Iterable[_Union[RecallResult, _Mapping]]] = ..., completeness: _Optional[_Union[Completeness, str]] = ..., degraded: _Optional[_Iterable[str]] = ..., commit_seq: _Optional[int] = ..., truncated: _Optional[bool] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RecallBatchRequest(_message.Message):
    __slots__ = ("queries",)
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    queries: _containers.RepeatedCompositeFieldContainer[RecallRequest]
    def __init__(self, queries: _Optional[_Iterable[_Union[RecallRequest, _Mapping]]] = ...) -> None: ...

class RecallOutcome(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: RecallResponse
    error: _status_pb2.Status
    def __init__(self, response: _Optional[_Union[RecallResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class RecallBatchResponse(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[RecallOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[RecallOutcome, _Mapping]]] = ...) -> None: ...

class RecallStreamRequest(_message.Message):
    __slots__ = ("sequence", "query")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    query: RecallRequest
    def __init__(self, sequence: _Optional[int] = ..., query: _Optional[_Union[RecallRequest, _Mapping]] = ...) -> None: ...

class RecallStreamResponse(_message.Message):
    __slots__ = ("sequence", "outcome")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    outcome: RecallOutcome
    def __init__(self, sequence: _Optional[int] = ..., outcome: _Optional[_Union[RecallOutcome, _Mapping]] = ...) -> None: ...

class RangeSearchRequest(_message.Message):
    __slots__ = ("namespace", "min", "max", "filter", "page_size", "page_token")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    min: _memory_pb2.Coordinate
    max: _memory_pb2.Coordinate
    filter: _memory_pb2.Filter
    page_size: int
    page_token: str
    def __init__(self, namespace: _Optional[str] = ..., min: _Optional[_Union[_memory_pb2.Coordinate, _Mapping]] = ..., max: _Optional[_Union[_memory_pb2.Coordinate, _Mapping]] = ..., filter: _Optional[_Union[_memory_pb2.Filter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class RangeSearchResponse(_message.Message):
    __slots__ = ("memories", "next_page_token")
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[_memory_pb2.Memory]
    next_page_token: str
    def __init__(self, memories: _Optional[_Iterable[_Union[_memory_pb2.Memory, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
