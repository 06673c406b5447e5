"""From a gRPC status with its details to one of our exceptions; pure."""

import math
from collections.abc import Iterable

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from somamemory import errors
from somamemory.errors import Details, Resource, SomaMemoryError, Violation

_DETAILS_KEY = "grpc-status-details-bin"

_BROKEN_OFF = "Internal error from Core"
"""What gRPC says when a stream ended while a message was on its way out; the server's own words are lost then."""

_AT_THE_DEADLINE_S = 0.05
"""A server resets the stream of a call whose time is over, and its clock may be a little ahead of ours."""

_BY_CODE: dict[int, type[SomaMemoryError]] = {
    code_pb2.INVALID_ARGUMENT: errors.InvalidArgument,
    code_pb2.OUT_OF_RANGE: errors.InvalidArgument,
    code_pb2.NOT_FOUND: errors.NotFound,
    code_pb2.ALREADY_EXISTS: errors.AlreadyExists,
    code_pb2.ABORTED: errors.VersionConflict,
    code_pb2.FAILED_PRECONDITION: errors.FailedPrecondition,
    code_pb2.PERMISSION_DENIED: errors.PermissionRefused,
    code_pb2.UNAUTHENTICATED: errors.Unauthenticated,
    code_pb2.RESOURCE_EXHAUSTED: errors.Overloaded,
    # Nobody here cancelled it: a server that is going away answers so to calls that it had not taken up yet.
    code_pb2.CANCELLED: errors.Unavailable,
    code_pb2.UNAVAILABLE: errors.Unavailable,
    code_pb2.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    code_pb2.UNIMPLEMENTED: errors.Unsupported,
}

_BY_REASON: dict[str, type[SomaMemoryError]] = {
    "REQUEST_ID_REUSED": errors.RequestIdReused,
    "STORAGE_FULL": errors.StorageFull,
    "QUOTA_EXCEEDED": errors.QuotaExceeded,
    "HISTORY_LOST": errors.HistoryLost,
}
"""Reasons that share a code with another error and need something else to be done."""


_TOO_LARGE = "message larger than max"
"""gRPC's own words for a message that no server takes; its code, RESOURCE_EXHAUSTED, would mean: try again later."""


def error_of_status(status: status_pb2.Status) -> SomaMemoryError:
    """Return the exception that a status stands for."""
    details = _details(status)
    kind = _BY_REASON.get(details.reason) or _BY_CODE.get(status.code, errors.ServerError)
    return kind(status.message, details)


def error_of_call(
    code: grpc.StatusCode,
    message: str,
    trailing: Iterable[tuple[str, str | bytes]],
    left_s: float = math.inf,
) -> SomaMemoryError:
    """Return the exception that a failed call stands for.

    Details that cannot be read, or that speak of another code, count as none: a proxy in between may have answered.

    Args:
        code: What gRPC says.
        message: Its words.
        trailing: Its trailing metadata.
        left_s: Until the deadline of the call.
    """
    packed = next((value for key, value in trailing if key == _DETAILS_KEY), b"")
    number: int = code.value[0]
    if isinstance(packed, bytes) and packed:
        try:
            told = status_pb2.Status.FromString(packed)
            if told.code == number:
                return error_of_status(told)
        except DecodeError:
            pass
    if code is grpc.StatusCode.CANCELLED and left_s < _AT_THE_DEADLINE_S:
        number = code_pb2.DEADLINE_EXCEEDED
    if message.startswith(_BROKEN_OFF):
        number = code_pb2.UNAVAILABLE
    if _TOO_LARGE in message:
        number = code_pb2.INVALID_ARGUMENT
    return error_of_status(status_pb2.Status(code=number, message=message))


def _details(status: status_pb2.Status) -> Details:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry, quota = error_details_pb2.RetryInfo(), error_details_pb2.QuotaFailure()
    resource = error_details_pb2.ResourceInfo()
    present = {
        type(message)
        for packed in status.details
        for message in (info, bad, retry, quota, resource)
        if packed.Is(message.DESCRIPTOR) and packed.Unpack(message)
    }
    return Details(
        reason=info.reason,
        domain=info.domain,
        facts=dict(info.metadata),
        violations=tuple(Violation(each.field, each.description) for each in bad.field_violations),
        retry_after_s=(
            retry.retry_delay.ToTimedelta().total_seconds()
            if error_details_pb2.RetryInfo in present
            else None
        ),
        resource=(
            Resource(resource.resource_type, resource.resource_name)
            if error_details_pb2.ResourceInfo in present
            else None
        ),
        quota=tuple(Violation(each.subject, each.description) for each in quota.violations),
    )
