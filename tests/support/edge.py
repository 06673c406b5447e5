"""The boundary over methods of a test's own, on a real port: of the test's process, or of a front process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from memory_server.transport.admission import AdmissionOptions
from memory_server.transport.auth import Authenticator, SingleTenant
from memory_server.transport.boundary import Boundary, BoundaryOptions
from memory_server.transport.front.launch import launch_all
from memory_server.transport.front.options import FrontOptions, TlsFiles
from memory_server.transport.front.pool import FrontPool
from memory_server.transport.front.relay import Registry
from memory_server.transport.methods import AnyMethod
from memory_server.transport.metrics import ServerMetrics
from memory_server.transport.server import GrpcPort, OwnPort
from memory_server.transport.tls import Certificates
from soma_dev.ports import free_port
from tests.support.server_process import HOST

SERVICE = "test.EdgeService"
ADMISSION = AdmissionOptions(max_concurrent_rpcs=16, max_concurrent_streams=16)
OPTIONS = BoundaryOptions(ADMISSION, default_deadline_s=10.0, stream_idle_s=60.0)

FRONT_PROCESSES = 0
"""How many `an_edge` starts where a test does not say; the fixture `both_ways` sets it."""


async def held_open(*requests: bytes) -> AsyncIterator[bytes]:
    """Yield requests, then nothing until the call is over.

    For calls that fail: gRPC's client forgets the server's answers and status if either comes while it
    writes a message or the end.
    """
    for request in requests:
        yield request
    await asyncio.Event().wait()


@dataclass
class Edge:
    """A running boundary, and a channel to it."""

    boundary: Boundary
    metrics: ServerMetrics
    port: GrpcPort
    watching: asyncio.Future[None]
    channel: grpc.aio.Channel
    address: str

    def unary(self, name: str) -> Any:
        """Return the bytes-in, bytes-out callable of a unary method."""
        return self.channel.unary_unary(f"/{SERVICE}/{name}")

    def server_stream(self, name: str) -> Any:
        """As `unary`, for one request and many responses."""
        return self.channel.unary_stream(f"/{SERVICE}/{name}")

    def client_stream(self, name: str) -> Any:
        """As `unary`, for many requests and one response."""
        return self.channel.stream_unary(f"/{SERVICE}/{name}")

    def bidi_stream(self, name: str) -> Any:
        """As `unary`, for many of both."""
        return self.channel.stream_stream(f"/{SERVICE}/{name}")

    def value(self, name: str, **labels: str) -> float:
        """Return a metric's value now; 0 when it has none."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def an_edge(
    methods: Mapping[str, AnyMethod],
    *,
    options: BoundaryOptions = OPTIONS,
    authenticator: Authenticator | None = None,
    metrics: ServerMetrics | None = None,
    tls: TlsFiles | None = None,
    fronts: int | None = None,
    address: str | None = None,
) -> AsyncIterator[Edge]:
    """Serve these methods until the block ends.

    Args:
        methods: By name.
        options: Of the boundary.
        authenticator: Who is let in. None: everybody.
        metrics: None: new ones.
        tls: None: plain text.
        address: None: one that is free.
        fronts: Front processes. None: what `both_ways` says, else none.
    """
    metrics = metrics or ServerMetrics({"service": "test"})
    boundary = Boundary(authenticator or SingleTenant(), metrics, options)
    address = address or f"{HOST}:{free_port()}"
    handlers = boundary.handlers(SERVICE, methods)
    count = FRONT_PROCESSES if fronts is None else fronts
    port: GrpcPort
    if count:
        registry = Registry()
        registry.add_registered_method_handlers(SERVICE, handlers)
        told = FrontOptions(
            address,
            (("grpc.so_reuseport", int(count > 1)),),
            tls,
            registry.methods(),
            headers=("authorization",),
            is_identified=tls is not None,
        )
        port = FrontPool(told, list(registry.handlers.values()), launch_all(count), metrics)
    else:
        credentials = Certificates(*tls, metrics.observe_tls_reload).credentials() if tls else None
        own = OwnPort(address, (), credentials)
        own.server.add_registered_method_handlers(SERVICE, handlers)
        port = own
    await port.prepare()
    await port.start()
    watching = asyncio.ensure_future(port.watch())
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield Edge(boundary, metrics, port, watching, channel, address)
    finally:
        watching.cancel()
        await port.stop(0)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that will be so; the test's own time limit ends a wait in vain."""
    while not is_so():  # noqa: ASYNC110 - nobody tells when it has become so
        await asyncio.sleep(0.001)
