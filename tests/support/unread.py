"""A client that calls and reads nothing: bare HTTP/2, because gRPC's clients read whatever comes."""

import socket
import struct
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from google.protobuf.message import Message

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4
_WINDOW = 65_535
"""Bytes of answers that a peer may send before anybody has read one, if nothing else is said."""


class UnreadCalls:
    """A connection on which calls are made whose answers are never read.

    Args:
        port: Of this machine.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, b""))
        self._next_stream = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def call(self, path: str, requests: Iterable[Message]) -> None:
        """Make a unary call for each request."""
        for request in requests:
            body = request.SerializeToString()
            message = struct.pack(">BI", 0, len(body)) + body
            stream, self._next_stream = self._next_stream, self._next_stream + 2
            self._socket.sendall(
                _frame(_HEADERS, _END_HEADERS, stream, _headers(path))
                + _frame(_DATA, _END_STREAM, stream, message)
            )

    def is_cut_off(self) -> bool:
        """Tell whether the peer has ended the connection, which is found by reading what it has sent."""
        self._socket.settimeout(0.2)
        try:
            while self._socket.recv(_WINDOW):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


def _headers(path: str) -> bytes:
    """Return the headers of a call, each as a literal that is not to be indexed."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "test",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())


def _text(text: str) -> bytes:
    assert len(text) < 127, "longer ones have another form"
    return bytes([len(text)]) + text.encode()
