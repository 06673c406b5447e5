"""From statuses to exceptions: nothing that the server said is lost."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2

from somamemory import channel, errors
from somamemory.cli import failures
from somamemory.status import error_of_call, error_of_status
from tests.support.small_server import Refusal, bad_request, overloaded


def test_every_violation_reaches_the_exception_and_its_text() -> None:
    """All bad fields are attributes, and are in the text of the exception."""
    error = error_of_status(bad_request(("a.b", "must be x"), ("c", "must be y")).status)

    assert isinstance(error, errors.InvalidArgument)
    assert error.violations == (
        errors.Violation("a.b", "must be x"),
        errors.Violation("c", "must be y"),
    )
    assert str(error) == "the request is not valid; a.b: must be x; c: must be y"


def test_details_are_attributes() -> None:
    """Reason, domain, facts, delay, resource and quota are read from the status."""
    quota = error_details_pb2.QuotaFailure()
    quota.violations.add(subject="namespace", description="at most 10")
    refusal = Refusal(
        code_pb2.RESOURCE_EXHAUSTED,
        "no",
        error_details_pb2.ErrorInfo(reason="OVERLOADED", domain="d", metadata={"limit": "3"}),
        error_details_pb2.RetryInfo(retry_delay={"seconds": 1, "nanos": 500_000_000}),
        error_details_pb2.ResourceInfo(resource_type="namespace", resource_name="n"),
        quota,
    )

    error = error_of_status(refusal.status)

    assert isinstance(error, errors.Overloaded)
    assert (error.reason, error.details.domain, error.details.facts) == (
        "OVERLOADED",
        "d",
        {"limit": "3"},
    )
    assert error.retry_after_s == 1.5
    assert error.details.resource == errors.Resource("namespace", "n")
    assert error.violations == (errors.Violation("namespace", "at most 10"),)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (code_pb2.NOT_FOUND, "NOT_FOUND", errors.NotFound),
        (code_pb2.ALREADY_EXISTS, "AlreadyExists", errors.AlreadyExists),
        (code_pb2.ALREADY_EXISTS, "REQUEST_ID_REUSED", errors.RequestIdReused),
        (code_pb2.ABORTED, "VERSION_CONFLICT", errors.VersionConflict),
        (code_pb2.RESOURCE_EXHAUSTED, "STORAGE_FULL", errors.StorageFull),
        (code_pb2.UNIMPLEMENTED, "", errors.Unsupported),
        (code_pb2.CANCELLED, "", errors.Unavailable),
        (code_pb2.DATA_LOSS, "", errors.ServerError),
        (99, "", errors.ServerError),
    ],
)
def test_code_and_reason_choose_the_class(
    code: int, reason: str, kind: type[errors.SomaMemoryError]
) -> None:
    """Each status becomes the class that tells what to do about it."""
    info = error_details_pb2.ErrorInfo(reason=reason)

    assert type(error_of_status(Refusal(code, "m", info).status)) is kind


@pytest.mark.parametrize(
    "packed", [b"", b"\xff\xff", status_pb2.Status(code=3, message="other").SerializeToString()]
)
def test_details_that_do_not_fit_count_as_none(packed: bytes) -> None:
    """A proxy's answer with broken or foreign details is still the right class with its message."""
    error = error_of_call(
        grpc.StatusCode.UNAVAILABLE, "gone", [("grpc-status-details-bin", packed)]
    )

    assert isinstance(error, errors.Unavailable)
    assert error.message == "gone"
    assert error.details == errors.Details()


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('Internal error from Core Failed "execute_batch": (...)', errors.Unavailable),
        ("the server failed; its log tells why", errors.ServerError),
    ],
)
def test_a_stream_that_broke_off_is_no_failure_of_the_server(
    message: str, kind: type[errors.SomaMemoryError]
) -> None:
    """gRPC calls both INTERNAL; only the first may be sent again."""
    assert type(error_of_call(grpc.StatusCode.INTERNAL, message, [])) is kind


