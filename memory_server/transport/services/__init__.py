"""The services of soma.memory.v1, a file each: request, use case, response."""

from typing import Protocol

from memory_server.transport.codec.encoded import EncodedMemories
from memory_server.transport.methods import AnyMethod
from memory_server.transport.services.admin import AdminServicer, ServerFacts
from memory_server.transport.services.lifecycle import LifecycleServicer
from memory_server.transport.services.links import LinkServicer
from memory_server.transport.services.memories import MemoryServicer
from memory_server.transport.services.namespaces import NamespaceServicer
from memory_server.transport.services.recalls import RecallServicer
from memory_server.usecases.engine import Engine


class _Servicer(Protocol):
    def methods(self) -> dict[str, AnyMethod]: ...


def methods_by_service(engine: Engine, facts: ServerFacts) -> dict[str, dict[str, AnyMethod]]:
    """Return what answers each method of each service."""
    encoded = EncodedMemories()
    servicers: dict[str, _Servicer] = {
        "MemoryService": MemoryServicer(engine, encoded),
        "RecallService": RecallServicer(engine, encoded),
        "LinkService": LinkServicer(engine),
        "LifecycleService": LifecycleServicer(engine),
        "NamespaceService": NamespaceServicer(engine),
        "AdminService": AdminServicer(engine, facts),
    }
    return {f"soma.memory.v1.{name}": servicer.methods() for name, servicer in servicers.items()}
