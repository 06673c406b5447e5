"""The edge of every call over a real connection: the four kinds of methods under one set of rules."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BytesValue, Int64Value

from memory_server.domain.memory import Tenant
from memory_server.transport.auth import NO_QUOTA, AccessScope, Principal, TenantQuota
from memory_server.transport.context import Context
from memory_server.transport.methods import (
    AnyMethod,
    BidiStream,
    ClientStream,
    Method,
    ServerStream,
)
from memory_server.transport.streams import pipelined
from soma_common.errors import Conflict
from tests.support.edge import ADMISSION, OPTIONS, SERVICE, Edge, an_edge, held_open, until
from tests.support.wire import details, rich_status

pytestmark = pytest.mark.usefixtures("both_ways")

MALFORMED = b"\xff\xff\xff"


def raw(value: int) -> bytes:
    return Int64Value(value=value).SerializeToString()


def read(answer: bytes) -> int:
    return Int64Value.FromString(answer).value


async def double(request: Int64Value, _caller: Principal) -> Int64Value:
    if request.value < 0:
        raise Conflict("negative")
    if request.value == 13:
        raise ValueError("a secret of the code")
    return Int64Value(value=2 * request.value)


async def count_to(request: Int64Value, caller: Principal) -> AsyncGenerator[Message, None]:
    for number in range(request.value):
        yield await double(Int64Value(value=number), caller)


async def add(requests: AsyncIterator[Int64Value], _caller: Principal) -> Int64Value:
    return Int64Value(value=sum([request.value async for request in requests]))


async def double_each(
    requests: AsyncIterator[Int64Value], caller: Principal
) -> AsyncGenerator[Message, None]:
    async for request in requests:
        yield await double(request, caller)


METHODS: dict[str, AnyMethod] = {
    "Double": Method(Int64Value, double, AccessScope.READ),
    "CountTo": ServerStream(Int64Value, count_to, AccessScope.READ),
    "Add": ClientStream(Int64Value, add, AccessScope.WRITE),
    "DoubleEach": BidiStream(Int64Value, double_each, AccessScope.WRITE),
}


async def drained(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [answer async for answer in stream]


Feed = Iterable[bytes] | AsyncIterator[bytes]


def call(edge: Edge, kind: str, value: bytes, streamed: Feed | None = None) -> Awaitable[object]:
    """Return a call with one request, of the kind that the method has.

    Args:
        edge: Where.
        kind: Name of the method.
        value: The request.
        streamed: What a method of many requests gets; None: the one request, and the end.
    """
    requests = [value] if streamed is None else streamed
    made: Awaitable[object]
    match kind:
        case "Double":
            made = edge.unary(kind)(value)
        case "CountTo":
            made = drained(edge.server_stream(kind)(value))
        case "Add":
            made = edge.client_stream(kind)(requests)
        case _:
            made = drained(edge.bidi_stream(kind)(requests))
    return made


async def failure(made: Awaitable[object]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await made
    return caught.value


async def test_all_kinds_answer() -> None:
    """One and many, in and out."""
    async with an_edge(METHODS) as edge:
        numbers = [raw(number) for number in range(5)]

        assert read(await edge.unary("Double")(raw(21))) == 42
        assert [read(each) async for each in edge.server_stream("CountTo")(raw(3))] == [0, 2, 4]
        assert read(await edge.client_stream("Add")(iter(numbers))) == 10
        doubled = [read(each) async for each in edge.bidi_stream("DoubleEach")(iter(numbers))]
        assert doubled == [0, 2, 4, 6, 8]
        name = f"{SERVICE}/DoubleEach"
        assert edge.value("soma_server_stream_messages_total", method=name, direction="sent") == 5
        count = "soma_server_stream_duration_seconds_count"
        assert edge.value(count, method=name, code="OK") == 1
        assert edge.value("soma_server_streams_open") == 0


@pytest.mark.parametrize("kind", METHODS)
async def test_bytes_that_are_no_message_are_the_callers_mistake(kind: str) -> None:
    """Of every kind, also in the middle of a stream; never INTERNAL."""
    async with an_edge(METHODS) as edge:
        error = await failure(call(edge, kind, MALFORMED, held_open(MALFORMED)))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert set(details(error)) == {"ErrorInfo", "BadRequest"}


@pytest.mark.parametrize(
    ("value", "code"), [(-1, grpc.StatusCode.ABORTED), (13, grpc.StatusCode.INTERNAL)]
)
async def test_what_was_answered_before_a_failure_arrives(
    value: int, code: grpc.StatusCode
) -> None:
    """Then the stream ends with the whole status; a bug tells nothing about itself."""
    async with an_edge(METHODS) as edge:
        stream = edge.bidi_stream("DoubleEach")(held_open(raw(1), raw(2), raw(value)))
        answers = [read(await stream.read()) for _ in range(2)]
        error = await failure(stream.read())

    assert answers == [2, 4]
    assert error.code() is code
    assert "secret" not in str(rich_status(error))


@dataclass(frozen=True)
class OnlyMay:
    """Lets everybody in, with some scopes."""

    scopes: frozenset[AccessScope]
    name: str = "test"

    def authenticate(self, context: Context) -> Principal:
        return Principal(Tenant("default"), self.scopes)

    def is_current(self, principal: Principal) -> bool:
        return True

    def quota(self, tenant: Tenant) -> TenantQuota:
        return NO_QUOTA


@pytest.mark.parametrize("kind", METHODS)
async def test_a_scope_is_asked_for_by_every_kind(kind: str) -> None:
    """With the scope the call is done, with all others but that one it is refused, before it sent anything."""
    scope = METHODS[kind].scope
    async with an_edge(METHODS, authenticator=OnlyMay(frozenset({scope}))) as edge:
        await call(edge, kind, raw(1))
    async with an_edge(METHODS, authenticator=OnlyMay(frozenset(AccessScope) - {scope})) as edge:
        error = await failure(call(edge, kind, raw(1), held_open()))

    assert error.code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_method_without_a_scope_is_for_administrators() -> None:
    """Forgotten means closed."""
    assert Method(Int64Value, double).scope is AccessScope.ADMIN


@dataclass
class Gauge:
    """How many requests were taken, and how many at once."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    taken: int = 0
    at_once: int = 0
    most: int = 0

    async def answer(self, request: Int64Value) -> Int64Value:
        self.taken += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.gate.wait()
            await asyncio.sleep(0.001 * (request.value % 3))
        finally:
            self.at_once -= 1
        if request.value == 77:
            raise Conflict("seventy-seven")
        return Int64Value(value=2 * request.value)

    async def stream(
        self, requests: AsyncIterator[Int64Value], _caller: Principal
    ) -> AsyncGenerator[Message, None]:
        async for response in pipelined(requests, self.answer, limit=4):
            yield response


