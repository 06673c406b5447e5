"""The engine's side of the front processes: hands calls over, replaces those that die, stops them."""

import asyncio
import json
import logging
import socket
import subprocess
from collections import deque
from collections.abc import Sequence
from typing import Any

from memory_server.transport.front import frames
from memory_server.transport.front.frames import Link
from memory_server.transport.front.launch import Launched, launch
from memory_server.transport.front.options import FrontOptions
from memory_server.transport.front.relay import Handler, Relay
from memory_server.transport.metrics import ServerMetrics
from soma_common.errors import Unavailable

log = logging.getLogger(__name__)

LISTEN_TIMEOUT_S = 30.0
END_TIMEOUT_S = 5.0
"""After its grace period, or the end of its link, a process is killed when it does not end by itself."""

_TAKEN = "the gRPC port cannot be opened; is another server running?"

MOST_DEATHS = 5
DEATHS_S = 60.0
"""A server whose front processes die more often than that in that time ends, so that whoever runs it notices."""


class FrontPool:
    """A number of front processes on one port; to be made inside the running loop.

    Args:
        options: What they do.
        handlers: Of `options.methods`, in their order.
        launched: Those that it begins with.
        metrics: Hears of deaths and of certificates.
    """

    def __init__(
        self,
        options: FrontOptions,
        handlers: Sequence[Handler],
        launched: Sequence[Launched],
        metrics: ServerMetrics,
    ) -> None:
        self._options = options
        self._handlers = handlers
        self._launched = launched
        self._metrics = metrics
        self._members: list[_Member] = []
        self._died: asyncio.Queue[_Member] = asyncio.Queue(maxsize=len(launched))
        self._held: socket.socket | None = None
        self._is_stopping = False

    async def prepare(self) -> None:
        """Tell the processes what to do, which takes them a while; none of them listens yet."""
        for launched in self._launched:
            self._members.append(await _Member.begin(self, launched))

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            Unavailable: The port is taken, or a process does not come up.
        """
        try:
            if len(self._launched) > 1:
                self._held = _held(self._options.address)
            for member in self._members:
                member.listen()
            for member in self._members:
                await self._listening(member)
        except Unavailable:
            await self.stop(0)
            raise

    async def watch(self) -> None:
        """Replace front processes that die, until cancelled.

        Raises:
            Unavailable: They die again and again.
        """
        deaths: deque[float] = deque(maxlen=MOST_DEATHS)
        now = asyncio.get_running_loop().time
        while True:
            dead = await self._died.get()
            self._members.remove(dead)
            self._metrics.front_deaths.inc()
            code = await dead.reaped()
            log.error("a front process has died", extra={"pid": dead.pid, "exit_code": code})
            if len(deaths) == MOST_DEATHS and now() - deaths[0] < DEATHS_S:
                raise Unavailable("front processes die again and again", exit_code=code)
            deaths.append(now())
            member = await _Member.begin(self, launch())
            self._members.append(member)
            member.listen()
            await self._listening(member)

    async def stop(self, grace_s: float) -> None:
        """Accept no more calls, and give those that are open some time; may be called again with less."""
        self._is_stopping = True
        members = list(self._members)
        for member in members:
            member.link.send(frames.STOP, 0, frames.SECONDS.pack(grace_s))
        await asyncio.gather(*(member.ended(grace_s + END_TIMEOUT_S) for member in members))
        if self._held is not None:
            self._held.close()

    async def _listening(self, member: "_Member") -> None:
        try:
            async with asyncio.timeout(LISTEN_TIMEOUT_S):
                refusal = await member.listening
        except TimeoutError:
            raise Unavailable("a front process does not come up") from None
        if refusal is not None:
            raise Unavailable(refusal, address=self._options.address)

    def relay(self, link: Link) -> Relay:
        """Return what runs the calls of a new front process."""
        return Relay(self._handlers, link.send)

    @property
    def options(self) -> FrontOptions:
        """What front processes do."""
        return self._options

    def lost(self, member: "_Member") -> None:
        """Hear that a member has gone."""
        if not self._is_stopping and member.has_listened:
            self._died.put_nowait(member)

    def noted(self, what: dict[str, Any]) -> None:
        """Take what a member says for the metrics or the log."""
        if "tls_reload" in what:
            self._metrics.observe_tls_reload(what["tls_reload"])
        else:
            line = what["log"]
            logging.getLogger(line["logger"]).log(
                line["level"], line["message"], extra=line["extra"]
            )


class _Member:
    """One front process."""

    def __init__(self, pool: FrontPool, process: "subprocess.Popen[bytes]") -> None:
        self.link = Link(self._receive, self._lost)
        self.listening: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        """None when it listens; else why it does not."""
        self.over = asyncio.Event()
        self._pool = pool
        self._process = process
        self._relay = pool.relay(self.link)

    @classmethod
    async def begin(cls, pool: FrontPool, launched: Launched) -> "_Member":
        """Take the link of a process up."""
        member = cls(pool, launched.process)
        launched.link.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: member.link, sock=launched.link)
        member.link.send(frames.CONFIGURE, 0, pool.options.packed())
        return member

    def listen(self) -> None:
        """Let it listen; `listening` tells what comes of it."""
        self.link.send(frames.LISTEN)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_listened(self) -> bool:
        return self.listening.done() and self.listening.result() is None

    async def ended(self, timeout_s: float) -> None:
        """Wait for the end of a process that was told to stop."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.over.wait()
        except TimeoutError:
            self._process.kill()
        await self.reaped()

    async def reaped(self) -> int:
        """Wait for the end of a process whose link has ended, and return its exit code."""
        try:
            return await asyncio.to_thread(self._process.wait, END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return await asyncio.to_thread(self._process.wait)

    def _receive(self, kind: int, number: int, body: bytes) -> None:
        if number:
            self._relay.receive(kind, number, body)
        elif kind == frames.NOTE:
            self._pool.noted(json.loads(body))
        elif kind == frames.LISTENING:
            self.listening.set_result(None)
        elif kind == frames.REFUSED:
            self.listening.set_result(body.decode() or _TAKEN)

    def _lost(self) -> None:
        self._relay.end()
        if not self.listening.done():
            self.listening.set_result("a front process has ended before it listened")
        self.over.set()
        self._pool.lost(self)


def _held(address: str) -> socket.socket:
    """Bind a port that several processes share, so that it is ours or nobody's.

    Raises:
        Unavailable: Somebody listens on it.
    """
    host, _, port = address.rpartition(":")
    [(family, kind, protocol, _, where), *_] = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM
    )
    try:
        # Whoever shares a port lets others in: only one who does not is told that it is taken.
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            probe.listen()
        held = socket.socket(family, kind, protocol)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(where)
    except OSError as error:
        raise Unavailable(_TAKEN, address=address) from error
    return held
