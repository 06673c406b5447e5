"""The front process's side of the calls: each is relayed to the engine.

Rules:
    1. A call ends with the engine's word, or with its client; the engine hears of the second.
    2. A request is read when the engine has given credit for it, and what was read before is not too large; a response
       counts as taken when gRPC has taken it.
"""

import asyncio
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import grpc

from memory_server.transport.context import Context
from memory_server.transport.front import frames
from memory_server.transport.front.frames import Failure, Opening
from memory_server.transport.front.options import FrontOptions, RelayedMethod

_CODES = {code.value[0]: code for code in grpc.StatusCode}

Word = tuple[int, bytes]
"""What the engine says of a call: kind and body of a frame."""

_ENGINE_IS_GONE = Failure(
    grpc.StatusCode.UNAVAILABLE.value[0],
    "the server has ended; a write may have happened: repeat it with its request id",
)


class Front:
    """Relays calls.

    Args:
        options: What is relayed.
        send: Sends a frame to the engine.
    """

    def __init__(self, options: FrontOptions, send: Callable[[int, int, bytes], None]) -> None:
        self._options = options
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._unary: dict[int, asyncio.Future[Word]] = {}
        """Calls of which only their one answer is missing."""
        self._streams: dict[int, _Stream] = {}

    def handlers(self) -> "dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]":
        """Return the handlers of all methods, by service and name."""
        found: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        for number, method in enumerate(self._options.methods):
            _, service, name = method.path.split("/")
            found.setdefault(service, {})[name] = self._handler(number, method)
        return found

    def receive(self, kind: int, number: int, body: bytes) -> None:
        """Take the engine's word about a call; of one that has ended meanwhile it means nothing."""
        answer = self._unary.get(number)
        if answer is not None:
            if not answer.done():
                answer.set_result((kind, body))
        elif (stream := self._streams.get(number)) is not None:
            stream.receive(kind, body)

    def end(self) -> None:
        """Fail every call: the engine has gone."""
        for number in [*self._unary, *self._streams]:
            self.receive(frames.FAIL, number, _ENGINE_IS_GONE.packed())

    def _handler(self, number: int, method: RelayedMethod) -> "grpc.RpcMethodHandler[Any, Any]":
        if not method.has_requests and not method.has_responses:
            return grpc.unary_unary_rpc_method_handler(self._unary_answer(number))
        if not method.has_requests:
            return grpc.unary_stream_rpc_method_handler(self._stream_answer(number))
        if not method.has_responses:
            return grpc.stream_unary_rpc_method_handler(self._late_answer(number))
        return grpc.stream_stream_rpc_method_handler(self._late_answer(number))

    def _unary_answer(self, method: int) -> Any:
        async def answer(raw: bytes, context: Context) -> bytes:
            opening = Opening(method, context.time_remaining(), self._facts(context), raw)
            number = next(self._numbers)
            self._send(frames.OPEN, number, opening.packed())
            future: asyncio.Future[Word] = self._loop.create_future()
            self._unary[number] = future
            try:
                kind, body = await future
            except asyncio.CancelledError:
                self._send(frames.GONE, number, b"")
                raise
            finally:
                del self._unary[number]
            return body if kind == frames.END else await _abort(context, body)

        return answer

    def _stream_answer(self, method: int) -> Any:
        async def answer(raw: bytes, context: Context) -> bytes:
            return await self._relayed(method, raw, context, is_read=False)

        return answer

    def _late_answer(self, method: int) -> Any:
        async def answer(_requests: object, context: Context) -> bytes:
            return await self._relayed(method, b"", context, is_read=True)

        return answer

    async def _relayed(self, method: int, raw: bytes, context: Context, *, is_read: bool) -> bytes:
        """Relay a call with streams, from its beginning to its end; return its last response, if it has one."""
        opening = Opening(method, context.time_remaining(), self._facts(context), raw)
        async with self._stream(context, opening, is_read=is_read) as stream:
            while True:
                kind, body = await stream.words.get()
                if kind != frames.RESPONSE:
                    break
                try:
                    await context.write(body)
                except grpc.aio.InternalError as error:
                    # That is how gRPC says that the client has gone, when it finds out while it writes.
                    raise asyncio.CancelledError from error
                self._send(frames.TAKEN, stream.number, b"")
        return body if kind == frames.END else await _abort(context, body)

    @asynccontextmanager
    async def _stream(
        self, context: Context, opening: Opening, *, is_read: bool
    ) -> AsyncIterator["_Stream"]:
        number = next(self._numbers)
        stream = self._streams[number] = _Stream(number)
        self._send(frames.OPEN, number, opening.packed())
        reading = asyncio.ensure_future(self._read(stream, context)) if is_read else None
        try:
            yield stream
        finally:
            del self._streams[number]
            if not stream.has_ended:
                self._send(frames.GONE, number, b"")
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, stream: "_Stream", context: Context) -> None:
        while True:
            await stream.window.may_read()
            try:
                request = await context.read()
            except grpc.aio.BaseError:
                # The client has gone in the middle of it; its handler is being cancelled.
                return
            if request is grpc.aio.EOF:
                self._send(frames.LAST_REQUEST, stream.number, b"")
                return
            stream.window.was_read(len(request))
            self._send(frames.REQUEST, stream.number, request)

    def _facts(self, context: Context) -> bytes:
        """Return JSON of what decides who calls."""
        options = self._options
        if not options.headers:
            return b""
        headers = [
            (name, value, "") if isinstance(value, str) else (name, "", value.hex())
            for name, value in context.invocation_metadata() or ()
            if name in options.headers
        ]
        names: dict[str, list[str]] = {}
        if options.is_identified:
            names = {
                key: [value.hex() for value in values]
                for key, values in context.auth_context().items()
                if key.startswith("x509_") and key != "x509_pem_cert"
            }
        return json.dumps((headers, names)).encode()


class RequestWindow:
    """How many requests of a stream may be read: as many as there is credit for, while they are small together."""

    def __init__(self) -> None:
        self._credit = 0
        self._untaken: deque[int] = deque()
        """Sizes of the requests that were read, and that the handler has not taken yet."""
        self._more = asyncio.Event()

    def allow(self) -> None:
        """Take one more credit: the handler has taken the oldest request, if there is one."""
        if self._untaken:
            self._untaken.popleft()
        self._credit += 1
        self._more.set()

    def was_read(self, size: int) -> None:
        """Count a request, bytes."""
        self._untaken.append(size)

    async def may_read(self) -> None:
        """Wait until one more may be read, and use a credit up."""
        while not self._credit or sum(self._untaken) >= frames.WINDOW_BYTES:
            self._more.clear()
            await self._more.wait()
        self._credit -= 1


class _Stream:
    """One call with streams, as the front process knows it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.words: asyncio.Queue[Word] = asyncio.Queue()
        """The engine's words; bounded by its window of responses that were not taken yet."""
        self.window = RequestWindow()
        self.has_ended = False
        """The engine has said its last word."""

    def receive(self, kind: int, body: bytes) -> None:
        if kind == frames.CREDIT:
            self.window.allow()
            return
        self.has_ended = self.has_ended or kind in (frames.END, frames.FAIL)
        self.words.put_nowait((kind, body))


async def _abort(context: Context, body: bytes) -> NoReturn:
    failure = Failure.of(body)
    details = (("grpc-status-details-bin", failure.details),) if failure.details else ()
    await context.abort(_CODES[failure.code], failure.message, details)
