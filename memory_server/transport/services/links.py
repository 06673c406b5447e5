"""LinkService: links, and walks over them."""

from memory_server.domain.memory import Scope
from memory_server.transport.auth import Principal
from memory_server.transport.codec.links import direction, link_command, neighbors_message
from memory_server.transport.codec.memories import memory_ref, receipt_message
from memory_server.usecases import link
from memory_server.usecases.engine import Engine
from soma.memory.v1 import link_service_pb2


class LinkServicer:
    """Every method of LinkService."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def link(
        self, request: link_service_pb2.LinkRequest, caller: Principal
    ) -> link_service_pb2.LinkResponse:
        """Answer Link."""
        scope = Scope(caller.tenant, request.namespace)
        receipt = await link.link(self._engine, scope, link_command(request))
        return link_service_pb2.LinkResponse(receipt=receipt_message(receipt))

    async def neighbors(
        self, request: link_service_pb2.NeighborsRequest, caller: Principal
    ) -> link_service_pb2.NeighborsResponse:
        """Answer Neighbors."""
        query = link.NeighborQuery(
            memory_ref(request.ref),
            request.types,
            direction(request.direction),
            request.depth,
            request.limit,
        )
        scope = Scope(caller.tenant, request.namespace)
        found, is_truncated = await link.neighbors(self._engine, scope, query)
        return neighbors_message(request.namespace, found, is_truncated=is_truncated)
