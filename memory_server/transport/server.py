"""The gRPC port."""

from collections.abc import Mapping

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from memory_server.transport.boundary import Boundary
from memory_server.transport.health import Readiness
from memory_server.transport.methods import AnyMethod
from soma_common.errors import Unavailable
from soma_common.settings import SMFSettings

KEEPALIVE_TIME_MS = 60_000
KEEPALIVE_TIMEOUT_MS = 20_000
MIN_CLIENT_PING_MS = 10_000
"""Clients that ping more often are cut off; the usual keepalive of 10 s and more is fine."""


def build_server(
    settings: SMFSettings,
    boundary: Boundary,
    services: Mapping[str, Mapping[str, AnyMethod]],
    readiness: Readiness,
    credentials: grpc.ServerCredentials | None,
) -> grpc.aio.Server:
    """Return the server with all services, health and reflection, listening but not started.

    Args:
        settings: Name the address and the limits.
        boundary: Wraps the methods.
        services: Methods by service.
        readiness: Answers grpc.health.v1.
        credentials: For TLS. None: plain text.

    Raises:
        Unavailable: The port is taken.
    """
    server = grpc.aio.server(options=_options(settings))
    for name, methods in services.items():
        server.add_generic_rpc_handlers((boundary.service(name, methods),))
    health_pb2_grpc.add_HealthServicer_to_server(readiness.servicer, server)
    names = [*services, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
    address = f"{settings.grpc_host}:{settings.grpc_port}"
    try:
        if credentials is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, credentials)
    except RuntimeError as error:
        message = "the gRPC port cannot be opened; is another server running?"
        raise Unavailable(message, address=address) from error
    return server


def _options(settings: SMFSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),  # what is sent is bounded by the use cases
        ("grpc.so_reuseport", 0),  # a second server on the port is an error, not half of the calls
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_CLIENT_PING_MS),
        ("grpc.max_connection_age_ms", round(settings.max_connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", round(settings.max_connection_grace_s * 1000)),
    ]
