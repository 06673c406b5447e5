"""Why a store refuses a call: the sentences and facts that every store gives alike."""

from memory_server.domain.memory import MemoryId, MemoryRef, Scope
from soma_common.errors import AlreadyExists, Conflict, NotFound, RequestIdReused


def namespace_not_found(scope: Scope) -> NotFound:
    """Return the error that says so; a namespace of another tenant gives the same."""
    return NotFound("there is no such namespace", kind="namespace", name=scope.namespace)


def memory_not_found(ref: MemoryRef) -> NotFound:
    """Return the error that says so."""
    name = ref.id if ref.id is not None else ",".join(map(repr, ref.coordinate or ()))
    return NotFound("there is no such memory", kind="memory", name=name)


def coordinate_taken(owner: MemoryId) -> AlreadyExists:
    """Return the error that names the memory at the coordinate."""
    return AlreadyExists("the coordinate belongs to another memory", memory_id=owner)


def request_id_reused(request_id: str) -> RequestIdReused:
    """Return the error that says so."""
    message = "this request id was used for another request; use a new one"
    return RequestIdReused(message, request_id=request_id)


def check_version(expected: int | None, current: int) -> None:
    """Check the version that a caller expects; 0 stands for nothing there.

    Raises:
        Conflict: It is another one.
    """
    if expected is not None and expected != current:
        message = "the version is not the expected one; read again and decide again"
        raise Conflict(message, expected_version=expected, current_version=current)
