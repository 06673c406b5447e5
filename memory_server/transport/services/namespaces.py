"""NamespaceService: the partitions of a caller."""

from memory_server.domain.memory import Scope
from memory_server.transport.auth import AccessScope, Principal
from memory_server.transport.codec.namespaces import namespace_message, policy_of
from memory_server.transport.codec.values import optional_int
from memory_server.transport.methods import AnyMethod, Method
from memory_server.usecases import namespaces
from memory_server.usecases.engine import Engine
from soma.memory.v1 import namespace_service_pb2 as pb


class NamespaceServicer:
    """Every method of NamespaceService."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def methods(self) -> dict[str, AnyMethod]:
        """Return what answers each method."""
        return {
            "CreateNamespace": Method(pb.CreateNamespaceRequest, self.create, AccessScope.ADMIN),
            "GetNamespace": Method(pb.GetNamespaceRequest, self.get, AccessScope.READ),
            "UpdateNamespace": Method(pb.UpdateNamespaceRequest, self.update, AccessScope.ADMIN),
            "DeleteNamespace": Method(pb.DeleteNamespaceRequest, self.delete, AccessScope.ADMIN),
            "GetStats": Method(pb.GetStatsRequest, self.get_stats, AccessScope.READ),
            "ListNamespaces": Method(pb.ListNamespacesRequest, self.list, AccessScope.READ),
        }

    async def create(
        self, request: pb.CreateNamespaceRequest, caller: Principal
    ) -> pb.CreateNamespaceResponse:
        """Answer CreateNamespace."""
        scope = Scope(caller.tenant, request.namespace)
        info = await namespaces.create(self._engine, scope, policy_of(request.policy))
        return pb.CreateNamespaceResponse(namespace=namespace_message(info))

    async def get(
        self, request: pb.GetNamespaceRequest, caller: Principal
    ) -> pb.GetNamespaceResponse:
        """Answer GetNamespace."""
        scope = Scope(caller.tenant, request.namespace)
        info = await namespaces.describe(self._engine, scope)
        return pb.GetNamespaceResponse(namespace=namespace_message(info))

    async def update(
        self, request: pb.UpdateNamespaceRequest, caller: Principal
    ) -> pb.UpdateNamespaceResponse:
        """Answer UpdateNamespace."""
        info = await namespaces.set_policy(
            self._engine,
            Scope(caller.tenant, request.namespace),
            policy_of(request.policy),
            request.update_mask.paths,
            optional_int(request, "expected_version"),
        )
        return pb.UpdateNamespaceResponse(namespace=namespace_message(info))

    async def delete(
        self, request: pb.DeleteNamespaceRequest, caller: Principal
    ) -> pb.DeleteNamespaceResponse:
        """Answer DeleteNamespace."""
        scope = Scope(caller.tenant, request.namespace)
        commit_seq = await namespaces.drop(self._engine, scope)
        return pb.DeleteNamespaceResponse(commit_seq=commit_seq)

    async def get_stats(
        self, request: pb.GetStatsRequest, caller: Principal
    ) -> pb.GetStatsResponse:
        """Answer GetStats."""
        scope = Scope(caller.tenant, request.namespace)
        stats = await namespaces.stats(self._engine, scope)
        return pb.GetStatsResponse(
            memory_count=stats.memory_count,
            episodic_count=stats.episodic_count,
            semantic_count=stats.semantic_count,
            link_count=stats.link_count,
            payload_bytes=stats.payload_bytes,
            embedded_count=stats.embedded_count,
            commit_seq=stats.commit_seq,
        )

    async def list(
        self, request: pb.ListNamespacesRequest, caller: Principal
    ) -> pb.ListNamespacesResponse:
        """Answer ListNamespaces."""
        names, token = await namespaces.list_names(
            self._engine, caller.tenant, page_size=request.page_size, token=request.page_token
        )
        return pb.ListNamespacesResponse(namespaces=names, next_page_token=token)
