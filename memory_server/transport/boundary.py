"""The edge of every call: bytes in, bytes out; credential, admission, deadline, errors, metrics.

One wrapper instead of a chain of interceptors: each of those costs about 25 µs a call, a tenth of the whole. Requests
are parsed here rather than by gRPC, because gRPC answers bytes that are no message with INTERNAL.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2

from memory_server.transport.admission import Admission, AdmissionOptions
from memory_server.transport.audit import AuditTrail
from memory_server.transport.auth import AccessScope, Authenticator, Principal
from memory_server.transport.context import Context
from memory_server.transport.methods import (
    AnyMethod,
    BidiStream,
    ClientStream,
    Method,
    ServerStream,
)
from memory_server.transport.metrics import ServerMetrics
from memory_server.transport.status_map import internal_status, trailing_status_of
from memory_server.transport.streams import IdleDeadline, Requests, parse
from soma_common.errors import (
    DeadlineExceeded,
    PermissionRefused,
    SomaError,
    Unauthenticated,
    Unavailable,
)

log = logging.getLogger(__name__)

QUIET_EVERY_S = 0.05
"""Between two looks whether a draining server is at work."""

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer")

if TYPE_CHECKING:
    _Handler = grpc.RpcMethodHandler[bytes, bytes]


@dataclass(frozen=True, slots=True)
class BoundaryOptions:
    """What the settings decide about calls.

    Attributes:
        admission: How many, and how fast.
        default_deadline_s: Deadline of a unary call whose client gave none, and of the reading of any request, seconds.
        stream_idle_s: How long a stream may be open without a message in either direction, seconds.
    """

    admission: AdmissionOptions
    default_deadline_s: float
    stream_idle_s: float
    reads_late: bool = False
    """Read a request only when its caller is let in. gRPC else holds whole messages of whoever sends them, 8 MiB each;
    it costs some 15 µs a call, so only where callers are not trusted."""


class Boundary:
    """Wraps methods into gRPC handlers; to be made inside the running loop."""

    def __init__(
        self,
        authenticator: Authenticator,
        metrics: ServerMetrics,
        options: BoundaryOptions,
        audit: AuditTrail | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._audit = audit
        self._metrics = metrics
        self._options = options
        now = asyncio.get_running_loop().time
        self._admission = Admission(options.admission, metrics, now, authenticator.quota)
        self._streams: dict[_Stream, Principal] = {}
        self._is_draining = False

    def handlers(self, service: str, methods: Mapping[str, AnyMethod]) -> "dict[str, _Handler]":
        """Return the handlers of a service's methods, by their names."""
        return {
            name: self._handler(f"{service}/{name}", method) for name, method in methods.items()
        }

    def drain(self) -> None:
        """Let no stream take further requests, and end those that would go on for ever; unary calls are not touched."""
        self._is_draining = True
        for stream in self._streams:
            stream.drain()

    async def quiet(self) -> None:
        """Return when no method is at work any more; the last words to a caller who does not read may still wait."""
        # An event would be set and cleared by every call, for the one stop of a server.
        while self._admission.calls or self._admission.streams:  # noqa: ASYNC110
            await asyncio.sleep(QUIET_EVERY_S)

    def end_revoked(self) -> None:
        """End the streams whose credential is no longer accepted."""
        for stream, principal in self._streams.items():
            if not self._authenticator.is_current(principal):
                stream.end(Unauthenticated("the credential is no longer accepted"))

    def _handler(self, full_name: str, method: AnyMethod) -> "_Handler":
        match method:
            case Method():
                if self._options.reads_late:
                    # On the wire a unary call is a stream of one message, which is read when it is asked for.
                    return grpc.stream_unary_rpc_method_handler(self._unary(full_name, method))
                return grpc.unary_unary_rpc_method_handler(self._unary(full_name, method))
            case ServerStream():
                return grpc.unary_stream_rpc_method_handler(self._server_stream(full_name, method))
            case ClientStream():
                return grpc.stream_unary_rpc_method_handler(self._client_stream(full_name, method))
            case BidiStream():
                return grpc.stream_stream_rpc_method_handler(self._bidi_stream(full_name, method))

    def _unary(self, full_name: str, method: Method[Any]) -> Any:
        async def handle(raw: object, context: Context) -> bytes:
            started = time.perf_counter()
            code = "CANCELLED"
            call = _Call()
            try:
                answer = await self._guarded(self._answer(method, raw, context, call))
                code = _code_name(answer)
            finally:
                self._metrics.rpc_time(full_name, code).observe(time.perf_counter() - started)
                if self._is_audited(method):
                    self._record(full_name, call, code)
            return await _answered(answer, context)

        return handle

    async def _answer(
        self, method: Method[Any], raw: object, context: Context, call: "_Call"
    ) -> bytes:
        principal = call.principal = self._authenticator.authenticate(context)
        self._require_scope(method.scope, principal)
        self._admission.enter_call(principal)
        try:
            body = raw if isinstance(raw, bytes) else await self._body(context)
            self._admission.take_bytes(principal, len(body))
            call.request = request = parse(method.request_type, body)
            response = await self._in_time(method.answer(request, principal), context)
            call.response = response
            return response.SerializeToString()
        finally:
            self._admission.leave_call(principal)

    async def _body(self, context: Context) -> bytes:
        """Read the one message of a unary call, in no more time than the default deadline, whatever its caller gave.

        A slot is held meanwhile, and a caller could hold as many as it likes for as long as it says.
        """
        async with asyncio.timeout(self._options.default_deadline_s):
            body: Any = await context.read()
        return b"" if body is grpc.aio.EOF else body

    async def _in_time(self, answer: Awaitable[Answer], context: Context) -> Answer:
        """Wait for an answer; gRPC itself cancels a call whose client gave a deadline."""
        given_s: float | None = context.time_remaining()
        if given_s is not None:
            return await answer
        async with asyncio.timeout(self._options.default_deadline_s):
            return await answer

    def _server_stream(self, full_name: str, method: ServerStream[Any]) -> Any:
        async def handle(raw: bytes, context: Context) -> None:
            async def run(stream: _Stream, caller: Principal) -> bytes:
                stream.ends_on_drain = method.ends_on_drain
                stream.first = request = parse(method.request_type, raw)
                return await stream.send(method.answer(request, caller))

            await self._streamed(full_name, method, context, run)

        return handle

    def _client_stream(self, full_name: str, method: ClientStream[Any]) -> Any:
        async def handle(_requests: object, context: Context) -> bytes:
            async def run(stream: _Stream, caller: Principal) -> bytes:
                requests = stream.requests(method.request_type, self._admission, caller)
                response = await method.answer(requests, caller)
                stream.about_to_answer(response)
                return response.SerializeToString()

            return await self._streamed(full_name, method, context, run)

        return handle

    def _bidi_stream(self, full_name: str, method: BidiStream[Any]) -> Any:
        async def handle(_requests: object, context: Context) -> None:
            async def run(stream: _Stream, caller: Principal) -> bytes:
                requests = stream.requests(method.request_type, self._admission, caller)
                return await stream.send(method.answer(requests, caller))

            await self._streamed(full_name, method, context, run)

        return handle

    async def _streamed(
        self,
        full_name: str,
        method: AnyMethod,
        context: Context,
        run: Callable[["_Stream", Principal], Awaitable[bytes]],
    ) -> bytes:
        """Run one streaming call under everything that holds for all of them; return its last message, if any."""
        started = time.perf_counter()
        code = "CANCELLED"
        stream = _Stream(context, self._options.stream_idle_s)
        if self._is_audited(method):
            stream.note = lambda request, response: self._record(
                full_name, _Call(stream.principal, request, response), "OK"
            )
        try:
            answer = await self._guarded(self._in_stream(method.scope, stream, run))
            code = _code_name(answer)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.observe_stream(full_name, code, seconds, stream.received, stream.sent)
            if self._is_audited(method):
                self._record(full_name, _Call(stream.principal, stream.first), code)
        return await _answered(answer, context)

    async def _in_stream(
        self,
        scope: AccessScope,
        stream: "_Stream",
        run: Callable[["_Stream", Principal], Awaitable[bytes]],
    ) -> bytes:
        if self._is_draining:
            raise _stopping()
        principal = stream.principal = self._authenticator.authenticate(stream.context)
        self._require_scope(scope, principal)
        self._admission.enter_stream(principal)
        self._streams[stream] = principal
        try:
            return await stream.run(run(stream, principal))
        finally:
            del self._streams[stream]
            self._admission.leave_stream(principal)

    def _is_audited(self, method: AnyMethod) -> bool:
        return self._audit is not None and method.scope is not AccessScope.READ

    def _record(self, full_name: str, call: "_Call", code: str) -> None:
        if self._audit is not None:
            self._audit.record(full_name, call.principal, code, call.request, call.response)

    def _require_scope(self, scope: AccessScope, principal: Principal) -> None:
        if scope not in principal.scopes:
            self._metrics.auth_failures.labels("scope").inc()
            raise PermissionRefused("the credential does not allow this", scope=scope)

    async def _guarded(self, answer: Awaitable[bytes]) -> bytes | status_pb2.Status:
        """Return what was answered, or the status of what went wrong."""
        try:
            return await answer
        except SomaError as error:
            return trailing_status_of(error)
        except TimeoutError:
            message = "the time is over; a write may have happened: repeat it with its request id"
            return trailing_status_of(DeadlineExceeded(message))
        except Exception:
            # The outermost edge: a bug is logged here, once, and its text stays here.
            log.exception("a call failed")
            return internal_status()


