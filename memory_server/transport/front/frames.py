"""What travels between the engine and a front process, and the link for it; `front/frames.go` is its other half.

A frame is a head (length of the body, kind, number of the call) and a body. Frames of one turn of the event loop travel
together: a system call costs more than a frame.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Final, NamedTuple, cast

HEAD = struct.Struct("<IBQ")
"""Length of the body, kind, call; calls are numbered by the front process, 0: none in particular."""

# From the engine.
CONFIGURE: Final = 1
"""JSON of `FrontOptions`; the first frame of a link."""
LISTEN: Final = 2
STOP: Final = 3
"""Accept nothing more, and give open calls so many seconds (`SECONDS`)."""
CREDIT: Final = 4
"""The handler has taken a request, if there was one, and one more may be read from the client."""
RESPONSE: Final = 5
END: Final = 6
"""The call has succeeded; the body is the response of a call that has one."""
FAIL: Final = 7
"""The call has failed: see `Failure`."""

# From a front process.
LISTENING: Final = 8
REFUSED: Final = 9
"""The port cannot be opened."""
OPEN: Final = 10
"""A call begins: see `Opening`."""
REQUEST: Final = 11
LAST_REQUEST: Final = 12
"""The client has sent its last request before."""
TAKEN: Final = 13
"""gRPC has taken the oldest response that was not taken yet, and its connection has room for another one."""
GONE: Final = 14
"""The client has gone, or its deadline is over."""
NOTE: Final = 15
"""JSON of something for the log or the metrics."""
STOPPED: Final = 16

READ_AHEAD = 15
"""Requests of a stream that may be under way while one is worked on, so that a handler finds several at once."""

WINDOW_BYTES = 256 * 1024
"""No further request of a stream is read, and no response written, while so much of it waits for the other side. One
that is larger goes by itself."""

SECONDS = struct.Struct("<d")
_OPENING = struct.Struct("<HdI")
_FAILURE = struct.Struct("<HI")


class Opening(NamedTuple):
    """How a call begins.

    Attributes:
        method: Number of the method in `FrontOptions.methods`.
        time_remaining_s: Until the caller's deadline; None: it gave none.
        facts: JSON of the headers and the certificate's names that decide who calls; empty: nobody asks.
        request: The one request, where it comes at once.
    """

    method: int
    time_remaining_s: float | None
    facts: bytes
    request: bytes

    @classmethod
    def of(cls, body: bytes) -> "Opening":
        """Return what a body says."""
        method, left, size = _OPENING.unpack_from(body)
        start = _OPENING.size + size
        facts = body[_OPENING.size : start]
        return cls(method, None if left < 0 else left, facts, body[start:])


class Failure(NamedTuple):
    """How a call fails: a number of `grpc.StatusCode`, a text, and the value of grpc-status-details-bin."""

    code: int
    message: str
    details: bytes = b""

    def packed(self) -> bytes:
        """Return the body of its frame."""
        text = self.message.encode()
        return b"".join((_FAILURE.pack(self.code, len(text)), text, self.details))


class Link(asyncio.Protocol):
    """One end of a socket pair.

    Args:
        receive: Given kind, call and body of every frame, in their order.
        lost: Called once when the other end has gone.
    """

    def __init__(
        self, receive: Callable[[int, int, bytes], None], lost: Callable[[], None]
    ) -> None:
        self._receive = receive
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._part = bytearray()
        """The beginning of a frame whose rest has not come yet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to send."""
        self._transport = cast("asyncio.Transport", transport)
        self._flush()

    def connection_lost(self, _error: Exception | None) -> None:
        """Send nothing any more."""
        self._transport = None
        self._waiting.clear()
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Take bytes apart into frames."""
        whole: bytes | bytearray = data
        if self._part:
            self._part += data
            whole = self._part
        start, end = 0, len(whole)
        while end - start >= HEAD.size:
            size, kind, call = HEAD.unpack_from(whole, start)
            body = start + HEAD.size
            if end - body < size:
                break
            start = body + size
            self._receive(kind, call, bytes(whole[body:start]))
        if whole is self._part:
            del self._part[:start]
        elif start < end:
            self._part = bytearray(data[start:])

    def send(self, kind: int, call: int = 0, body: bytes = b"") -> None:
        """Send a frame, with the others of this turn of the loop; to an end that has gone, nothing."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting += (HEAD.pack(len(body), kind, call), body)

    def close(self) -> None:
        """Send what waits, and end the link."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        if self._transport is not None and self._waiting:
            self._transport.write(b"".join(self._waiting))
            self._waiting.clear()
