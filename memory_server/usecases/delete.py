"""Delete a memory."""

from memory_server.domain import validation
from memory_server.domain.memory import MemoryRef, Receipt, Scope
from memory_server.domain.requests import body_digest
from memory_server.domain.validation import Violations
from memory_server.ports import DeleteWrite, RequestKey
from memory_server.usecases.engine import Engine


async def delete(
    engine: Engine,
    scope: Scope,
    ref: MemoryRef,
    *,
    request_id: str = "",
    expected_version: int | None = None,
) -> Receipt:
    """Delete one memory with its links.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such memory.
        Conflict, RequestIdReused, Overloaded, StorageFull, Unavailable: As the store says.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "ref", ref)
    validation.check_request_id(found, request_id)
    validation.check_expected_version(found, expected_version, minimum=1)
    found.raise_if_any()

    digest = body_digest("delete", scope.namespace, ref, expected_version)
    request = RequestKey(request_id, digest) if request_id else None
    write = DeleteWrite(scope, ref, engine.clock.now_us(), request, expected_version)
    return await engine.commit_one(write)
