"""The description of the calls: complete, shared, and exact about what goes over the wire."""

import inspect
import math
from array import array
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from soma.memory.v1 import (
    admin_service_pb2,
    lifecycle_service_pb2,
    link_service_pb2,
    memory_pb2,
    memory_service_pb2,
    namespace_service_pb2,
    recall_service_pb2,
)
from somamemory import (
    AnyOf,
    AsyncMemoryClient,
    Between,
    Draft,
    Filter,
    MemoryClient,
    Present,
    calls,
    codec,
)
from somamemory.errors import BatchRefused, InvalidArgument, SomaMemoryError
from somamemory.model import ExportSummary, Link, Moved, Scalar

FILES: list[FileDescriptor] = [
    module.DESCRIPTOR
    for module in (
        admin_service_pb2,
        lifecycle_service_pb2,
        link_service_pb2,
        memory_service_pb2,
        namespace_service_pb2,
        recall_service_pb2,
    )
]


SIZES = [3_000_000, 1_000_000, 5_000_000, *[1] * 101]
"""Of memories, bytes: a server takes messages of 8 MiB by default."""


def test_every_rpc_of_the_protos_is_described_once_with_its_own_messages() -> None:
    """Every RPC of soma.memory.v1 has exactly one description, with the messages of the proto."""
    described = {method.path: method for method in calls.METHODS}

    for service in (service for file in FILES for service in file.services_by_name.values()):
        for rpc in service.methods:
            method = described.pop(f"/{service.full_name}/{rpc.name}")
            assert method.request.DESCRIPTOR is rpc.input_type
            assert method.response.DESCRIPTOR is rpc.output_type
    assert list(described) == ["/grpc.health.v1.Health/Check"]


def test_both_clients_have_the_same_methods_with_the_same_signatures() -> None:
    """What one client can do, the other can do by the same name and parameters."""
    modules = (
        calls.admin,
        calls.lifecycle,
        calls.links,
        calls.memories,
        calls.namespaces,
        calls.recalls,
    )
    builders: list[Callable[..., Any]] = [
        made
        for module in modules
        for name, made in vars(module).items()
        if inspect.isfunction(made) and made.__module__ == module.__name__ and name[0] != "_"
    ]
    assert len(builders) == len(calls.METHODS)

    for build in builders:
        own = list(inspect.signature(build).parameters)
        for client in (MemoryClient, AsyncMemoryClient):
            method = getattr(client, build.__name__)
            assert list(inspect.signature(method).parameters) == ["self", *own]
            assert method.__doc__ == build.__doc__


def test_a_write_without_request_id_gets_one_and_a_given_one_stays() -> None:
    """Every write carries a request id; the caller's own is never replaced."""
    batch = calls.store_batch([Draft(payload={}), Draft(payload={}, request_id="mine")])
    ids = iter(["a", "b", "c"])

    made = batch.identified(lambda: next(ids))
    single = calls.store({}).identified(lambda: next(ids))
    read = calls.get("x").identified(lambda: next(ids))

    assert [item.request_id for item in made.request.items] == ["a", "mine"]  # type: ignore[attr-defined]
    assert single.request.request_id == "b"  # type: ignore[attr-defined]
    assert next(ids) == "c"
    assert read.request == calls.get("x").request


def test_payload_bytes_are_sent_as_they_are() -> None:
    """Bytes are the exact JSON text; a dict is written compactly and readably."""
    assert _store(b'{"a":  1.10}').memory.payload_json == b'{"a":  1.10}'
    assert (
        _store({"a": "é", "n": 2**70}).memory.payload_json
        == '{"a":"é","n":1180591620717411303424}'.encode()
    )


@pytest.mark.parametrize("payload", [{"x": math.nan}, {"x": object()}, {"x": "\ud800"}, {1j: 2}])
def test_a_payload_that_is_no_json_is_refused_before_the_call(payload: object) -> None:
    """What JSON cannot say is refused by the name of its field."""
    with pytest.raises(InvalidArgument) as caught:
        calls.store(payload)  # type: ignore[arg-type]

    assert [each.field for each in caught.value.violations] == ["memory.payload_json"]


def test_optional_values_are_unset_unless_given() -> None:
    """Zero and unset differ: expected_version 0 means that the memory must not exist."""
    unset, zero = _store({}), calls.store({}, expected_version=0, importance=0.0).request

    assert not unset.HasField("expected_version")
    assert not unset.memory.HasField("importance")
    assert not unset.memory.HasField("event_time")
    assert zero.HasField("expected_version")
    assert zero.memory.HasField("importance")  # type: ignore[attr-defined]


