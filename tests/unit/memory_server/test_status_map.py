"""Errors as google.rpc.Status: every class has a code, every status says what to do."""

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from memory_server.transport.status_map import (
    MOST_MESSAGE_BYTES,
    MOST_TRAILER_BYTES,
    code_of,
    internal_status,
    status_of,
    trailing_status_of,
)
from soma_common import errors
from soma_common.errors import SomaError, Violation

ERRORS: list[SomaError] = [
    errors.InvalidInput("bad", violations=[Violation("a", "must be b")]),
    errors.NotFound("absent", kind="memory", name="x"),
    errors.AlreadyExists("taken", memory_id="x"),
    errors.RequestIdReused("reused", request_id="x"),
    errors.Conflict("changed", expected_version=1, current_version=2),
    errors.PermissionRefused("no"),
    errors.Unauthenticated("who?"),
    errors.Overloaded("busy", retry_after_s=0.25),
    errors.QuotaExceeded("no more", subject="namespace:a", retry_after_s=1.0),
    errors.HistoryLost("too old"),
    errors.StorageFull("full"),
    errors.Unavailable("away"),
    errors.TextRefused("too long"),
    errors.StoreBroken("stuck", cause="OSError"),
    errors.DeadlineExceeded("late"),
    errors.CorruptData("damaged"),
]


def detail(details: "list[any_pb2.Any]", name: str) -> any_pb2.Any:
    return next(one for one in details if one.type_url.endswith(name))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_has_a_code_and_an_error_info(error: SomaError) -> None:
    """None of them is INTERNAL, and the reason is the class in upper case."""
    status = status_of(error)
    info = error_details_pb2.ErrorInfo()
    detail(list(status.details), "ErrorInfo").Unpack(info)

    assert code_of(error) is not grpc.StatusCode.INTERNAL
    assert status.code == code_of(error).value[0]
    assert info.domain == "memory.soma.sh"
    assert info.reason.replace("_", "") == error.reason.upper()
    assert dict(info.metadata) == {name: str(value) for name, value in error.facts.items()}


def test_every_class_of_the_taxonomy_is_covered() -> None:
    """A new error without a place in the table fails here."""
    classes = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, SomaError) and kind is not SomaError
    }

    assert {type(error) for error in ERRORS} == classes


def test_retry_info_tells_when() -> None:
    """The delay is the error's own."""
    retry = error_details_pb2.RetryInfo()
    status = status_of(errors.Overloaded("busy", retry_after_s=0.25))
    detail(list(status.details), "RetryInfo").Unpack(retry)

    assert retry.retry_delay.ToMilliseconds() == 250


def test_a_bug_tells_nothing_about_itself() -> None:
    """A fixed sentence and a reason."""
    status = internal_status()

    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert [one.type_url.rsplit(".")[-1] for one in status.details] == ["ErrorInfo"]


def test_a_quota_names_its_owner_and_when_waiting_helps() -> None:
    """QuotaFailure always; RetryInfo only when waiting helps."""
    failure = error_details_pb2.QuotaFailure()
    status = status_of(errors.QuotaExceeded("no more memories", subject="namespace:a"))
    detail(list(status.details), "QuotaFailure").Unpack(failure)

    assert [(one.subject, one.description) for one in failure.violations] == [
        ("namespace:a", "no more memories")
    ]
    assert not any(one.type_url.endswith("RetryInfo") for one in status.details)


def bad_request(status: status_pb2.Status) -> error_details_pb2.BadRequest:
    bad = error_details_pb2.BadRequest()
    detail(list(status.details), "BadRequest").Unpack(bad)
    return bad


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_what_is_short_is_told_in_full(error: SomaError) -> None:
    """The bound of a whole call's status changes nothing of the usual ones."""
    assert trailing_status_of(error) == status_of(error)


@pytest.mark.parametrize("letter", ["k", "\N{GRINNING FACE}"])
@pytest.mark.parametrize("length", [1, 100, 100_000])
def test_a_long_list_of_violations_has_room_in_the_trailers(letter: str, length: int) -> None:
    """The first ones are told, and how many more there are; a batch's item has all of them."""
    violations = [Violation(f"{number}.{letter * length}", "must be b") for number in range(500)]
    error = errors.InvalidInput("bad", violations=violations)

    status = trailing_status_of(error)

    *told, last = bad_request(status).field_violations
    assert status.ByteSize() <= MOST_TRAILER_BYTES
    assert len(status.message.encode()) <= MOST_MESSAGE_BYTES
    assert told[0].field.startswith("0.")
    assert last.description == f"and {500 - len(told)} more"
    assert len(bad_request(status_of(error)).field_violations) == 500
