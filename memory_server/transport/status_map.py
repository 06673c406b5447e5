"""Errors as google.rpc.Status: one table, the same details for whole calls and for single items of a batch."""

import re
from collections.abc import Sequence

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from soma_common.errors import (
    AlreadyExists,
    Conflict,
    CorruptData,
    DeadlineExceeded,
    HistoryLost,
    InvalidInput,
    NotFound,
    Overloaded,
    PermissionRefused,
    QuotaExceeded,
    SomaError,
    StorageFull,
    Unauthenticated,
    Unavailable,
    Violation,
)

DOMAIN = "memory.soma.sh"
"""`domain` of every ErrorInfo; its `reason` is the class of the error in upper case."""

RETRY_UNAVAILABLE_S = 0.5

MOST_TRAILER_BYTES = 4096
"""Of the status of a whole call. It travels in the trailers, in base64 and with the message once more: clients take
8 KiB of those, and make an error of their own of what is larger."""

MOST_MESSAGE_BYTES = 512
"""Of the message of a whole call; a letter that is not ASCII has three times its bytes in the trailers."""

MOST_TEXT_BYTES = 256
"""Of each text of a violation where they would not all have room."""

_CODES: dict[type[SomaError], grpc.StatusCode] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    Conflict: grpc.StatusCode.ABORTED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionRefused: grpc.StatusCode.PERMISSION_DENIED,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    QuotaExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HistoryLost: grpc.StatusCode.OUT_OF_RANGE,
    StorageFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    CorruptData: grpc.StatusCode.DATA_LOSS,
}


def code_of(error: SomaError) -> grpc.StatusCode:
    """Return the gRPC status of an error, by its nearest class in the table."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


def status_of(error: SomaError) -> status_pb2.Status:
    """Return the whole status: what happened, every bad field, and when to try again."""
    return _packed(code_of(error), _message(error), [_error_info(error), *_specific(error)])


def trailing_status_of(error: SomaError) -> status_pb2.Status:
    """Return the status of a whole call: that of `status_of`, with as much of it as clients take in trailers."""
    message = _cut(_message(error), MOST_MESSAGE_BYTES)
    whole = _packed(code_of(error), message, [_error_info(error), *_specific(error)])
    if whole.ByteSize() <= MOST_TRAILER_BYTES or not isinstance(error, InvalidInput):
        return whole  # what others say is as short as names are
    start = _packed(code_of(error), message, [_error_info(error)])
    bad = _first_violations(error.violations, MOST_TRAILER_BYTES - start.ByteSize())
    return _packed(code_of(error), message, [_error_info(error), bad])


def internal_status() -> status_pb2.Status:
    """Return the status of a bug: nothing about it leaves the server."""
    message = "the server failed; its log tells why"
    info = error_details_pb2.ErrorInfo(reason="INTERNAL_ERROR", domain=DOMAIN)
    return _packed(grpc.StatusCode.INTERNAL, message, [info])


def _packed(code: grpc.StatusCode, message: str, details: Sequence[Message]) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _message(error: SomaError) -> str:
    if isinstance(error, InvalidInput) and error.violations:
        named = "; ".join(f"{bad.field}: {bad.description}" for bad in error.violations[:3])
        more = len(error.violations) - 3
        return f"{error.message}: {named}" + (f"; and {more} more" if more > 0 else "")
    if isinstance(error, NotFound):
        return f"{error.message}: {error.kind} {error.name!r}"
    return error.message


def _first_violations(violations: Sequence[Violation], room: int) -> error_details_pb2.BadRequest:
    """Return those that there is room for, bytes, and how many more there are."""
    bad = error_details_pb2.BadRequest()
    for number, violation in enumerate(violations):
        bad.field_violations.add(
            field=_cut(violation.field, MOST_TEXT_BYTES),
            description=_cut(violation.description, MOST_TEXT_BYTES),
        )
        if bad.ByteSize() > room - MOST_TEXT_BYTES:
            bad.field_violations.pop()
            bad.field_violations.add(description=f"and {len(violations) - number} more")
            break
    return bad


def _cut(text: str, most_bytes: int) -> str:
    encoded = text.encode()
    if len(encoded) <= most_bytes:
        return text
    return encoded[: most_bytes - 3].decode(errors="ignore") + "…"


def _error_info(error: SomaError) -> error_details_pb2.ErrorInfo:
    reason = re.sub(r"(?<!^)(?=[A-Z])", "_", error.reason).upper()
    facts = {name: str(value) for name, value in error.facts.items()}
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=facts)


def _specific(error: SomaError) -> list[Message]:
    if isinstance(error, InvalidInput) and error.violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad.field_violations.add(field=violation.field, description=violation.description)
        return [bad]
    if isinstance(error, NotFound):
        info = error_details_pb2.ResourceInfo(resource_type=error.kind, resource_name=error.name)
        return [info]
    if isinstance(error, Overloaded):
        return [_retry(error.retry_after_s)]
    if isinstance(error, QuotaExceeded):
        failure = error_details_pb2.QuotaFailure()
        failure.violations.add(subject=error.subject, description=error.message)
        return [failure, *([_retry(error.retry_after_s)] if error.retry_after_s else [])]
    return [_retry(RETRY_UNAVAILABLE_S)] if isinstance(error, Unavailable) else []


def _retry(after_s: float) -> error_details_pb2.RetryInfo:
    delay = duration_pb2.Duration()
    delay.FromMilliseconds(round(after_s * 1000))
    return error_details_pb2.RetryInfo(retry_delay=delay)