@dataclass(slots=True)
class _Call:
    """What is known of one call so far."""

    principal: Principal | None = None
    request: Message | None = None
    response: Message | None = None


class _Stream:
    """One streaming call that is open."""

    def __init__(self, context: Context, idle_s: float) -> None:
        self.context = context
        self.principal: Principal | None = None
        self.first: Message | None = None
        """The first request, which names what the others are about."""
        self.note: Callable[[Message | None, Message], None] | None = None
        """Told of every response, with the first request."""
        self.ends_on_drain = False
        self.received = 0
        self.sent = 0
        self._idle_s = idle_s
        self._whole = asyncio.timeout(None)
        self._idle: IdleDeadline | None = None
        self._requests: Requests[Any] | None = None
        self._reason: SomaError | None = None

    async def run(self, answer: Awaitable[bytes]) -> bytes:
        """Run the method until it, the client, the idle deadline or the server ends it."""
        try:
            async with self._whole:
                self._idle = IdleDeadline(self._whole, self._idle_s)
                last = await answer
        except TimeoutError as error:
            if not self._whole.expired():
                raise
            message = "nothing moved on the stream for too long; open it again when there is more"
            idle = DeadlineExceeded(message, idle_s=self._idle_s)
            raise (self._reason or idle) from error
        if self._reason is not None:
            raise self._reason
        return last

    def requests(
        self, request_type: type[Request], admission: Admission, caller: Principal
    ) -> Requests[Request]:
        """Return the requests, to be read once."""

        async def arrived(request: Message, size: int) -> None:
            self.first = self.first or request
            self.received += 1
            self._touch()
            await admission.pace(caller, size)

        self._requests = requests = Requests(request_type, self.context, arrived)
        return requests

    async def send(self, responses: AsyncGenerator[Message, None]) -> bytes:
        """Write all responses; each is made when gRPC has room for it."""
        async with aclosing(responses):
            async for response in responses:
                self.about_to_answer(response)
                try:
                    await self.context.write(response.SerializeToString())
                except grpc.aio.InternalError as error:
                    # That is how gRPC says that the client has gone, when it finds out while it writes.
                    raise asyncio.CancelledError from error
                self._touch()
        return b""

    def about_to_answer(self, response: Message) -> None:
        """Count and note a response, before the caller hears of it."""
        self.sent += 1
        if self.note is not None:
            self.note(self.first, response)

    def drain(self) -> None:
        """End the requests, or the whole stream where it has none and would go on for ever."""
        if self._requests is not None:
            if not self._requests.is_ended:
                self._reason = _stopping()
                self._requests.end()
        elif self.ends_on_drain:
            self.end(_stopping())

    def end(self, reason: SomaError) -> None:
        """End the stream now, whatever it does."""
        self._reason = reason
        if self._idle is not None:
            self._idle.strike()

    def _touch(self) -> None:
        if self._idle is not None:
            self._idle.touch()


def _stopping() -> Unavailable:
    return Unavailable("the server is stopping; call again, to another one")


_CODES = {code.value[0]: code for code in grpc.StatusCode}
_CODE_NAMES = {number: code.name for number, code in _CODES.items()}


def _code_name(answer: bytes | status_pb2.Status) -> str:
    return "OK" if isinstance(answer, bytes) else _CODE_NAMES[answer.code]


async def _answered(answer: bytes | status_pb2.Status, context: Context) -> bytes:
    """Return the message, or end the call with the status."""
    if isinstance(answer, status_pb2.Status):
        details = (("grpc-status-details-bin", answer.SerializeToString()),)
        await context.abort(_CODES[answer.code], answer.message, details)
    assert isinstance(answer, bytes)
    return answer