async def test_a_pipeline_works_side_by_side_and_answers_in_order() -> None:
    """No more at once than its limit, and it reads no further while that many are unanswered."""
    gauge = Gauge()
    async with an_edge({"Each": BidiStream(Int64Value, gauge.stream)}) as edge:
        stream = edge.bidi_stream("Each")(raw(number) for number in range(50))
        await until(lambda: gauge.at_once == 4)
        await asyncio.sleep(0.05)
        taken_before = gauge.taken
        gauge.gate.set()
        answers = [read(each) async for each in stream]

    assert taken_before == 4
    assert answers == [2 * number for number in range(50)]
    assert gauge.most == 4


@pytest.mark.parametrize("last", [raw(77), MALFORMED], ids=["refused", "malformed"])
async def test_a_pipeline_answers_everything_before_a_failure(last: bytes) -> None:
    """And nothing runs on when the call is over."""
    gauge = Gauge()
    gauge.gate.set()
    async with an_edge({"Each": BidiStream(Int64Value, gauge.stream)}) as edge:
        stream = edge.bidi_stream("Each")(held_open(raw(1), raw(2), raw(3), last))
        answers = [read(await stream.read()) for _ in range(3)]
        error = await failure(stream.read())

    assert answers == [2, 4, 6]
    codes = {grpc.StatusCode.ABORTED, grpc.StatusCode.INVALID_ARGUMENT}
    assert error.code() in codes


