"""The engine's side of relayed calls: runs each call's handler as gRPC would in this process.

A handler is what gRPC calls one: a coroutine that is given the request (or the requests) and the context, or an
asynchronous generator of responses.
"""

import asyncio
import inspect
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import grpc

from memory_server.transport.front import frames
from memory_server.transport.front.frames import READ_AHEAD, WINDOW_BYTES, Failure, Opening
from memory_server.transport.front.options import RelayedMethod

log = logging.getLogger(__name__)

WINDOW_RESPONSES = 8
"""A response of a stream waits while so many of the same call have not been taken by gRPC; see also `WINDOW_BYTES`."""

Handler = Any
"""A `grpc.RpcMethodHandler`."""

_BROKEN_OFF = Failure(
    grpc.StatusCode.UNAVAILABLE.value[0],
    "the server has broken the call off; whether it was carried out is not known",
)
"""As for a connection that breaks: clients of every language try again, and a request id makes that safe."""

_FAILED = Failure(grpc.StatusCode.UNKNOWN.value[0], "the method failed")


class Aborted(Exception):
    """Raised by `RelayedCall.abort`, so that nothing of the handler runs on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Registry:
    """Collects handlers as a gRPC server does."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Take nothing: whoever gives these gives the same handlers by name, too."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Take the handlers of a service."""
        self.handlers |= {f"/{service}/{name}": handler for name, handler in handlers.items()}

    def methods(self) -> tuple[RelayedMethod, ...]:
        """Return how their calls look on the wire, in their order."""
        return tuple(
            RelayedMethod(path, handler.request_streaming, handler.response_streaming)
            for path, handler in self.handlers.items()
        )


class Relay:
    """The calls of one front process.

    Args:
        handlers: In the order of `FrontOptions.methods`.
        send: Sends a frame to the front process.
    """

    def __init__(
        self, handlers: Sequence[Handler], send: Callable[[int, int, bytes], None]
    ) -> None:
        self._handlers = handlers
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, RelayedCall] = {}

    def receive(self, kind: int, number: int, body: bytes) -> None:
        """Take what a front process says of a call."""
        if kind == frames.OPEN:
            opening = Opening.of(body)
            call = RelayedCall(number, opening, self._handlers[opening.method], self._send)
            self._calls[number] = call
            call.task = self._loop.create_task(self._run(call))
            # Not at the end of the task: one that is cancelled before it begins has none.
            call.task.add_done_callback(lambda _task: self._calls.pop(number))
        elif (known := self._calls.get(number)) is not None:
            known.receive(kind, body)

    @property
    def open_calls(self) -> int:
        """How many calls there are."""
        return len(self._calls)

    def end(self) -> None:
        """Cancel every call: the front process has gone, and the clients with it."""
        for call in self._calls.values():
            call.cancel()

    async def _run(self, call: "RelayedCall") -> None:
        try:
            answer = await call.answered()
        except Aborted as aborted:
            self._send(frames.FAIL, call.number, aborted.failure.packed())
        except asyncio.CancelledError:
            # Of a client that has gone the front process knows, and waits for no word.
            if not call.is_cancelled:
                self._send(frames.FAIL, call.number, _BROKEN_OFF.packed())
        except Exception:
            # What gRPC does, too, with a handler that fails by a bug.
            log.exception("a handler failed")
            self._send(frames.FAIL, call.number, _FAILED.packed())
        else:
            self._send(frames.END, call.number, answer)


class RelayedCall:
    """One call, as its handler sees it; see `Context`."""

    def __init__(
        self,
        number: int,
        opening: Opening,
        handler: Handler,
        send: Callable[[int, int, bytes], None],
    ) -> None:
        self.number = number
        self.task: asyncio.Task[None] | None = None
        self.is_cancelled = False
        self._opening = opening
        self._handler = handler
        self._send = send
        self._ends_at: float | None = None
        if opening.time_remaining_s is not None:
            self._ends_at = asyncio.get_running_loop().time() + opening.time_remaining_s
        self._requests: asyncio.Queue[bytes | None] | None = None
        self._has_last_request = False
        self._untaken: deque[int] = deque()
        self._untaken_bytes = 0
        self._room: asyncio.Future[None] | None = None

    def receive(self, kind: int, body: bytes) -> None:
        """Take what the front process says."""
        if kind == frames.GONE:
            self.cancel()
        elif kind == frames.TAKEN:
            self._untaken_bytes -= self._untaken.popleft()
            if self._room is not None and not self._room.done():
                self._room.set_result(None)
        elif self._requests is not None:
            self._requests.put_nowait(body if kind == frames.REQUEST else None)

    def cancel(self) -> None:
        """End the handler: nobody waits for it."""
        self.is_cancelled = True
        if self.task is not None:
            self.task.cancel()

    async def answered(self) -> bytes:
        """Run the handler and return the last response, if the call has one."""
        handler = self._handler
        given: Any = self._opening.request
        if handler.request_streaming:
            given = self._parsed_requests()
        elif handler.request_deserializer is not None:
            given = handler.request_deserializer(given)
        if not handler.response_streaming:
            run = handler.stream_unary if handler.request_streaming else handler.unary_unary
            return self._serialized(await run(given, self))
        run = handler.stream_stream if handler.request_streaming else handler.unary_stream
        if inspect.isasyncgenfunction(run):
            async for response in run(given, self):
                await self.write(response)
        else:
            await run(given, self)
        return b""

    def time_remaining(self) -> float | None:
        """See the protocol."""
        if self._ends_at is None:
            return None
        return max(self._ends_at - asyncio.get_running_loop().time(), 0.0)

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]]:
        """See the protocol."""
        headers, _ = self._facts()
        return [(name, text or bytes.fromhex(raw)) for name, text, raw in headers]

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """See the protocol."""
        _, names = self._facts()
        return {key: [bytes.fromhex(value) for value in values] for key, values in names.items()}

    async def read(self) -> Any:
        """See the protocol."""
        if self._requests is None:
            # Bounded by the credit that is given.
            self._requests = asyncio.Queue()
            for _ in range(1 + READ_AHEAD if self._handler.response_streaming else 1):
                self._send(frames.CREDIT, self.number, b"")
        elif self._has_last_request:
            return grpc.aio.EOF
        else:
            self._send(frames.CREDIT, self.number, b"")
        request = await self._requests.get()
        if request is None:
            self._has_last_request = True
            return grpc.aio.EOF
        return request

    async def write(self, message: Any) -> None:
        """See the protocol."""
        body = self._serialized(message)
        while self._untaken and (
            self._untaken_bytes + len(body) > WINDOW_BYTES or len(self._untaken) >= WINDOW_RESPONSES
        ):
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        self._untaken.append(len(body))
        self._untaken_bytes += len(body)
        self._send(frames.RESPONSE, self.number, body)

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: Sequence[tuple[str, bytes]] = (),
    ) -> NoReturn:
        """See the protocol."""
        status = dict(trailing_metadata).get("grpc-status-details-bin", b"")
        raise Aborted(Failure(code.value[0], details, status))

    def _facts(self) -> Any:
        return json.loads(self._opening.facts) if self._opening.facts else ((), {})

    def _serialized(self, message: Any) -> bytes:
        serializer = self._handler.response_serializer
        body: bytes = message if serializer is None else serializer(message)
        return body or b""

    async def _parsed_requests(self) -> AsyncIterator[Any]:
        parse = self._handler.request_deserializer
        while (request := await self.read()) is not grpc.aio.EOF:
            yield request if parse is None else parse(request)
