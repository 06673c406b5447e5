"""Calls of AdminService, and health."""

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from soma.memory.v1 import admin_service_pb2 as pb
from somamemory import codec, model
from somamemory.calls.base import Call, Download, Method, call, read_rpc

_SERVICE = "AdminService"

GET_SERVER_INFO = read_rpc(
    _SERVICE, "GetServerInfo", pb.GetServerInfoRequest, pb.GetServerInfoResponse
)
BACKUP = read_rpc(_SERVICE, "Backup", pb.BackupRequest, pb.BackupResponse)
HEALTH: Method[Message, Message] = Method(
    "grpc.health.v1.Health",
    "Check",
    health_pb2.HealthCheckRequest,
    health_pb2.HealthCheckResponse,
    reads=True,
)

METHODS = (GET_SERVER_INFO, BACKUP, HEALTH)


def server_info() -> Call[model.ServerInfo]:
    """Ask for the server's versions, limits and promises."""
    return call(GET_SERVER_INFO, pb.GetServerInfoRequest(), codec.server_info)


def backup() -> Download[bytes | model.BackupSummary]:
    """Read a consistent copy of the whole store, of all tenants, while it is written to.

    Returns:
        An iterator over the bytes of the copy, and at the end what they must add up to.
    """

    def read(response: pb.BackupResponse) -> tuple[bytes | model.BackupSummary]:
        if not response.HasField("summary"):
            return (response.data,)
        end = response.summary
        count = end.memory_count if end.HasField("memory_count") else None
        return (model.BackupSummary(end.size_bytes, end.sha256, end.commit_seq, count),)

    return Download(BACKUP, pb.BackupRequest(), read)


def is_serving(service: str = "") -> Call[bool]:
    """Ask whether the server, or one of its services, takes calls now."""
    return Call(
        HEALTH,
        health_pb2.HealthCheckRequest(service=service),
        lambda response: bool(response.status == health_pb2.HealthCheckResponse.SERVING),
    )
