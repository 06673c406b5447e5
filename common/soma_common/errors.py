"""Error taxonomy of both programs.

Rules:
    - Adapters translate foreign exceptions at the border and chain them; pure code raises `InvalidInput` only.
    - Only the outermost edge catches `SomaError`; an error is logged once.
    - Messages start in lower case, end without a full stop, and hold no values: values are facts.
    - Facts are shown to callers and logged as fields: neither a secret nor a payload may be one.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

Fact = str | int | float


class SomaError(Exception):
    """Root of every error that is raised on purpose; never raised itself."""

    reason: ClassVar[str]
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **facts: Fact) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Violation:
    """One bad field of a request: its path, and what would be right."""

    field: str
    description: str


class InvalidInput(SomaError):
    """The caller must change the request; repeating it gives the same answer."""

    reason = "InvalidInput"

    def __init__(
        self, message: str, *, violations: Sequence[Violation] = (), **facts: Fact
    ) -> None:
        super().__init__(message, **facts)
        self.violations = tuple(violations)


class NotFound(SomaError):
    """The named thing does not exist for this caller."""

    reason = "NotFound"

    def __init__(self, message: str, *, kind: str, name: str) -> None:
        super().__init__(message, kind=kind, name=name)
        self.kind = kind
        self.name = name


class AlreadyExists(SomaError):
    """The name is taken by something else."""

    reason = "AlreadyExists"


class RequestIdReused(AlreadyExists):
    """The request id was used for another request."""

    reason = "RequestIdReused"


class Conflict(SomaError):
    """The thing changed since the caller read it; read again, decide again."""

    reason = "VersionConflict"


class PermissionRefused(SomaError):
    """The caller may not do this."""

    reason = "PermissionRefused"


class Unauthenticated(SomaError):
    """The credential is missing or not accepted; why is not said."""

    reason = "Unauthenticated"


class Overloaded(SomaError):
    """More was asked than can be done now; nothing was done. Try again after `retry_after_s`."""

    reason = "Overloaded"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float, **facts: Fact) -> None:
        super().__init__(message, **facts)
        self.retry_after_s = retry_after_s


class QuotaExceeded(SomaError):
    """The caller has no more of what it was granted; nothing was done.

    `subject` names the owner of the quota, `retry_after_s` tells when waiting helps; None: it does not.
    """

    reason = "QuotaExceeded"

    def __init__(
        self, message: str, *, subject: str, retry_after_s: float | None = None, **facts: Fact
    ) -> None:
        super().__init__(message, **facts)
        self.subject = subject
        self.retry_after_s = retry_after_s


class HistoryLost(SomaError):
    """What happened since then is no longer kept; read everything anew."""

    reason = "HistoryLost"


class StorageFull(SomaError):
    """There is no room to keep the write; nothing was done."""

    reason = "StorageFull"


class Unavailable(SomaError):
    """A dependency did not answer; the same call may succeed later."""

    reason = "Unavailable"
    retryable = True


class TextRefused(Unavailable):
    """The embedder answers, but does not take one of the texts; trying again gives the same."""

    reason = "TextRefused"
    retryable = False


class StoreBroken(Unavailable):
    """The store cannot go on in this process; nothing that was acknowledged is lost, and a new start reads it."""

    reason = "StoreBroken"


class DeadlineExceeded(SomaError):
    """The time the caller gave is over; a write may have happened."""

    reason = "DeadlineExceeded"
    retryable = True


class CorruptData(SomaError):
    """Stored data is not what was written; a person must look."""

    reason = "CorruptData"


@contextlib.contextmanager
def translated(
    table: Mapping[type[Exception], type[SomaError]], *, dependency: str
) -> Iterator[None]:
    """Turn a client library's exceptions into ours, keeping the original as the cause.

    Exceptions missing from the table pass unchanged: they are bugs or cancellations, and hiding
    them helps nobody.
    """
    try:
        yield
    except tuple(table) as error:
        ours = next(table[kind] for kind in type(error).__mro__ if kind in table)
        raise ours("failed to call a dependency", dependency=dependency) from error
