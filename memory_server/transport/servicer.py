"""The services of soma.memory.v1: request, use case, response."""

from dataclasses import dataclass
from typing import Any

from memory_server.domain import limits
from memory_server.domain.memory import Receipt, Scope
from memory_server.transport import codec
from memory_server.transport.auth import Principal
from memory_server.transport.boundary import Method
from memory_server.transport.status_map import status_of
from memory_server.usecases import delete, link, read, recall, store
from memory_server.usecases.engine import Engine
from soma.memory.v1 import (
    admin_service_pb2,
    link_service_pb2,
    memory_pb2,
    memory_service_pb2,
    namespace_service_pb2,
    recall_service_pb2,
)
from soma_common.errors import SomaError


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What GetServerInfo tells besides the engine's own facts."""

    version: str
    authentication: str


class Servicer:
    """Every method of soma.memory.v1."""

    def __init__(self, engine: Engine, facts: ServerFacts) -> None:
        self._engine = engine
        self._facts = facts

    async def store(
        self, request: memory_service_pb2.StoreRequest, caller: Principal
    ) -> memory_service_pb2.StoreResponse:
        """Answer Store."""
        scope = Scope(caller.tenant, request.namespace)
        receipt = await store.store(self._engine, scope, codec.store_command(request))
        return _stored(receipt)

    async def store_batch(
        self, request: memory_service_pb2.StoreBatchRequest, caller: Principal
    ) -> memory_service_pb2.StoreBatchResponse:
        """Answer StoreBatch."""
        scope = Scope(caller.tenant, request.namespace)
        commands = [codec.store_command(item) for item in request.items]
        outcomes = await store.store_batch(self._engine, scope, commands)
        return memory_service_pb2.StoreBatchResponse(results=map(_batch_result, outcomes))

    async def get(
        self, request: memory_service_pb2.GetRequest, caller: Principal
    ) -> memory_service_pb2.GetResponse:
        """Answer Get."""
        scope = Scope(caller.tenant, request.namespace)
        record = await read.get(self._engine, scope, codec.memory_ref(request.ref))
        memory = codec.memory_message(request.namespace, record)
        return memory_service_pb2.GetResponse(memory=memory)

    async def delete(
        self, request: memory_service_pb2.DeleteRequest, caller: Principal
    ) -> memory_service_pb2.DeleteResponse:
        """Answer Delete."""
        has_version = request.HasField("expected_version")
        receipt = await delete.delete(
            self._engine,
            Scope(caller.tenant, request.namespace),
            codec.memory_ref(request.ref),
            request_id=request.request_id,
            expected_version=request.expected_version if has_version else None,
        )
        message = codec.receipt_message(receipt)
        return memory_service_pb2.DeleteResponse(id=receipt.memory_id, receipt=message)

    async def list(
        self, request: memory_service_pb2.ListRequest, caller: Principal
    ) -> memory_service_pb2.ListResponse:
        """Answer List."""
        page = await read.list_memories(
            self._engine,
            Scope(caller.tenant, request.namespace),
            codec.filter_of(request.filter),
            page_size=request.page_size,
            token=request.page_token,
        )
        memories = [codec.memory_message(request.namespace, record) for record in page.records]
        return memory_service_pb2.ListResponse(memories=memories, next_page_token=page.next_token)

    async def recall(
        self, request: recall_service_pb2.RecallRequest, caller: Principal
    ) -> recall_service_pb2.RecallResponse:
        """Answer Recall."""
        scope = Scope(caller.tenant, request.namespace)
        answer = await recall.recall(self._engine, scope, codec.recall_query(request))
        return codec.recall_message(request.namespace, answer, explain=request.explain)

    async def link(
        self, request: link_service_pb2.LinkRequest, caller: Principal
    ) -> link_service_pb2.LinkResponse:
        """Answer Link."""
        scope = Scope(caller.tenant, request.namespace)
        receipt = await link.link(self._engine, scope, codec.link_command(request))
        return link_service_pb2.LinkResponse(receipt=codec.receipt_message(receipt))

    async def neighbors(
        self, request: link_service_pb2.NeighborsRequest, caller: Principal
    ) -> link_service_pb2.NeighborsResponse:
        """Answer Neighbors."""
        query = link.NeighborQuery(
            codec.memory_ref(request.ref),
            request.types,
            codec.direction(request.direction),
            request.depth,
            request.limit,
        )
        scope = Scope(caller.tenant, request.namespace)
        found, is_truncated = await link.neighbors(self._engine, scope, query)
        return codec.neighbors_message(request.namespace, found, is_truncated=is_truncated)

    async def get_stats(
        self, request: namespace_service_pb2.GetStatsRequest, caller: Principal
    ) -> namespace_service_pb2.GetStatsResponse:
        """Answer GetStats."""
        stats = await read.stats(self._engine, Scope(caller.tenant, request.namespace))
        return namespace_service_pb2.GetStatsResponse(
            memory_count=stats.memory_count,
            episodic_count=stats.episodic_count,
            semantic_count=stats.semantic_count,
            link_count=stats.link_count,
            payload_bytes=stats.payload_bytes,
            embedded_count=stats.embedded_count,
            commit_seq=stats.commit_seq,
        )

    async def list_namespaces(
        self, request: namespace_service_pb2.ListNamespacesRequest, caller: Principal
    ) -> namespace_service_pb2.ListNamespacesResponse:
        """Answer ListNamespaces."""
        names, token = await read.namespaces(
            self._engine, caller.tenant, page_size=request.page_size, token=request.page_token
        )
        return namespace_service_pb2.ListNamespacesResponse(namespaces=names, next_page_token=token)

    async def get_server_info(
        self, _request: admin_service_pb2.GetServerInfoRequest, caller: Principal
    ) -> admin_service_pb2.GetServerInfoResponse:
        """Answer GetServerInfo."""
        engine = self._engine
        return admin_service_pb2.GetServerInfoResponse(
            version=self._facts.version,
            store=engine.store.name,
            durability=memory_pb2.DURABILITY_FSYNCED,
            embedding_model=engine.embedder.model,
            embedding_dimensions=engine.embedder.dimensions,
            limits=_limits(engine),
            commit_seq=engine.store.last_commit_seq,
            tenant=caller.tenant,
            authentication=self._facts.authentication,
        )


