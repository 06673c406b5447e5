"""Random messages of any type and all RPCs there are, both from the descriptors: a new RPC is covered by itself."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from soma.memory.v1 import (
    admin_service_pb2,
    lifecycle_service_pb2,
    link_service_pb2,
    memory_service_pb2,
    namespace_service_pb2,
    recall_service_pb2,
)
from somafractalmemory import memory_pb2 as predecessor_pb2

FILES: list[FileDescriptor] = [
    admin_service_pb2.DESCRIPTOR,
    lifecycle_service_pb2.DESCRIPTOR,
    link_service_pb2.DESCRIPTOR,
    memory_service_pb2.DESCRIPTOR,
    namespace_service_pb2.DESCRIPTOR,
    recall_service_pb2.DESCRIPTOR,
    predecessor_pb2.DESCRIPTOR,
]

MAX_DEPTH = 5

ODD_ONE_IN = 10
"""Of ten values nine are usual: a request with many odd ones gets no further than the first check."""

USUAL_TEXTS = {
    "namespace": ["notes"], "id": ["a", "b", "c"], "from_id": ["a"], "to_id": ["b"], "type": ["similar"],
    "paths": ["text", "importance", "metadata", "kind", "payload_json"],
}  # fmt: skip
OTHER_TEXTS = ["notes", "a", "b", "tea", "green tea", "similar"]
USUAL_BYTES = {
    "payload_json": [b"{}", b'{"text": "green tea"}', b'{"n": [1, {"deep": null}]}'],
    "embedding": [b"", b"\x00\x00\x80\x3f" * 64],
    "vector": [b"\x00\x00\x80\x3f" * 64],
}
RARE = ("token", "request_id", "expected_version", "min_commit_seq", "as_of")
"""Parts of the names of fields whose any value but the right one ends the call."""

USUAL_FIELDS = {"namespace", "payload_json", "memory", "ref", "from_ref", "to_ref", "text", "id"}

_ODD_TEXTS = [
    "",
    " ",
    "\x00",
    "a\nb",
    "%",
    "_",
    "a:b",
    "..",
    "*",
    "\u202e",
    "e\u0301",
    "x" * 600,
    "'; --",
]
_ODD_BYTES = [
    b"", b"[]", b'{"n": 1e999}', b'{"a": "\\ud800"}', b"\xff", b"[" * 2000, b"\x00" * 1024,
    b"\xff" * 256, b"\x01\x02\x03\x04" * 64,
]  # fmt: skip
_ODD_FLOATS = [-0.0, -1.0, math.nan, math.inf, -math.inf, 3e38]
_WIDTH = {FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_INT64: 63,
          FieldDescriptor.CPPTYPE_UINT32: 32, FieldDescriptor.CPPTYPE_UINT64: 64}  # fmt: skip


@dataclass(frozen=True)
class Rpc:
    """One RPC: its path, what it is given, and which sides stream."""

    path: str
    request: Descriptor
    is_client_streaming: bool
    is_server_streaming: bool


def all_rpcs() -> Iterator[Rpc]:
    """Yield every RPC of every service of ours."""
    for file in FILES:
        for service in file.services_by_name.values():
            for method in service.methods:
                yield Rpc(
                    f"/{service.full_name}/{method.name}",
                    method.input_type,
                    method.client_streaming,
                    method.server_streaming,
                )


def messages(descriptor: Descriptor, depth: int = 0) -> st.SearchStrategy[Message]:
    """Return a strategy for messages of a type: any of its fields, set to usual or odd values."""
    kind = message_factory.GetMessageClass(descriptor)

    @st.composite
    def build(draw: st.DrawFn) -> Message:
        message = kind()
        for field in descriptor.fields:
            if draw(st.integers(0, 99)) < _chance(field, depth):
                _set(draw, message, field, depth)
        return message

    return build()


def _chance(field: FieldDescriptor, depth: int) -> int:
    """Return how often of a hundred times a field is set."""
    if any(part in field.name for part in RARE):
        return 4
    if field.name in USUAL_FIELDS:
        return 92
    return 35 if depth < 2 else 25


def _set(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        target: Any = getattr(message, field.name)
        for key in draw(st.lists(_scalars(entry.fields_by_name["key"]), max_size=3)):
            value = entry.fields_by_name["value"]
            if value.message_type is None:
                target[key] = draw(_scalars(value))
            else:
                target[key].CopyFrom(draw(messages(value.message_type, depth + 1)))
    elif entry is not None:
        if depth >= MAX_DEPTH:
            return
        values = messages(entry, depth + 1)
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(values, max_size=3)))
        else:
            getattr(message, field.name).CopyFrom(draw(values))
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_scalars(field), max_size=4)))
    else:
        setattr(message, field.name, draw(_scalars(field)))


def _scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    usual, odd = _usual(field), _odd(field)
    return st.integers(1, ODD_ONE_IN).flatmap(lambda turn: odd if turn == 1 else usual)


def _usual(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return st.sampled_from(USUAL_BYTES.get(field.name, [b"tea"]))
        return st.sampled_from(USUAL_TEXTS.get(field.name, OTHER_TEXTS))
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return st.sampled_from([0.0, 0.25, 0.5, 1.0])
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        assert field.enum_type is not None
        return st.sampled_from([value.number for value in field.enum_type.values])
    return st.sampled_from([1, 2, 3, 10])


def _odd(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return st.sampled_from(_ODD_BYTES) | st.binary(max_size=40)
        return st.sampled_from(_ODD_TEXTS) | st.text(max_size=20)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return st.sampled_from(_ODD_FLOATS) | st.floats(width=32)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return st.sampled_from([-1, 99, 2**31 - 1])
    most = 2 ** _WIDTH[kind] - 1
    least = -most - 1 if _WIDTH[kind] in (31, 63) else 0
    ends = [number for number in (0, -1, least, most) if number >= least]
    return st.sampled_from(ends) | st.integers(least, most)