def test_unknown_details_are_passed_over() -> None:
    """A detail of a type this client does not know hides nothing of the others."""
    status = bad_request(("a", "b")).status
    status.details.insert(0, AnyMessage(type_url="type.googleapis.com/x.Y", value=b"z"))

    assert error_of_status(status).violations == (errors.Violation("a", "b"),)


def test_only_shed_load_with_a_named_time_is_tried_again() -> None:
    """The client waits as long as the server asks, then longer, spread by chance, within the deadline."""
    shed = error_of_status(overloaded(0.5).status)
    other = error_of_status(bad_request().status)
    decide = channel.delay_before_retry

    assert decide(shed, 1, left_s=10, chance=0.0) == 0.5
    assert decide(shed, 1, left_s=10, chance=0.5) == 0.625
    assert decide(shed, 3, left_s=10, chance=0.0) == 2.0
    assert decide(shed, 1, left_s=0.4, chance=0.0) is None
    assert decide(other, 1, left_s=10, chance=0.0) is None


@pytest.mark.parametrize("address", ["", "host", ":1", "host:", "host:x", "host:0", "host:65536"])
def test_an_address_is_host_and_port(address: str) -> None:
    """What is no HOST:PORT is refused at once, not after a time-out."""
    with pytest.raises(errors.InvalidArgument, match="HOST:PORT"):
        channel.checked_address(address)


def test_every_error_has_its_exit_code_and_sentence() -> None:
    """Each class of errors ends the command line with a code that is documented."""
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    ours = [each for each in kinds if issubclass(each, errors.SomaMemoryError)]

    for kind in ours:
        error = kind.__new__(kind)
        errors.SomaMemoryError.__init__(error, "it failed")
        assert failures.exit_code(error) in failures.MEANINGS
        assert failures.report(error, "h:1").startswith("error: ")


@pytest.mark.parametrize(
    ("retry", "code", "said"),
    [
        ([error_details_pb2.RetryInfo(retry_delay={"seconds": 2})], 7, "try again in 2.0 s"),
        ([], 6, "tenant:acme: at most 10"),
    ],
)
def test_a_quota_is_waited_for_only_where_waiting_helps(
    retry: list[error_details_pb2.RetryInfo], code: int, said: str
) -> None:
    """An exceeded rate ends as overload does and tells when; a full storage quota is a refusal."""
    quota = error_details_pb2.QuotaFailure()
    quota.violations.add(subject="tenant:acme", description="at most 10")
    info = error_details_pb2.ErrorInfo(reason="QUOTA_EXCEEDED")

    error = error_of_status(
        Refusal(code_pb2.RESOURCE_EXHAUSTED, "no more", info, quota, *retry).status
    )

    assert failures.exit_code(error) == code
    assert said in failures.report(error, "h:1")


def test_a_message_that_is_too_large_is_the_callers_mistake() -> None:
    """Trying it again later, as a busy server asks for by the same code, would be no use."""
    said = "SERVER: Received message larger than max (20080894 vs. 8388608)"

    error = error_of_call(grpc.StatusCode.RESOURCE_EXHAUSTED, said, ())

    assert type(error) is errors.InvalidArgument


def test_a_call_that_the_server_resets_at_its_deadline_is_late() -> None:
    """With time left, the same words mean that the server goes away."""
    reset = "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))"
    late = error_of_call(grpc.StatusCode.CANCELLED, reset, (), left_s=0.01)
    early = error_of_call(grpc.StatusCode.CANCELLED, reset, (), left_s=2.0)

    assert isinstance(late, errors.DeadlineExceeded)
    assert isinstance(early, errors.Unavailable)
    assert isinstance(
        error_of_call(grpc.StatusCode.NOT_FOUND, "no", (), left_s=0.0), errors.NotFound
    )