def methods_by_service(servicer: Servicer) -> dict[str, dict[str, Method[Any]]]:
    """Return what answers each method of each service."""
    return {
        memory_service_pb2.DESCRIPTOR.services_by_name["MemoryService"].full_name: {
            "Store": Method(memory_service_pb2.StoreRequest, servicer.store),
            "StoreBatch": Method(memory_service_pb2.StoreBatchRequest, servicer.store_batch),
            "Get": Method(memory_service_pb2.GetRequest, servicer.get),
            "Delete": Method(memory_service_pb2.DeleteRequest, servicer.delete),
            "List": Method(memory_service_pb2.ListRequest, servicer.list),
        },
        recall_service_pb2.DESCRIPTOR.services_by_name["RecallService"].full_name: {
            "Recall": Method(recall_service_pb2.RecallRequest, servicer.recall),
        },
        link_service_pb2.DESCRIPTOR.services_by_name["LinkService"].full_name: {
            "Link": Method(link_service_pb2.LinkRequest, servicer.link),
            "Neighbors": Method(link_service_pb2.NeighborsRequest, servicer.neighbors),
        },
        namespace_service_pb2.DESCRIPTOR.services_by_name["NamespaceService"].full_name: {
            "GetStats": Method(namespace_service_pb2.GetStatsRequest, servicer.get_stats),
            "ListNamespaces": Method(
                namespace_service_pb2.ListNamespacesRequest, servicer.list_namespaces
            ),
        },
        admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name: {
            "GetServerInfo": Method(
                admin_service_pb2.GetServerInfoRequest, servicer.get_server_info
            ),
        },
    }


def _stored(receipt: Receipt) -> memory_service_pb2.StoreResponse:
    return memory_service_pb2.StoreResponse(
        id=receipt.memory_id, receipt=codec.receipt_message(receipt)
    )


def _batch_result(outcome: Receipt | SomaError) -> memory_service_pb2.StoreBatchResult:
    if isinstance(outcome, SomaError):
        return memory_service_pb2.StoreBatchResult(error=status_of(outcome))
    return memory_service_pb2.StoreBatchResult(stored=_stored(outcome))


def _limits(engine: Engine) -> admin_service_pb2.Limits:
    return admin_service_pb2.Limits(
        max_message_bytes=engine.limits.max_message_bytes,
        max_payload_bytes=engine.limits.max_payload_bytes,
        max_text_bytes=limits.MAX_TEXT_BYTES,
        max_batch_items=limits.MAX_BATCH_ITEMS,
        max_top_k=limits.MAX_TOP_K,
        max_page_size=limits.MAX_PAGE_SIZE,
        max_coordinate_dimensions=limits.MAX_COORDINATE_DIMENSIONS,
        max_link_depth=limits.MAX_LINK_DEPTH,
        request_id_ttl_s=engine.limits.request_id_ttl_s,
        max_response_bytes=limits.MAX_RESPONSE_BYTES,
    )
