"""The four calls of SomaFractalMemory on its own wire contract, so that its clients connect unchanged.

They work on the namespace `default` of the caller's tenant. Unlike the predecessor: recall gives coordinates and
payloads, delete deletes, and errors say what is wrong.
"""

from google.protobuf import empty_pb2

from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryDraft, MemoryKind, MemoryRef, Scope
from memory_server.transport.auth import AccessScope, Principal
from memory_server.transport.codec.values import coordinate
from memory_server.transport.methods import AnyMethod, Method
from memory_server.usecases import delete, recall, store
from memory_server.usecases.engine import Engine
from soma_common.errors import InvalidInput, NotFound, Violation
from somafractalmemory import memory_pb2

NAMESPACE = "default"
DEFAULT_TOP_K = 5

_KINDS = {"": MemoryKind.EPISODIC, "episodic": MemoryKind.EPISODIC, "semantic": MemoryKind.SEMANTIC}


class PredecessorServicer:
    """Every method of somafractalmemory.MemoryService."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def store(
        self, request: memory_pb2.StoreRequest, caller: Principal
    ) -> memory_pb2.StoreResponse:
        """Answer Store: write at the coordinate, over what is there."""
        memory = request.memory
        draft = MemoryDraft(
            payload_json=memory.payload_json.encode(),
            coordinate=coordinate(memory.coord),
            kind=_kind(memory.memory_type, "memory.memory_type"),
        )
        scope = Scope(caller.tenant, NAMESPACE)
        receipt = await store.store(self._engine, scope, store.StoreCommand(draft))
        return memory_pb2.StoreResponse(ok=True, id=receipt.memory_id)

    async def recall(
        self, request: memory_pb2.RetrieveRequest, caller: Principal
    ) -> memory_pb2.RecallResult:
        """Answer Recall: the nearest coordinates."""
        kinds = [_kind(request.memory_type, "memory_type")] if request.memory_type else []
        query = recall.RecallQuery(
            coordinate=coordinate(request.query),
            top_k=request.top_k or DEFAULT_TOP_K,
            given=Filter(kinds=frozenset(kinds)),
        )
        try:
            answer = await recall.recall(self._engine, Scope(caller.tenant, NAMESPACE), query)
        except NotFound:
            # The predecessor knew no namespaces: before the first store there is nothing to find, and that is no error.
            return memory_pb2.RecallResult()
        result = memory_pb2.RecallResult()
        for hit in answer.hits:
            result.memories.add(
                coord=memory_pb2.Coordinate(values=hit.record.coordinate),
                payload_json=hit.record.payload_json.decode(),
                memory_type=hit.record.kind.name.lower(),
            )
        return result

    async def delete(
        self, request: memory_pb2.DeleteRequest, caller: Principal
    ) -> memory_pb2.DeleteResponse:
        """Answer Delete: nothing is at the coordinate any more, also when nothing was."""
        ref = MemoryRef(coordinate=coordinate(request.coord))
        scope = Scope(caller.tenant, NAMESPACE)
        try:
            await delete.delete(self._engine, scope, delete.DeleteCommand(ref))
        except NotFound:
            return memory_pb2.DeleteResponse(ok=True)
        return memory_pb2.DeleteResponse(ok=True)

    async def health(
        self, _request: empty_pb2.Empty, _caller: Principal
    ) -> memory_pb2.HealthResponse:
        """Answer Health: `ok`, or the error that says why not."""
        await self._engine.store.check()
        return memory_pb2.HealthResponse(status="ok")


def methods_by_service(servicer: PredecessorServicer) -> dict[str, dict[str, AnyMethod]]:
    """Return what answers each method."""
    return {
        memory_pb2.DESCRIPTOR.services_by_name["MemoryService"].full_name: {
            "Store": Method(memory_pb2.StoreRequest, servicer.store, AccessScope.WRITE),
            "Recall": Method(memory_pb2.RetrieveRequest, servicer.recall, AccessScope.READ),
            "Delete": Method(memory_pb2.DeleteRequest, servicer.delete, AccessScope.WRITE),
            "Health": Method(empty_pb2.Empty, servicer.health, AccessScope.READ),
        }
    }


def _kind(name: str, path: str) -> MemoryKind:
    if name not in _KINDS:
        bad = Violation(path, "must be episodic or semantic")
        raise InvalidInput("the request is not valid", violations=[bad])
    return _KINDS[name]
