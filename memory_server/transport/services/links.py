"""LinkService: links, and walks over them."""

from memory_server.domain.memory import Scope
from memory_server.transport.auth import AccessScope, Principal
from memory_server.transport.codec.links import (
    link_command,
    neighbor_query,
    neighbors_message,
    path_message,
    path_query,
    unlink_command,
)
from memory_server.transport.codec.memories import receipt_message
from memory_server.transport.methods import AnyMethod, Method
from memory_server.usecases import link, walk
from memory_server.usecases.engine import Engine
from soma.memory.v1 import link_service_pb2 as pb


class LinkServicer:
    """Every method of LinkService."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def methods(self) -> dict[str, AnyMethod]:
        """Return what answers each method."""
        return {
            "Link": Method(pb.LinkRequest, self.link, AccessScope.LINK),
            "Unlink": Method(pb.UnlinkRequest, self.unlink, AccessScope.LINK),
            "Neighbors": Method(pb.NeighborsRequest, self.neighbors, AccessScope.READ),
            "FindPath": Method(pb.FindPathRequest, self.find_path, AccessScope.READ),
        }

    async def link(self, request: pb.LinkRequest, caller: Principal) -> pb.LinkResponse:
        """Answer Link."""
        scope = Scope(caller.tenant, request.namespace)
        receipt = await link.link(self._engine, scope, link_command(request))
        return pb.LinkResponse(receipt=receipt_message(receipt))

    async def unlink(self, request: pb.UnlinkRequest, caller: Principal) -> pb.UnlinkResponse:
        """Answer Unlink."""
        scope = Scope(caller.tenant, request.namespace)
        receipt = await link.unlink(self._engine, scope, unlink_command(request))
        return pb.UnlinkResponse(receipt=receipt_message(receipt), removed_count=receipt.version)

    async def neighbors(
        self, request: pb.NeighborsRequest, caller: Principal
    ) -> pb.NeighborsResponse:
        """Answer Neighbors."""
        scope = Scope(caller.tenant, request.namespace)
        found, is_truncated = await walk.neighbors(self._engine, scope, neighbor_query(request))
        return neighbors_message(request.namespace, found, is_truncated=is_truncated)

    async def find_path(
        self, request: pb.FindPathRequest, caller: Principal
    ) -> pb.FindPathResponse:
        """Answer FindPath."""
        scope = Scope(caller.tenant, request.namespace)
        path = await walk.find_path(self._engine, scope, path_query(request))
        return path_message(request.namespace, path)
