"""What can go wrong with a call, as exceptions that carry everything the server said.

Rules:
    - Every exception of this package descends from `SomaMemoryError`.
    - The class tells what to do: change the request, read again, wait, or look at the server.
    - The server's details are attributes, never text to be parsed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Violation:
    """One bad field of a request: its path, and what would be right."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Resource:
    """What was not found or is taken: its kind and its name."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Details:
    """What the server told about an error."""

    reason: str = ""
    """Stable word for the cause, such as `VERSION_CONFLICT`."""

    domain: str = ""
    """Who speaks: the server's name."""

    facts: Mapping[str, str] = field(default_factory=dict)
    """Values that belong to the reason."""

    violations: tuple[Violation, ...] = ()
    """Every bad field of the request."""

    retry_after_s: float | None = None
    """How long the server asks to wait before the next try, seconds."""

    resource: Resource | None = None
    """What the error is about."""

    quota: tuple[Violation, ...] = ()
    """Limits that the request would have broken."""


class SomaMemoryError(Exception):
    """Root of every error of this package."""

    def __init__(self, message: str, details: Details | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details or Details()

    def __str__(self) -> str:
        """Return the message and every violation, so that a plain traceback says it all."""
        bad = [f"{each.field}: {each.description}" for each in self.violations]
        return "; ".join([self.message, *(each for each in bad if each not in self.message)])

    @property
    def reason(self) -> str:
        """Stable word for the cause, or an empty text."""
        return self.details.reason

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Every bad field of the request, or every broken limit."""
        return self.details.violations + self.details.quota

    @property
    def retry_after_s(self) -> float | None:
        """How long the server asks to wait, seconds."""
        return self.details.retry_after_s


class InvalidArgument(SomaMemoryError):
    """The request is wrong; repeating it gives the same answer. See `violations`."""


class NotFound(SomaMemoryError):
    """There is no such memory. See `details.resource`."""


class AlreadyExists(SomaMemoryError):
    """The name is taken by something else."""


class RequestIdReused(AlreadyExists):
    """The request id was used for another request."""


class VersionConflict(SomaMemoryError):
    """The memory changed since it was read: read again, decide again."""

    @property
    def current_version(self) -> int | None:
        """The version it has now, when the server told it."""
        told = self.details.facts.get("current_version", "")
        return int(told) if told.isdecimal() else None


class FailedPrecondition(SomaMemoryError):
    """The server's state does not allow the call."""


class PermissionRefused(SomaMemoryError):
    """The caller may not do this."""


class Unauthenticated(SomaMemoryError):
    """The server does not know who calls."""


class Overloaded(SomaMemoryError):
    """More was asked than the server does now; nothing was done. Wait `retry_after_s`."""


class QuotaExceeded(SomaMemoryError):
    """The caller has no more of what it was granted; `details.quota` names it. Nothing was written.

    With `retry_after_s` it is about a rate, and the client has waited for as long as the call had time.
    """


class HistoryLost(SomaMemoryError):
    """What happened since the resume token is no longer kept; read everything anew, and watch from there."""


class StorageFull(SomaMemoryError):
    """The server has no room for the write; nothing was done."""


class Unavailable(SomaMemoryError):
    """No server answered. With a request id the call may be repeated safely; without one a write may have happened."""


class ClientClosed(SomaMemoryError):
    """The client was closed before the call; nothing was sent."""


class DeadlineExceeded(SomaMemoryError):
    """No answer in time; a write may have happened. Repeat it with the same request id to be sure."""


class Unsupported(SomaMemoryError):
    """The server is older than this client, or is another program."""


class ServerError(SomaMemoryError):
    """The server failed; its log says why."""


class BatchRefused(SomaMemoryError):
    """Some memories of a batch were refused; the others are stored.

    Attributes:
        errors: The refusals, each with the index of its memory.
    """

    def __init__(self, errors: Sequence[tuple[int, SomaMemoryError]], count: int) -> None:
        index, first = errors[0]
        super().__init__(f"{len(errors)} of {count} memories were refused; number {index}: {first}")
        self.errors = tuple(errors)


def invalid(field_path: str, description: str) -> InvalidArgument:
    """Return the error for one bad field that is found before the call."""
    violations = (Violation(field_path, description),)
    return InvalidArgument(
        "the request is not valid", Details(reason="INVALID_INPUT", violations=violations)
    )
