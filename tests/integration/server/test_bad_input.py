"""Bad input gets a typed error that names every bad field; nothing is INTERNAL."""

import math
from collections.abc import Awaitable, Callable

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soma.memory.v1 import (
    link_service_pb2,
    memory_pb2,
    memory_service_pb2,
    recall_service_pb2,
)
from tests.support.server_process import ServerProcess
from tests.support.wire import Wire, bad_fields, details


async def refused(call: Awaitable[Message]) -> grpc.aio.AioRpcError:
    """Return the error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_a_store_is_told_every_bad_field(wire: Wire) -> None:
    """Namespace, coordinate, payload, metadata, request id and version in one answer."""
    memory = memory_pb2.MemoryDraft(
        payload_json=b'{"a": NaN}',
        coordinate=memory_pb2.Coordinate(values=[math.nan, 1.0]),
        metadata={"k": memory_pb2.MetadataValue()},
    )
    request = memory_service_pb2.StoreRequest(
        namespace="", memory=memory, request_id="\n", expected_version=-1
    )

    error = await refused(wire.memory.Store(request))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert sorted(bad_fields(error)) == sorted(
        ["namespace", "memory.coordinate.values[0]", "memory.payload_json", 'memory.metadata["k"]',
         "request_id", "request_id", "expected_version"]
    )  # fmt: skip
    info = details(error)["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.domain, info.reason) == ("memory.soma.sh", "INVALID_INPUT")


@pytest.mark.parametrize("letter", ["k", "\N{GRINNING FACE}"])
@pytest.mark.parametrize(("count", "length"), [(64, 124), (5000, 10), (1, 100_000)])
async def test_very_many_bad_fields_are_still_bad_input(
    wire: Wire, letter: str, count: int, length: int
) -> None:
    """What does not fit into the trailers of a call does not make another error of it."""
    keys = [f"{letter * length}{number}" for number in range(count)]
    draft = memory_pb2.MemoryDraft(
        payload_json=b"{}", metadata={key: memory_pb2.MetadataValue() for key in keys}
    )
    request = memory_service_pb2.StoreRequest(namespace=wire.namespace, memory=draft)

    error = await refused(wire.memory.Store(request))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert any(field.startswith("memory.metadata") for field in bad_fields(error))


async def test_a_payload_over_the_limit_is_refused(wire: Wire) -> None:
    """The limit that GetServerInfo states is the one that is enforced, to the byte."""
    fits = b'{"a": "%s"}' % (b"x" * (64 * 1024 - 9))
    for payload, is_fine in ((fits, True), (fits[:-2] + b'x"}', False)):
        draft = memory_pb2.MemoryDraft(payload_json=payload)
        request = memory_service_pb2.StoreRequest(namespace=wire.namespace, memory=draft)
        if is_fine:
            await wire.memory.Store(request)
        else:
            assert bad_fields(await refused(wire.memory.Store(request))) == ["memory.payload_json"]


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"text": "x", "top_k": -1}, ["top_k"]),
        ({"text": "x", "top_k": 1001}, ["top_k"]),
        ({"text": "  "}, ["text"]),
        ({}, ["query"]),
        ({"vector": b"123"}, ["vector"]),
        ({"coordinate": memory_pb2.Coordinate(values=[math.inf])}, ["coordinate.values[0]"]),
        ({"text": "x", "min_score": math.nan}, ["min_score"]),
        ({"text": "x", "mode": 99}, ["mode"]),
        (
            {"text": "x", "filter": memory_pb2.Filter(kinds=[memory_pb2.MEMORY_KIND_UNSPECIFIED])},
            ["filter.kinds[0]"],
        ),
    ],
)
async def test_a_recall_that_makes_no_sense_is_refused(
    wire: Wire, fields: dict[str, object], bad: list[str]
) -> None:
    """Negative, unknown, empty and infinite things are named."""
    await wire.store({"a": "x"})
    request = recall_service_pb2.RecallRequest(namespace=wire.namespace, **fields)  # type: ignore[arg-type]

    assert bad_fields(await refused(wire.recalls.Recall(request))) == bad


async def test_an_unknown_namespace_is_not_found(wire: Wire) -> None:
    """By name, in ResourceInfo, for every read; it is not created by asking."""
    ref = memory_pb2.MemoryRef(id="x")
    name = wire.namespace
    for call in (
        wire.recalls.Recall(recall_service_pb2.RecallRequest(namespace=name, text="x")),
        wire.memory.Get(memory_service_pb2.GetRequest(namespace=name, ref=ref)),
        wire.memory.List(memory_service_pb2.ListRequest(namespace=name)),
        wire.memory.Delete(memory_service_pb2.DeleteRequest(namespace=name, ref=ref)),
        wire.links.Neighbors(link_service_pb2.NeighborsRequest(namespace=name, ref=ref)),
    ):
        error = await refused(call)
        assert error.code() is grpc.StatusCode.NOT_FOUND
        info = details(error)["ResourceInfo"]
        assert isinstance(info, error_details_pb2.ResourceInfo)
        assert (info.resource_type, info.resource_name) == ("namespace", name)


async def test_a_stale_version_is_aborted_with_the_current_one(wire: Wire) -> None:
    """The caller learns what to read again."""
    await wire.store({"n": 1}, id="x")
    draft = memory_pb2.MemoryDraft(id="x", payload_json=b"{}")
    request = memory_service_pb2.StoreRequest(
        namespace=wire.namespace, memory=draft, expected_version=7
    )

    error = await refused(wire.memory.Store(request))

    assert error.code() is grpc.StatusCode.ABORTED
    info = details(error)["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert dict(info.metadata) == {"expected_version": "7", "current_version": "1"}


async def test_a_forged_page_token_is_refused(wire: Wire) -> None:
    """Also a real one of another filter."""
    for number in range(3):
        await wire.store({"n": number})
    page = await wire.memory.List(
        memory_service_pb2.ListRequest(namespace=wire.namespace, page_size=1)
    )
    other = memory_pb2.Filter(min_importance=0.5)
    for request in (
        memory_service_pb2.ListRequest(namespace=wire.namespace, page_token="AAAA"),
        memory_service_pb2.ListRequest(
            namespace=wire.namespace, page_token=page.next_page_token, filter=other
        ),
    ):
        assert bad_fields(await refused(wire.memory.List(request))) == ["page_token"]


STORE, GET = "/soma.memory.v1.MemoryService/Store", "/soma.memory.v1.MemoryService/Get"
RECALL = "/soma.memory.v1.RecallService/Recall"
FINE = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.ABORTED,
}


def code_of(call: Callable[..., object], request: object) -> grpc.StatusCode:
    """Return how a call ended."""
    try:
        call(request, timeout=10)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


texts = st.text(max_size=40)
numbers = st.floats() | st.integers(-(2**40), 2**40).map(float)
values = st.builds(memory_pb2.MetadataValue, text=texts) | st.builds(
    memory_pb2.MetadataValue, number=numbers
) | st.builds(memory_pb2.MetadataValue)  # fmt: skip
coordinates = st.builds(memory_pb2.Coordinate, values=st.lists(numbers, max_size=70))
drafts = st.builds(
    memory_pb2.MemoryDraft,
    id=texts,
    coordinate=st.none() | coordinates,
    kind=st.integers(0, 5),
    payload_json=st.sampled_from([b"{}", b'{"a": "\\ud800 tea"}', b"[", b'{"n": 1e999}', b""]),
    text=texts,
    importance=st.none() | numbers,
    metadata=st.dictionaries(texts, values, max_size=3),
    embedding=st.sampled_from([b"", b"1234", b"\0" * 1024, b"\x01" * 1024, b"\xff" * 1024]),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(draft=drafts, query=texts, namespace=texts, version=st.none() | st.integers(-2, 5))
def test_odd_fields_are_stored_or_refused(
    shared_server: ServerProcess,
    draft: memory_pb2.MemoryDraft,
    query: str,
    namespace: str,
    version: int | None,
) -> None:
    """What is acknowledged can be read back exactly; what is not was the caller's mistake."""
    with grpc.insecure_channel(shared_server.address) as channel:
        store = channel.unary_unary(
            STORE, memory_service_pb2.StoreRequest.SerializeToString,
            memory_service_pb2.StoreResponse.FromString)  # fmt: skip
        get = channel.unary_unary(
            GET, memory_service_pb2.GetRequest.SerializeToString,
            memory_service_pb2.GetResponse.FromString)  # fmt: skip
        recall = channel.unary_unary(
            RECALL, recall_service_pb2.RecallRequest.SerializeToString,
            recall_service_pb2.RecallResponse.FromString)  # fmt: skip
        request = memory_service_pb2.StoreRequest(
            namespace=namespace, memory=draft, expected_version=version
        )
        if (code := code_of(store, request)) is not grpc.StatusCode.OK:
            assert code in FINE
            return
        # The answer is thrown away above; a second store of the same draft tells the id, whatever it was.
        again = memory_service_pb2.StoreRequest(namespace=namespace, memory=draft)
        ref = memory_pb2.MemoryRef(id=store(again, timeout=10).id)
        got = get(memory_service_pb2.GetRequest(namespace=namespace, ref=ref), timeout=10)
        assert got.memory.payload_json == draft.payload_json
        query_request = recall_service_pb2.RecallRequest(namespace=namespace, text=query)
        assert code_of(recall, query_request) in FINE
