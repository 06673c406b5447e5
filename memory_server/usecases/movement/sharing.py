"""Copy memories from one namespace of a tenant to another."""

from memory_server.domain import limits, validation
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryId, Scope
from memory_server.domain.validation import Violations
from memory_server.usecases.engine import Engine
from memory_server.usecases.movement.importing import Importer, ImportOptions, Progress, moved
from memory_server.usecases.read import every_page


async def share(
    engine: Engine, scope: Scope, to_scope: Scope, given: Filter, options: ImportOptions
) -> Progress:
    """Copy the memories that pass, with the links among them, to another namespace of the same tenant.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace to copy from.
        Overloaded, StorageFull, Unavailable: As the store says; what was copied stays.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_name(
        found, "to_namespace", to_scope.namespace, limits.MAX_NAMESPACE_BYTES
    )  # fmt: skip
    is_other = scope.namespace != to_scope.namespace
    found.require(is_other, "to_namespace", "must be another namespace")
    validation.check_filter(found, given)
    found.raise_if_any()
    importer = Importer(engine, to_scope, options)
    ids: list[MemoryId] = []
    progress = Progress()
    async for page in every_page(engine, scope, given):
        ids += [record.id for record in page]
        progress = await importer.take([moved(record) for record in page], [])
    shared = set(ids)
    for start in range(0, len(ids), limits.MAX_BATCH_ITEMS):
        some = ids[start : start + limits.MAX_BATCH_ITEMS]
        links = await engine.store.links_of(scope, some, outgoing=True, types=[])
        among = [link for link in links if link.to_id in shared]
        for begin in range(0, len(among), limits.MAX_BATCH_ITEMS):
            progress = await importer.take([], among[begin : begin + limits.MAX_BATCH_ITEMS])
    return progress
