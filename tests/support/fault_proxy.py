"""A proxy that speaks HTTP between the operator and the API server, and makes the faults that a test asks for.

It stands where a load balancer would: the operator speaks plain HTTP to it, it speaks TLS to the API server and hands
the operator's credentials on.
"""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from aiohttp import web

from soma_dev.control_plane import ControlPlane
from tests.support.server_process import HOST

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HOP_BY_HOP = frozenset({"transfer-encoding", "content-encoding", "content-length", "connection"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of the operator."""

    method: str
    path: str
    is_watch: bool

    @property
    def is_write(self) -> bool:
        """Whether it changes something that is not the Lease."""
        return self.method in WRITES and "/leases" not in self.path


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request.

    Attributes:
        code: An answer in place of the API server's; 0: none.
        headers: Of that answer.
        is_late: The API server does what it was asked, and only then the fault happens.
        hangs: Nobody ever answers.
        then: Called when it happens, such as to kill the operator; there is no answer then.
    """

    code: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    is_late: bool = False
    hangs: bool = False
    then: Callable[[], None] | None = None


Plan = Callable[[Asked], Fault | None]
Line = Callable[[Asked, dict[str, Any]], "dict[str, Any] | None"]


def no_fault(_asked: Asked) -> Fault | None:
    """Let everything pass."""
    return None


def every_line(_asked: Asked, event: dict[str, Any]) -> dict[str, Any] | None:
    """Let every event of a watch pass."""
    return event


class FaultProxy:
    """A proxy in a thread of its own.

    Attributes:
        plan: Asked before each request whether it meets a fault.
        line: Asked for each event of a watch what becomes of it; None: it is lost.
        stale: Whether a read is answered with what the same read was answered before, where there is such an answer.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._answers: dict[str, tuple[int, bytes]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self.plan: Plan = no_fault
        self.line: Line = every_line
        self.stale = False
        self.port = 0

    @property
    def url(self) -> str:
        """Where the operator finds it."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def mend(self) -> None:
        """Make no more faults, and break what hangs."""
        self.plan, self.line, self.stale = no_fault, every_line, False
        self._run(self._break_connections())

    def _run(self, work: Any) -> None:
        future: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.result(20)

    async def _start(self) -> None:
        context = ssl.create_default_context(cafile=str(self._plane.ca_file))
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # Short: what hangs at the end of a test hangs on purpose.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        assert self._runner is not None
        assert self._session is not None
        await self._break_connections()
        await self._runner.cleanup()
        await self._session.close()
        # What hangs on purpose ends here.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _break_connections(self) -> None:
        assert self._runner is not None
        server = self._runner.server
        assert server is not None
        for connection in server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.method, request.path_qs, request.query.get("watch") in ("1", "true"))
        fault = self.plan(asked)
        if fault is not None and not fault.is_late:
            return await self._fail(request, fault)
        if asked.is_watch:
            return await self._watch(request, asked)
        code, body = await self._ask(request)
        if fault is not None:
            return await self._fail(request, fault)
        if request.method == "GET":
            known = self._answers.get(asked.path)
            self._answers[asked.path] = code, body
            if self.stale and known is not None:
                code, body = known
        return web.Response(status=code, body=body, content_type="application/json")

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.then is not None:
            fault.then()
        if fault.hangs:
            await asyncio.Event().wait()
        if fault.code == 0:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": fault.code}
        return web.json_response(
            {**status, "reason": "Injected", "message": f"injected {fault.code}"},
            status=fault.code,
            headers=dict(fault.headers),
        )

    async def _ask(self, request: web.Request) -> tuple[int, bytes]:
        assert self._session is not None
        async with self._session.request(
            request.method,
            self._plane.base_url + request.path_qs,
            # None for no body: an empty one would be sent with a type that the API server does not take.
            data=await request.read() or None,
            headers=_handed_on(request),
        ) as answer:
            return answer.status, await answer.read()

    async def _watch(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        assert self._session is not None
        async with self._session.get(
            self._plane.base_url + request.path_qs, headers=_handed_on(request)
        ) as answer:
            stream = web.StreamResponse(status=answer.status)
            stream.content_type = "application/json"
            await stream.prepare(request)
            buffer = b""
            async for chunk in answer.content.iter_any():
                buffer += chunk
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    event = self.line(asked, json.loads(line))
                    if event is not None:
                        await stream.write(json.dumps(event).encode() + b"\n")
                    if event is not None and event["type"] == "ERROR":
                        return stream
            await stream.write(buffer)
            return stream


def _handed_on(request: web.Request) -> dict[str, str]:
    names = ("Authorization", "Accept", "Content-Type")
    return {name: request.headers[name] for name in names if name in request.headers}
