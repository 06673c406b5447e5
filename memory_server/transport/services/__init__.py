"""The services of soma.memory.v1, a file each: request, use case, response."""

from typing import Any

from memory_server.transport.auth import AccessScope
from memory_server.transport.methods import Method
from memory_server.transport.services.admin import AdminServicer, ServerFacts
from memory_server.transport.services.links import LinkServicer
from memory_server.transport.services.memories import MemoryServicer
from memory_server.transport.services.namespaces import NamespaceServicer
from memory_server.transport.services.recalls import RecallServicer
from memory_server.usecases.engine import Engine
from soma.memory.v1 import (
    admin_service_pb2,
    link_service_pb2,
    memory_service_pb2,
    namespace_service_pb2,
    recall_service_pb2,
)


def methods_by_service(engine: Engine, facts: ServerFacts) -> dict[str, dict[str, Method[Any]]]:
    """Return what answers each method of each service."""
    memories, recalls = MemoryServicer(engine), RecallServicer(engine)
    links, namespaces = LinkServicer(engine), NamespaceServicer(engine)
    admin = AdminServicer(engine, facts)
    return {
        memory_service_pb2.DESCRIPTOR.services_by_name["MemoryService"].full_name: {
            "Store": Method(memory_service_pb2.StoreRequest, memories.store, AccessScope.WRITE),
            "StoreBatch": Method(
                memory_service_pb2.StoreBatchRequest, memories.store_batch, AccessScope.WRITE
            ),
            "Get": Method(memory_service_pb2.GetRequest, memories.get, AccessScope.READ),
            "Delete": Method(memory_service_pb2.DeleteRequest, memories.delete, AccessScope.WRITE),
            "List": Method(memory_service_pb2.ListRequest, memories.list, AccessScope.READ),
        },
        recall_service_pb2.DESCRIPTOR.services_by_name["RecallService"].full_name: {
            "Recall": Method(recall_service_pb2.RecallRequest, recalls.recall, AccessScope.READ),
        },
        link_service_pb2.DESCRIPTOR.services_by_name["LinkService"].full_name: {
            "Link": Method(link_service_pb2.LinkRequest, links.link, AccessScope.LINK),
            "Neighbors": Method(
                link_service_pb2.NeighborsRequest, links.neighbors, AccessScope.READ
            ),
        },
        namespace_service_pb2.DESCRIPTOR.services_by_name["NamespaceService"].full_name: {
            "GetStats": Method(
                namespace_service_pb2.GetStatsRequest, namespaces.get_stats, AccessScope.READ
            ),
            "ListNamespaces": Method(
                namespace_service_pb2.ListNamespacesRequest,
                namespaces.list_namespaces,
                AccessScope.READ,
            ),
        },
        admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name: {
            "GetServerInfo": Method(
                admin_service_pb2.GetServerInfoRequest, admin.get_server_info, AccessScope.READ
            ),
        },
    }
