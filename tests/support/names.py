"""A name server for one name whose addresses a test changes: what a headless Service looks like from a client."""

import socket
import struct
import threading
from types import TracebackType
from typing import Self

from tests.support.server_process import HOST

_HEADER = struct.Struct("!6H")
_ANSWER = struct.Struct("!HHHLH4s")
_QUESTION_END = 5
_TYPE_A, _CLASS_IN = 1, 1
_FLAGS = 0x8580
"""An answer, with authority, without an error."""


class NameServer:
    """Answers every question for IPv4 addresses with the present ones, and all others with none.

    Attributes:
        addresses: What the name stands for now.
    """

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self._thread = threading.Thread(target=self._serve)
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An empty question ends the thread.
        self._socket.sendto(b"", (HOST, self.port))
        self._thread.join()
        self._socket.close()

    def target(self, name: str, port: int) -> str:
        """Return what a gRPC channel takes."""
        return f"dns://{HOST}:{self.port}/{name}:{port}"

    def _serve(self) -> None:
        while True:
            question, sender = self._socket.recvfrom(512)
            if not question:
                return
            self._socket.sendto(self._answer(question), sender)

    def _answer(self, message: bytes) -> bytes:
        number = message[:2]
        # The name ends with an empty label; two bytes of type and two of class follow.
        end = message.index(0, _HEADER.size) + _QUESTION_END
        question = message[_HEADER.size : end]
        is_asked = struct.unpack("!H", question[-4:-2]) == (_TYPE_A,)
        packed = [socket.inet_aton(one) for one in self.addresses] if is_asked else []
        header = number + struct.pack("!5H", _FLAGS, 1, len(packed), 0, 0)
        # The first field points back to the name in the question.
        records = [_ANSWER.pack(0xC00C, _TYPE_A, _CLASS_IN, 0, 4, one) for one in packed]
        return header + question + b"".join(records)