def test_times_are_utc_and_need_a_zone() -> None:
    """A moment is the same moment in any zone; without a zone it is refused."""
    berlin = datetime(2026, 1, 31, 13, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))

    wire = _store({}, event_time=berlin).memory

    assert codec.moment(wire, "event_time") == datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    assert codec.moment(wire, "expire_time") is None
    with pytest.raises(InvalidArgument, match="must have a time zone"):
        calls.store({}, event_time=datetime(2026, 1, 31))  # noqa: DTZ001 - naive on purpose


@given(st.integers(-62_135_596_800, 253_402_300_799), st.integers(0, 999_999_999))
def test_every_time_that_the_wire_can_say_is_read(seconds: int, nanos: int) -> None:
    """From the year 1 to 9999, to the microsecond, as the library reads it."""
    wire = memory_pb2.Memory(event_time=Timestamp(seconds=seconds, nanos=nanos))

    assert codec.moment(wire, "event_time") == wire.event_time.ToDatetime(tzinfo=UTC)


@pytest.mark.parametrize(
    "vector", [[1.0, -2.5], (1, -2.5), array("d", [1.0, -2.5]), np.array([1.0, -2.5])]
)
def test_an_embedding_is_little_endian_float32(vector: list[float]) -> None:
    """Lists, tuples, arrays and numpy arrays of any float give the same bytes."""
    assert codec.embedding_bytes(vector) == b"\x00\x00\x80?\x00\x00 \xc0"


def test_metadata_keeps_its_types() -> None:
    """Text, numbers and flags come back as what they were; True is no number."""
    given: dict[str, Scalar] = {
        "text": "1",
        "count": 3,
        "ratio": 0.5,
        "on": True,
        "off": False,
        "zero": 0,
    }

    back = codec.scalars(codec.metadata(given, "metadata"))

    assert back == given
    assert {key: type(value) for key, value in back.items()} == {
        key: type(value) for key, value in given.items()
    }


@pytest.mark.parametrize("value", [2**53 + 1, None, [1], b"x"])
def test_metadata_that_would_change_is_refused(value: object) -> None:
    """An integer that float64 cannot hold, and what is no scalar, is refused by its key."""
    with pytest.raises(InvalidArgument) as caught:
        calls.store({}, metadata={"k": value})  # type: ignore[dict-item]

    assert [each.field for each in caught.value.violations] == ["memory.metadata[k]"]


def test_a_filter_says_each_kind_of_test() -> None:
    """Equality, choice, range and presence each become their own test."""
    wire = codec.filter_of(
        Filter(
            kinds=["semantic"],
            metadata={"a": "x", "b": AnyOf(1, 2), "c": Between(min=1), "d": Present(False)},
        )
    )

    assert wire is not None
    tests = {test.key: test for test in wire.metadata}
    assert wire.kinds == [memory_pb2.MEMORY_KIND_SEMANTIC]
    assert tests["a"].equals.text == "x"
    assert [value.number for value in tests["b"].any_of.values] == [1, 2]
    assert (tests["c"].range.min, tests["c"].range.HasField("max")) == (1, False)
    assert (tests["d"].WhichOneof("test"), tests["d"].exists) == ("exists", False)


@pytest.mark.parametrize(
    "query", [{}, {"text": "a", "coordinate": [1.0]}, {"vector": [1.0], "coordinate": [1.0]}]
)
def test_a_recall_has_exactly_one_query(query: dict[str, object]) -> None:
    """None, or two of text, vector and coordinate, is refused."""
    with pytest.raises(InvalidArgument, match="exactly one"):
        calls.recall(**query)  # type: ignore[arg-type]


def test_words_that_are_no_choice_are_refused_with_the_choices() -> None:
    """An unknown kind, mode or direction names what would be right."""
    with pytest.raises(InvalidArgument, match="one of episodic, semantic"):
        calls.store({}, kind="unknown")
    with pytest.raises(InvalidArgument, match="one of hybrid, vector, keyword"):
        calls.recall("x", mode="fast")
    with pytest.raises(InvalidArgument, match="one of outgoing, incoming, both"):
        calls.neighbors("x", direction="up")


def test_an_enum_value_of_a_newer_server_is_unknown() -> None:
    """A number that this client does not know does not break it."""
    memory = codec.memory(memory_pb2.Memory(kind=77))  # type: ignore[arg-type]

    assert memory.kind == "unknown"


