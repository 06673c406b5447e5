"""A TCP proxy that a test can cut, silence and mend: faults of the network before a real server."""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Literal, Self

from tests.support.server_process import HOST

Mode = Literal["open", "cut", "silent"]


class TcpProxy:
    """Passes bytes to a port of this machine, until told otherwise.

    Cut: connections break, and new ones break at once. Silent: they stay, and nothing passes, as behind a
    load balancer that forgot them. An answer may be lost: its connection breaks when it comes, and new ones work.

    Args:
        target_port: Where the bytes go.
        answers_per_s: Bytes of answers that pass in a second, on each connection. None: as many as there are.
    """

    def __init__(self, target_port: int, answers_per_s: float | None = None) -> None:
        self._answers_per_s = answers_per_s
        self._target = (HOST, target_port)
        self._listener = socket.create_server((HOST, 0))
        self._mode: Mode = "open"
        self._losing = threading.Event()
        self._passing = threading.Event()
        self._passing.set()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        self._passing.set()
        self._listener.close()

    def cut(self) -> None:
        """Break every connection, and each new one."""
        with self._lock:
            self._mode = "cut"
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def silence(self) -> None:
        """Let nothing pass, and tell nobody."""
        self._mode = "silent"
        self._passing.clear()

    def lose_an_answer(self) -> None:
        """Break the connection on which the server next answers a call, instead of passing the answer."""
        self._losing.set()

    @property
    def is_losing(self) -> bool:
        """Whether the answer that is to be lost has yet to come."""
        return self._losing.is_set()

    def mend(self) -> None:
        """Let everything pass again; what was silenced is lost, as its connections are broken now."""
        was_silent = self._mode == "silent"
        if was_silent:
            self.cut()
        self._mode = "open"
        self._passing.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:  # nobody is there, which the client sees as well
                client.close()
                continue
            # Asked under the lock: a connection that came while the others were cut must not live on.
            with self._lock:
                is_cut = self._mode == "cut"
                if not is_cut:
                    self._sockets |= {client, server}
            if is_cut:
                client.close()
                server.close()
                continue
            for ends in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_from_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._passing.wait()
                if is_from_server and self._losing.is_set() and _is_answer(data):
                    self._losing.clear()
                    break
                sink.sendall(data)
                if is_from_server and self._answers_per_s:
                    time.sleep(len(data) / self._answers_per_s)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._sockets.discard(source)
        source.close()


def _is_answer(data: bytes) -> bool:
    """Tell whether HTTP/2 frames, of which the first begins the data, bring headers or data of a call."""
    while len(data) >= 9:
        if data[3] in (0, 1):
            return True
        data = data[9 + int.from_bytes(data[:3], "big") :]
    return False
