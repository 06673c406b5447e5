"""Why a store refuses a call: the sentences and facts that every store gives alike."""

from memory_server.domain.memory import MemoryId, MemoryRef, Scope
from soma_common.errors import (
    AlreadyExists,
    Conflict,
    HistoryLost,
    NotFound,
    RequestIdReused,
)


def namespace_not_found(scope: Scope) -> NotFound:
    """Return the error that says so; a namespace of another tenant gives the same."""
    return NotFound("there is no such namespace", kind="namespace", name=scope.namespace)


def namespace_exists(scope: Scope) -> AlreadyExists:
    """Return the error that says so."""
    return AlreadyExists("there is a namespace of this name", namespace=scope.namespace)


def version_not_found(ref: MemoryRef, version: int) -> NotFound:
    """Return the error that says so; a version that was never written and one that is not kept give the same."""
    name = f"{memory_not_found(ref).name}@{version}"
    return NotFound("this version of the memory is not kept", kind="version", name=name)


def link_not_found(from_id: MemoryId, to_id: MemoryId, link_type: str) -> NotFound:
    """Return the error that says so."""
    name = f"{from_id} -{link_type or '*'}-> {to_id}"
    return NotFound("there is no such link", kind="link", name=name)


def history_lost() -> HistoryLost:
    """Return the error that says so."""
    return HistoryLost("changes since then are no longer kept; read everything anew")


def memory_not_found(ref: MemoryRef) -> NotFound:
    """Return the error that says so."""
    name = ref.id if ref.id is not None else ",".join(map(repr, ref.coordinate or ()))
    return NotFound("there is no such memory", kind="memory", name=name)


def source_gone() -> NotFound:
    """Return the error that says so."""
    return NotFound("what it is made of is no longer there; do it again", kind="memory", name="")


def coordinate_taken(owner: MemoryId) -> AlreadyExists:
    """Return the error that names the memory at the coordinate."""
    return AlreadyExists("the coordinate belongs to another memory", memory_id=owner)


def request_id_reused(request_id: str) -> RequestIdReused:
    """Return the error that says so."""
    message = "this request id was used for another request; use a new one"
    return RequestIdReused(message, request_id=request_id)


def check_unchanged(read_seq: int | None, current_seq: int | None) -> None:
    """Check that a record is still the one that was read; None: nothing was read, or nothing is there.

    Raises:
        Conflict: It is another one.
    """
    if read_seq is not None and read_seq != current_seq:
        raise Conflict("the memory was written meanwhile; read again and decide again")


def check_version(expected: int | None, current: int) -> None:
    """Check the version that a caller expects; 0 stands for nothing there.

    Raises:
        Conflict: It is another one.
    """
    if expected is not None and expected != current:
        message = "the version is not the expected one; read again and decide again"
        raise Conflict(message, expected_version=expected, current_version=current)
