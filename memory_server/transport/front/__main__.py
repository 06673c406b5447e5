"""The program of a front process: started by the engine with one end of a socket pair, `--link FD`."""

import argparse
import asyncio
import ctypes
import json
import logging
import signal
import socket
import sys
from collections.abc import Coroutine
from typing import Any

import grpc
import uvloop

from memory_server.transport.front import frames
from memory_server.transport.front.calls import Front
from memory_server.transport.front.frames import Link
from memory_server.transport.front.options import FrontOptions
from memory_server.transport.tls import Certificates
from soma_common.errors import SomaError

_PR_SET_PDEATHSIG = 1

_OWN_OF_RECORDS = frozenset(vars(logging.makeLogRecord({})))


class FrontProcess:
    """What a front process does from its first frame to its last one; to be made inside the running loop."""

    def __init__(self) -> None:
        self.link = Link(self._receive, self._lost)
        self.is_over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._front: Front | None = None
        self._options: FrontOptions | None = None
        self._server: grpc.aio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, what: dict[str, Any]) -> None:
        """Tell the engine of something for its log or its metrics; from any thread."""
        body = json.dumps(what, default=str).encode()
        self._loop.call_soon_threadsafe(self.link.send, frames.NOTE, 0, body)

    def _receive(self, kind: int, number: int, body: bytes) -> None:
        if number and self._front is not None:
            self._front.receive(kind, number, body)
        elif kind == frames.CONFIGURE:
            self._options = FrontOptions.of(body)
            logging.basicConfig(level=self._options.log_level, handlers=[_Noting(self)])
        elif kind == frames.LISTEN and self._options is not None:
            self._start(self._listen(self._options))
        elif kind == frames.STOP:
            [grace_s] = frames.SECONDS.unpack(body)
            self._start(self._stop(grace_s))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lost(self) -> None:
        if self._front is not None:
            self._front.end()
        self.is_over.set()

    async def _listen(self, options: FrontOptions) -> None:
        self._front = Front(options, self.link.send)
        server = self._server = grpc.aio.server(options=list(options.channel))
        for service, handlers in self._front.handlers().items():
            server.add_registered_method_handlers(service, handlers)
        try:
            if options.tls is None:
                server.add_insecure_port(options.address)
            else:
                certificates = Certificates(*options.tls, self._reloaded)
                server.add_secure_port(options.address, certificates.credentials())
        except (RuntimeError, SomaError) as error:
            # gRPC says no more than that it cannot; of certificates we know better.
            reason = str(error) if isinstance(error, SomaError) else ""
            self.link.send(frames.REFUSED, 0, reason.encode())
            return
        await server.start()
        self.link.send(frames.LISTENING)

    async def _stop(self, grace_s: float) -> None:
        if self._server is not None:
            await self._server.stop(grace_s)
        self.link.send(frames.STOPPED)
        self.link.close()

    def _reloaded(self, outcome: str) -> None:
        self.note({"tls_reload": outcome})


class _Noting(logging.Handler):
    """Lets the engine write the log lines of this process, in its form and with its labels."""

    def __init__(self, process: FrontProcess) -> None:
        super().__init__()
        self._process = process

    def emit(self, record: logging.LogRecord) -> None:
        extra = {key: value for key, value in vars(record).items() if key not in _OWN_OF_RECORDS}
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + logging.Formatter().formatException(record.exc_info)
        line = {"logger": record.name, "level": record.levelno, "message": message, "extra": extra}
        self._process.note({"log": line})


async def _run(link_fd: int) -> None:
    process = FrontProcess()
    ours = socket.socket(fileno=link_fd)
    await asyncio.get_running_loop().create_connection(lambda: process.link, sock=ours)
    await process.is_over.wait()


def main() -> int:
    """Run until the engine ends the process or itself."""
    parser = argparse.ArgumentParser(prog="memory_server.transport.front", description=__doc__)
    parser.add_argument("--link", type=int, required=True, metavar="FD")
    given = parser.parse_args()
    if sys.platform == "linux":
        # An engine that is killed must not leave a process on its port.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    uvloop.run(_run(given.link))
    return 0


if __name__ == "__main__":
    sys.exit(main())
