"""The gRPC port: of this process, or of front processes."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from memory_server.transport.boundary import Boundary
from memory_server.transport.front.launch import Launched
from memory_server.transport.front.options import FrontOptions, TlsFiles
from memory_server.transport.front.pool import FrontPool
from memory_server.transport.front.relay import Registry
from memory_server.transport.health import Readiness
from memory_server.transport.methods import AnyMethod
from memory_server.transport.metrics import ServerMetrics
from memory_server.transport.tls import Certificates
from soma_common.errors import Unavailable
from soma_common.settings import SMFSettings

KEEPALIVE_TIME_MS = 60_000
KEEPALIVE_TIMEOUT_MS = 20_000
MIN_CLIENT_PING_MS = 10_000
"""Clients that ping more often are cut off; the usual keepalive of 10 s and more is fine."""


class GrpcPort(Protocol):
    """Where clients call."""

    async def prepare(self) -> None:
        """Begin with what takes a while before the port can be opened."""
        ...

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            Unavailable: The port is taken.
        """
        ...

    async def watch(self) -> None:
        """Keep it open, until cancelled.

        Raises:
            Unavailable: That is not possible.
        """
        ...

    async def stop(self, grace_s: float) -> None:
        """Accept no more calls, and give those that are open some time; may be called again with less."""
        ...


class OwnPort:
    """The port of this process."""

    def __init__(
        self,
        address: str,
        channel: Sequence[tuple[str, int]],
        credentials: grpc.ServerCredentials | None,
    ) -> None:
        self.server = grpc.aio.server(options=list(channel))
        self._address = address
        self._credentials = credentials

    async def prepare(self) -> None:
        """There is nothing to prepare."""

    async def start(self) -> None:
        """See the protocol."""
        try:
            if self._credentials is None:
                self.server.add_insecure_port(self._address)
            else:
                self.server.add_secure_port(self._address, self._credentials)
        except RuntimeError as error:
            message = "the gRPC port cannot be opened; is another server running?"
            raise Unavailable(message, address=self._address) from error
        await self.server.start()

    async def watch(self) -> None:
        """There is nothing to watch."""

    async def stop(self, grace_s: float) -> None:
        """See the protocol."""
        await self.server.stop(grace_s)


def address_of(host: str, port: int) -> str:
    """Return both as one text; the colons of IPv6 need brackets, which may be there already."""
    return f"[{host.strip('[]')}]:{port}" if ":" in host else f"{host}:{port}"


def server_credentials(
    settings: SMFSettings, metrics: ServerMetrics
) -> grpc.ServerCredentials | None:
    """Return what the gRPC port is opened with; None: plain text.

    Raises:
        InvalidInput: A file cannot be read or used; names it.
    """
    files = _tls_files(settings)
    if files is None:
        return None
    return Certificates(*files, metrics.observe_tls_reload).credentials()


def grpc_port(
    settings: SMFSettings,
    boundary: Boundary,
    services: Mapping[str, Mapping[str, AnyMethod]],
    readiness: Readiness,
    credentials: grpc.ServerCredentials | None,
    metrics: ServerMetrics,
    fronts: Sequence[Launched],
) -> GrpcPort:
    """Return the port with all services, health and reflection, not listening yet.

    Args:
        settings: Name the address and the limits.
        boundary: Wraps the methods.
        services: Methods by service.
        readiness: Answers grpc.health.v1.
        credentials: For TLS. None: plain text.
        metrics: Hear of front processes.
        fronts: None: the port is this process's own.
    """
    address = address_of(settings.grpc_host, settings.grpc_port)
    channel = _channel_options(settings, is_shared=len(fronts) > 1)
    if not fronts:
        port = OwnPort(address, channel, credentials)
        register(port.server, boundary, services, readiness)
        return port
    registry = Registry()
    register(registry, boundary, services, readiness)
    is_authenticated = settings.auth_tokens_file is not None
    options = FrontOptions(
        address,
        tuple(channel),
        _tls_files(settings),
        registry.methods(),
        ("authorization",) if is_authenticated else (),
        is_identified=is_authenticated and settings.tls_client_ca_file is not None,
    )
    return FrontPool(options, list(registry.handlers.values()), fronts, metrics)


def register(
    target: Any,
    boundary: Boundary,
    services: Mapping[str, Mapping[str, AnyMethod]],
    readiness: Readiness,
) -> None:
    """Give all services, health and reflection to a gRPC server, or to what collects handlers as one does."""
    for name, methods in services.items():
        target.add_registered_method_handlers(name, boundary.handlers(name, methods))
    health_pb2_grpc.add_HealthServicer_to_server(readiness.servicer, target)
    names = [*services, health.SERVICE_NAME, reflection.SERVICE_NAME]
    # Not by the library's own helper: it takes whatever is no server of grpc.aio for one of threads.
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
        reflection.aio.ReflectionServicer(names), target
    )


def _tls_files(settings: SMFSettings) -> TlsFiles | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return TlsFiles(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)


def _channel_options(settings: SMFSettings, *, is_shared: bool) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),  # what is sent is bounded by the use cases
        # A second server on the port is an error, not half of the calls; front processes share theirs.
        ("grpc.so_reuseport", int(is_shared)),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_CLIENT_PING_MS),
        ("grpc.max_connection_age_ms", round(settings.max_connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", round(settings.max_connection_grace_s * 1000)),
    ]