async def test_a_cancelled_pipeline_leaves_no_task_behind() -> None:
    """The client goes in the middle; the work of its requests is cancelled."""
    gauge = Gauge()
    async with an_edge({"Each": BidiStream(Int64Value, gauge.stream)}) as edge:
        stream = edge.bidi_stream("Each")(raw(number) for number in range(50))
        await until(lambda: gauge.at_once == 4)
        stream.cancel()
        await until(lambda: not edge.value("soma_server_streams_open"))
        await until(lambda: gauge.at_once == 0)

    assert gauge.taken == 4


async def silent(
    requests: AsyncIterator[Int64Value], _caller: Principal
) -> AsyncGenerator[Message, None]:
    async for request in requests:
        if request.value:
            yield request


async def wait_for_ever(_request: Int64Value, _caller: Principal) -> AsyncGenerator[Message, None]:
    yield Int64Value(value=1)
    await asyncio.Event().wait()


STREAMS: dict[str, AnyMethod] = {
    "Silent": BidiStream(Int64Value, silent),
    "Add": ClientStream(Int64Value, add),
    "Wait": ServerStream(Int64Value, wait_for_ever, ends_on_drain=True),
    "CountTo": ServerStream(Int64Value, count_to),
}


async def test_a_stream_on_which_nothing_moves_is_ended() -> None:
    """With DEADLINE_EXCEEDED, whoever was to speak next; one that moves goes on for longer than the idle time."""
    options = replace(OPTIONS, stream_idle_s=0.4)
    async with an_edge(STREAMS, options=options) as edge:
        lively, quiet = edge.bidi_stream("Silent")(), edge.bidi_stream("Silent")()
        waiting = edge.server_stream("Wait")(raw(1))
        await quiet.write(raw(1))
        for number in range(1, 9):
            await lively.write(raw(number))
            assert read(await lively.read()) == number
            await asyncio.sleep(0.1)
        errors = []
        for stream in (quiet, waiting):
            assert read(await stream.read()) == 1
            errors.append(await failure(stream.read()))
        await lively.done_writing()
        end = await lively.read()

    assert {error.code() for error in errors} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert end is grpc.aio.EOF


async def test_a_draining_server_answers_what_it_has_and_sends_streams_away() -> None:
    """Requests that were taken are answered, then UNAVAILABLE; what ends by itself may finish; new ones are refused."""
    async with an_edge(STREAMS) as edge:
        asking, waiting = edge.bidi_stream("Silent")(), edge.server_stream("Wait")(raw(1))
        adding = edge.client_stream("Add")()
        await asking.write(raw(5))
        await adding.write(raw(5))
        assert (read(await asking.read()), read(await waiting.read())) == (5, 1)
        await until(lambda: edge.value("soma_server_streams_open") == 3)
        edge.boundary.drain()
        errors = [await failure(call) for call in (asking.read(), waiting.read(), adding)]
        errors.append(await failure(edge.server_stream("CountTo")(raw(1)).read()))

    assert {error.code() for error in errors} == {grpc.StatusCode.UNAVAILABLE}
    assert all("RetryInfo" in details(error) for error in errors)


@dataclass
class Revocable:
    """Lets everybody in until it is told otherwise."""

    is_open: bool = True
    name: str = "test"

    def authenticate(self, context: Context) -> Principal:
        return Principal(Tenant("default"))

    def is_current(self, principal: Principal) -> bool:
        return self.is_open

    def quota(self, tenant: Tenant) -> TenantQuota:
        return NO_QUOTA


async def test_a_stream_ends_with_its_credential() -> None:
    """Whatever it was doing; as long as the credential holds, the look at it changes nothing."""
    doorman = Revocable()
    async with an_edge(STREAMS, authenticator=doorman) as edge:
        asking, waiting = edge.bidi_stream("Silent")(), edge.server_stream("Wait")(raw(1))
        await asking.write(raw(5))
        assert (read(await asking.read()), read(await waiting.read())) == (5, 1)
        edge.boundary.end_revoked()
        await asking.write(raw(6))
        assert read(await asking.read()) == 6
        doorman.is_open = False
        edge.boundary.end_revoked()
        errors = [await failure(stream.read()) for stream in (asking, waiting)]

    assert {error.code() for error in errors} == {grpc.StatusCode.UNAUTHENTICATED}


