"""NamespaceService: the partitions of a caller."""

from memory_server.domain.memory import Scope
from memory_server.transport.auth import Principal
from memory_server.usecases import read
from memory_server.usecases.engine import Engine
from soma.memory.v1 import namespace_service_pb2


class NamespaceServicer:
    """Every method of NamespaceService."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

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
