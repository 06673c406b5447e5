"""The boundary over methods of a test's own, on a real port within the test's process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from memory_server.transport.admission import AdmissionOptions
from memory_server.transport.auth import Authenticator, SingleTenant
from memory_server.transport.boundary import Boundary, BoundaryOptions
from memory_server.transport.methods import AnyMethod
from memory_server.transport.metrics import ServerMetrics

SERVICE = "test.EdgeService"
ADMISSION = AdmissionOptions(max_concurrent_rpcs=16, max_concurrent_streams=16)
OPTIONS = BoundaryOptions(ADMISSION, default_deadline_s=10.0, stream_idle_s=60.0)


@dataclass
class Edge:
    """A running boundary, and a channel to it."""

    boundary: Boundary
    metrics: ServerMetrics
    server: grpc.aio.Server
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
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncIterator[Edge]:
    """Serve these methods until the block ends."""
    metrics = metrics or ServerMetrics({"service": "test"})
    boundary = Boundary(authenticator or SingleTenant(), metrics, options)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((boundary.service(SERVICE, methods),))
    here = "127.0.0.1:0"
    port = (
        server.add_secure_port(here, credentials) if credentials else server.add_insecure_port(here)
    )
    address = f"127.0.0.1:{port}"
    await server.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield Edge(boundary, metrics, server, channel, address)
    finally:
        await server.stop(0)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that will be so; the test's own time limit ends a wait in vain."""
    while not is_so():  # noqa: ASYNC110 - nobody tells when it has become so
        await asyncio.sleep(0.001)
