from soma.memory.v1 import memory_pb2 as _memory_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LinkDirection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LINK_DIRECTION_UNSPECIFIED: _ClassVar[LinkDirection]
    LINK_DIRECTION_OUTGOING: _ClassVar[LinkDirection]
    LINK_DIRECTION_INCOMING: _ClassVar[LinkDirection]
    LINK_DIRECTION_BOTH: _ClassVar[LinkDirection]
LINK_DIRECTION_UNSPECIFIED: LinkDirection
LINK_DIRECTION_OUTGOING: LinkDirection
LINK_DIRECTION_INCOMING: LinkDirection
LINK_DIRECTION_BOTH: LinkDirection

class LinkRequest(_message.Message):
    __slots__ = ("namespace", "from_ref", "to_ref", "type", "weight", "metadata", "request_id", "expected_version")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _memory_pb2.MetadataValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_memory_pb2.MetadataValue, _Mapping]] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FROM_REF_FIELD_NUMBER: _ClassVar[int]
    TO_REF_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    from_ref: _memory_pb2.MemoryRef
    to_ref: _memory_pb2.MemoryRef
    type: str
    weight: float
    metadata: _containers.MessageMap[str, _memory_pb2.MetadataValue]
    request_id: str
    expected_version: int
    def __init__(self, namespace: _Optional[str] = ..., from_ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., to_ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., type: _Optional[str] = ..., weight: _Optional[float] = ..., metadata: _Optional[_Mapping[str, _memory_pb2.MetadataValue]] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class LinkResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _memory_pb2.Receipt
    def __init__(self, receipt: _Optional[_Union[_memory_pb2.Receipt, _Mapping]] = ...) -> None: ...

class NeighborsRequest(_message.Message):
    __slots__ = ("namespace", "ref", "types", "direction", "depth", "limit")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    ref: _memory_pb2.MemoryRef
    types: _containers.RepeatedScalarFieldContainer[str]
    direction: LinkDirection
    depth: int
    limit: int
    def __init__(self, namespace: _Optional[str] = ..., ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., types: _Optional[_Iterable[str]] = ..., direction: _Optional[_Union[LinkDirection, str]] = ..., depth: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class Neighbor(_message.Message):
    __slots__ = ("memory", "distance", "link")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    memory: _memory_pb2.Memory
    distance: int
    link: _memory_pb2.MemoryLink
    def __init__(self, memory: _Optional[_Union[_memory_pb2.Memory, _Mapping]] = ..., distance: _Optional[int] = ..., link: _Optional[_Union[_memory_pb2.MemoryLink, _Mapping]] = ...) -> None: ...

class NeighborsResponse(_message.Message):
    __slots__ = ("neighbors", "truncated")
    NEIGHBORS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    neighbors: _containers.RepeatedCompositeFieldContainer[Neighbor]
    truncated: bool
    def __init__(self, neighbors: _Optional[_Iterable[_Union[Neighbor, _Mapping]]] = ..., truncated: _Optional[bool] = ...) -> None: ...

class UnlinkRequest(_message.Message):
    __slots__ = ("namespace", "from_ref", "to_ref", "type", "request_id")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FROM_REF_FIELD_NUMBER: _ClassVar[int]
    TO_REF_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    from_ref: _memory_pb2.MemoryRef
    to_ref: _memory_pb2.MemoryRef
    type: str
    request_id: str
    def __init__(self, namespace: _Optional[str] = ..., from_ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., to_ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., type: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnlinkResponse(_message.Message):
    __slots__ = ("receipt", "removed_count")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    receipt: _memory_pb2.Receipt
    removed_count: int
    def __init__(self, receipt: _Optional[_Union[_memory_pb2.Receipt, _Mapping]] = ..., removed_count: _Optional[int] = ...) -> None: ...

class FindPathRequest(_message.Message):
    __slots__ = ("namespace", "from_ref", "to_ref", "types", "direction", "max_length")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    FROM_REF_FIELD_NUMBER: _ClassVar[int]
    TO_REF_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    from_ref: _memory_pb2.MemoryRef
    to_ref: _memory_pb2.MemoryRef
    types: _containers.RepeatedScalarFieldContainer[str]
    direction: LinkDirection
    max_length: int
    def __init__(self, namespace: _Optional[str] = ..., from_ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., to_ref: _Optional[_Union[_memory_pb2.MemoryRef, _Mapping]] = ..., types: _Optional[_Iterable[str]] = ..., direction: _Optional[_Union[LinkDirection, str]] = ..., max_length: _Optional[int] = ...) -> None: ...

class FindPathResponse(_message.Message):
    __slots__ = ("found", "cost", "memories", "links")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    found: bool
    cost: float
    memories: _containers.RepeatedCompositeFieldContainer[_memory_pb2.Memory]
    links: _containers.RepeatedCompositeFieldContainer[_memory_pb2.MemoryLink]
    def __init__(self, found: _Optional[bool] = ..., cost: _Optional[float] = ..., memories: _Optional[_Iterable[_Union[_memory_pb2.Memory, _Mapping]]] = ..., links: _Optional[_Iterable[_Union[_memory_pb2.MemoryLink, _Mapping]]] = ...) -> None: ...