async def test_more_streams_than_allowed_are_refused() -> None:
    """At once and with a time to retry; unary calls have slots of their own."""
    admission = replace(ADMISSION, max_concurrent_streams=2)
    options = replace(OPTIONS, admission=admission)
    async with an_edge({**STREAMS, **METHODS}, options=options) as edge:
        opened = [edge.server_stream("Wait")(raw(1)) for _ in range(2)]
        for stream in opened:
            await stream.read()
        error = await failure(edge.server_stream("Wait")(raw(1)).read())
        unary = read(await edge.unary("Double")(raw(1)))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "RetryInfo" in details(error)
    assert unary == 2


async def flood(_request: Int64Value, _caller: Principal) -> AsyncGenerator[Message, None]:
    made.append(0)
    while True:
        made[-1] += 1
        yield BytesValue(value=bytes(64 * 1024))


made: list[int] = []


async def test_a_client_that_does_not_read_is_not_written_to_for_ever() -> None:
    """Responses are made when there is room; the idle deadline frees what the client holds."""
    options = replace(OPTIONS, stream_idle_s=0.4)
    async with an_edge({"Flood": ServerStream(Int64Value, flood)}, options=options) as edge:
        stream = edge.server_stream("Flood")(raw(1))
        await stream.read()
        await until(lambda: edge.value("soma_server_streams_open") == 0)
        stopped_at = made[-1]
        await asyncio.sleep(0.1)

    assert made[-1] == stopped_at < 1000


async def test_a_request_that_is_read_late_is_the_same_to_callers() -> None:
    """Answers, refusals, malformed and missing messages; one that is sent too slowly holds its slot for no longer."""
    options = replace(OPTIONS, reads_late=True, default_deadline_s=0.3)
    async with an_edge(METHODS, options=options) as edge:
        answer = read(await edge.unary("Double")(raw(21)))
        codes = [
            (await failure(edge.unary("Double")(request))).code()
            for request in (MALFORMED, raw(-1), raw(13))
        ]
        slow: Any = edge.channel.stream_unary(f"/{SERVICE}/Double")()  # begins, and says nothing
        late = await failure(slow)
        idle = edge.value("soma_server_rpcs_in_progress")

    assert answer == 42
    assert codes == [
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
    ]
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert idle == 0


async def test_a_request_that_does_not_come_holds_no_slot_for_long() -> None:
    """Those who began calls and said nothing, with an hour to go, do not shut others out."""
    options = replace(OPTIONS, reads_late=True, default_deadline_s=0.3)
    async with an_edge(METHODS, options=options) as edge:
        halves: Any = edge.channel.stream_unary(f"/{SERVICE}/Double")
        silent = [halves(held_open(), timeout=3600) for _ in range(16)]
        await until(lambda: edge.value("soma_server_rpcs_in_progress") == 16)
        refused = await failure(edge.unary("Double")(raw(21)))
        late = {(await failure(each)).code() for each in silent}
        answer = read(await edge.unary("Double")(raw(21)))

    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert late == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert answer == 42


class GoneContext:
    """A call whose client has gone, as gRPC shows it to whoever writes in that moment."""

    async def write(self, _message: bytes) -> None:
        raise grpc.aio.InternalError('Failed "execute_batch"')


async def test_a_client_who_goes_while_it_is_answered_is_no_fault_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log is for what the server's operator can mend, and INTERNAL for bugs."""
    async with an_edge(METHODS) as edge:
        name = f"{SERVICE}/CountTo"
        handler: Any = edge.boundary.handlers(SERVICE, METHODS)["CountTo"]
        with pytest.raises(asyncio.CancelledError):
            await handler.unary_stream(raw(3), GoneContext())

        count = "soma_server_stream_duration_seconds_count"
        assert edge.value(count, method=name, code="CANCELLED") == 1
    assert not [line for line in caplog.records if line.levelname == "ERROR"]
