"""What a user reads when a command fails: one sentence, every bad field, and what to do about it."""

from somamemory import errors
from somamemory.channel import default_address

FAILURE = 1
INVALID = 2
NOT_FOUND = 3
UNAVAILABLE = 4
CONFLICT = 5
REFUSED = 6
OVERLOADED = 7
PARTLY = 8
INTERRUPTED = 130

MEANINGS = {
    FAILURE: "the server failed, or a file could not be read or written",
    INVALID: "the command or its input is not valid",
    NOT_FOUND: "there is no such memory",
    UNAVAILABLE: "no server answered in time",
    CONFLICT: "the memory changed, or the name is taken",
    REFUSED: "the caller may not do this, or not as much of it",
    OVERLOADED: "the server is overloaded or its storage is full, or the caller asks too often",
    PARTLY: "some memories of an import were refused; the others are stored",
}
"""Exit codes of `soma`, apart from 0."""

_CODES: list[tuple[type[errors.SomaMemoryError], int]] = [
    (errors.InvalidArgument, INVALID),
    (errors.NotFound, NOT_FOUND),
    (errors.Unavailable, UNAVAILABLE),
    (errors.DeadlineExceeded, UNAVAILABLE),
    (errors.AlreadyExists, CONFLICT),
    (errors.VersionConflict, CONFLICT),
    (errors.FailedPrecondition, CONFLICT),
    (errors.PermissionRefused, REFUSED),
    (errors.Unauthenticated, REFUSED),
    (errors.Overloaded, OVERLOADED),
    (errors.StorageFull, OVERLOADED),
    # Of storage: an exceeded rate tells when to try again, and is OVERLOADED then.
    (errors.QuotaExceeded, REFUSED),
]

_MENDS: list[tuple[type[errors.SomaMemoryError], str]] = [
    (
        errors.Unavailable,
        "is the address right, and does the server run? --address or SOMA_ADDRESS names another",
    ),
    (errors.DeadlineExceeded, "give it more time with --timeout; a write may have happened"),
    (errors.VersionConflict, "read it again with `soma get`, then decide again"),
    (errors.RequestIdReused, "use another --request-id for another write"),
    (errors.StorageFull, "give the server's volume more room, or delete memories"),
    (errors.Unsupported, "is it a SomaMemory server? `soma info` tells its version"),
    (errors.Unauthenticated, "give a token that holds: SOMA_TOKEN or --token-file"),
    (errors.PermissionRefused, "ask for a token with that scope"),
    (errors.ServerError, "the server's log says more"),
]


def exit_code(error: errors.SomaMemoryError) -> int:
    """Return the exit code that an error stands for."""
    if _can_wait(error):
        return OVERLOADED
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILURE)


def report(error: errors.SomaMemoryError, address: str) -> str:
    """Return what to print: a sentence, a line for each bad field, and a mend where one is known."""
    lines = [f"error: {_sentence(error, address)}"]
    lines += [f"  {each.field}: {each.description}" for each in error.violations]
    mend = _mend(error, address)
    return "\n".join([*lines, f"  {mend}"] if mend else lines)


def _sentence(error: errors.SomaMemoryError, address: str) -> str:
    match error:
        case errors.Unavailable():
            return f"no memory server answers at {address}"
        case errors.DeadlineExceeded():
            return f"the memory server at {address} did not answer in time"
        case errors.NotFound(details=errors.Details(resource=errors.Resource() as resource)):
            return f"there is no {resource.kind} {resource.name!r}"
        case errors.VersionConflict(current_version=int() as version):
            return f"the version is {version} now, not the expected one"
        case errors.InvalidArgument(violations=(_, *_)):
            return "the request is not valid"  # the lines below tell all of it
        case _:
            return error.message or "the call failed"


def _mend(error: errors.SomaMemoryError, address: str) -> str:
    if isinstance(error, errors.Unavailable) and address == default_address():
        return (
            "start one with `soma serve --data ./data`, or name one with --address or SOMA_ADDRESS"
        )
    if _can_wait(error):
        return f"try again in {error.retry_after_s:.1f} s"
    return next((mend for kind, mend in _MENDS if isinstance(error, kind)), "")


def _can_wait(error: errors.SomaMemoryError) -> bool:
    asked_to = isinstance(error, errors.Overloaded | errors.QuotaExceeded)
    return asked_to and error.retry_after_s is not None
