"""MemoryService: writing memories, and reading them by their address."""

from memory_server.domain.memory import Receipt, Scope
from memory_server.transport.auth import Principal
from memory_server.transport.codec.filters import filter_of
from memory_server.transport.codec.memories import (
    memory_message,
    memory_ref,
    receipt_message,
    store_command,
)
from memory_server.transport.status_map import status_of
from memory_server.usecases import delete, read, store
from memory_server.usecases.engine import Engine
from soma.memory.v1 import memory_service_pb2
from soma_common.errors import SomaError


class MemoryServicer:
    """Every method of MemoryService."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def store(
        self, request: memory_service_pb2.StoreRequest, caller: Principal
    ) -> memory_service_pb2.StoreResponse:
        """Answer Store."""
        scope = Scope(caller.tenant, request.namespace)
        receipt = await store.store(self._engine, scope, store_command(request))
        return _stored(receipt)

    async def store_batch(
        self, request: memory_service_pb2.StoreBatchRequest, caller: Principal
    ) -> memory_service_pb2.StoreBatchResponse:
        """Answer StoreBatch."""
        scope = Scope(caller.tenant, request.namespace)
        commands = [store_command(item) for item in request.items]
        outcomes = await store.store_batch(self._engine, scope, commands)
        return memory_service_pb2.StoreBatchResponse(results=map(_batch_result, outcomes))

    async def get(
        self, request: memory_service_pb2.GetRequest, caller: Principal
    ) -> memory_service_pb2.GetResponse:
        """Answer Get."""
        scope = Scope(caller.tenant, request.namespace)
        record = await read.get(self._engine, scope, memory_ref(request.ref))
        memory = memory_message(request.namespace, record)
        return memory_service_pb2.GetResponse(memory=memory)

    async def delete(
        self, request: memory_service_pb2.DeleteRequest, caller: Principal
    ) -> memory_service_pb2.DeleteResponse:
        """Answer Delete."""
        has_version = request.HasField("expected_version")
        receipt = await delete.delete(
            self._engine,
            Scope(caller.tenant, request.namespace),
            memory_ref(request.ref),
            request_id=request.request_id,
            expected_version=request.expected_version if has_version else None,
        )
        message = receipt_message(receipt)
        return memory_service_pb2.DeleteResponse(id=receipt.memory_id, receipt=message)

    async def list(
        self, request: memory_service_pb2.ListRequest, caller: Principal
    ) -> memory_service_pb2.ListResponse:
        """Answer List."""
        page = await read.list_memories(
            self._engine,
            Scope(caller.tenant, request.namespace),
            filter_of(request.filter),
            page_size=request.page_size,
            token=request.page_token,
        )
        memories = [memory_message(request.namespace, record) for record in page.records]
        return memory_service_pb2.ListResponse(memories=memories, next_page_token=page.next_token)


def _stored(receipt: Receipt) -> memory_service_pb2.StoreResponse:
    return memory_service_pb2.StoreResponse(id=receipt.memory_id, receipt=receipt_message(receipt))


def _batch_result(outcome: Receipt | SomaError) -> memory_service_pb2.StoreBatchResult:
    if isinstance(outcome, SomaError):
        return memory_service_pb2.StoreBatchResult(error=status_of(outcome))
    return memory_service_pb2.StoreBatchResult(stored=_stored(outcome))