def test_a_batch_raises_what_was_refused_unless_asked_not_to() -> None:
    """A refusal inside a batch is never silent."""
    response = memory_service_pb2.StoreBatchResponse(
        results=[
            memory_service_pb2.StoreBatchResult(stored=memory_service_pb2.StoreResponse(id="a")),
            memory_service_pb2.StoreBatchResult(error={"code": 3, "message": "bad"}),
        ]
    )

    outcomes = calls.store_batch([], allow_partial=True).read(response)
    with pytest.raises(BatchRefused, match="1 of 2 memories were refused; number 1: bad") as caught:
        calls.store_batch([]).read(response)

    assert isinstance(outcomes[1], SomaMemoryError)
    assert [index for index, _ in caught.value.errors] == [1]


def test_a_stream_of_large_memories_fits_into_what_a_server_takes() -> None:
    """A message is cut by bytes as well as by count, and the memories stay in their order."""
    drafts = [Draft(payload={"text": "x" * size}, id=f"{n}") for n, size in enumerate(SIZES)]

    requests = list(calls.store_stream(drafts, stream_id="s").requests)

    ids = [item.memory.id for each in requests for item in each.items]
    assert ids == [f"{n}" for n in range(len(SIZES))]
    assert [each.sequence for each in requests] == list(range(len(requests)))
    assert [len(each.items) for each in requests] == [2, 1, 100, 1]
    assert max(each.ByteSize() for each in requests) < 6_000_000


@pytest.mark.parametrize("stream_id", ["", "x" * 65, "\u00e4" * 33, "\ud800"])
def test_a_stream_needs_a_name_that_the_server_takes(stream_id: str) -> None:
    """Without one its memories would be written twice after a break: it is refused before anything is sent."""
    with MemoryClient() as client, pytest.raises(InvalidArgument):
        client.store_stream([Draft(payload={})], stream_id=stream_id)


def test_an_import_of_large_memories_fits_into_what_a_server_takes() -> None:
    """The same; links stay behind the memories before them, and the options come first."""
    empty = memory_pb2.Memory(id="a", kind=memory_pb2.MEMORY_KIND_EPISODIC)
    parts: list[Moved | Link | ExportSummary] = [
        *(Moved(replace(codec.memory(empty), payload_json=b"x" * size)) for size in SIZES),
        Link("a", "b", "by", 1.0, {}, 1),
    ]

    requests = list(calls.import_memories(parts).requests)

    sizes = [len(moved.memory.payload_json) for each in requests for moved in each.memories]
    assert sizes == SIZES
    assert [len(each.memories) for each in requests] == [2, 1, 101]
    assert [len(each.links) for each in requests] == [0, 0, 1]
    assert [each.HasField("options") for each in requests] == [True, False, False]
    assert max(each.ByteSize() for each in requests) < 6_000_000


def _store(payload: object, **more: object) -> memory_service_pb2.StoreRequest:
    request = calls.store(payload, **more).request  # type: ignore[arg-type]
    assert isinstance(request, memory_service_pb2.StoreRequest)
    return request


def test_an_import_is_sent_in_messages_that_a_server_takes() -> None:
    """They end before they are too large, and where a memory follows links; nothing is lost, and the order stays."""
    exported = [
        lifecycle_service_pb2.ExportResponse(
            memory={"memory": {"id": f"m{n}", "payload_json": bytes(size), "kind": 1}}
        )
        for n, size in enumerate([300_000] * 9 + [3_000_000] + [100] * 450)
    ]
    links = [
        lifecycle_service_pb2.ExportResponse(link=memory_pb2.MemoryLink(from_id=f"m{n}"))
        for n in range(2)
    ]
    parts = [codec.exported(part) for part in [*exported, *links, exported[0]]]

    messages = list(calls.import_memories(parts, namespace="n").requests)

    sent = [moved.memory.id for message in messages for moved in message.memories]
    assert sent == [f"m{n}" for n in range(460)] + ["m0"]
    has_options = [message.HasField("options") for message in messages]
    assert has_options == [True] + [False] * (len(messages) - 1)
    for message in messages:
        count = len(message.memories) + len(message.links)
        assert count <= 200
        assert message.ByteSize() <= 4.1 * 1024 * 1024
    assert [len(message.links) for message in messages][-2:] == [2, 0]


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.recall("\ud83d"),
        lambda client: client.get("a", namespace="\udcff"),
        lambda client: client.store({"text": "x"}, metadata={"k": "\ud83d"}),
        lambda client: client.list_memories(namespace="\ud83d"),
        lambda client: client.export_memories(namespace="\ud83d"),
    ],
)
def test_half_of_a_surrogate_pair_is_a_bad_argument(ask: Callable[[MemoryClient], object]) -> None:
    """It cannot be sent, and is refused before any server is asked, as an error of the client's own."""
    with MemoryClient("127.0.0.1:1") as client, pytest.raises(InvalidArgument) as caught:
        ask(client)

    assert [bad.field for bad in caught.value.violations] == ["request"]
