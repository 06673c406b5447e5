"""Links and walks."""

from collections.abc import Sequence

from memory_server.domain.limits import MAX_FILTER_TESTS
from memory_server.domain.memory import MemoryLink
from memory_server.transport.codec.memories import memory_message, memory_ref
from memory_server.transport.codec.values import few, metadata_of, optional_int, put_metadata
from memory_server.usecases.link import LinkCommand, UnlinkCommand
from memory_server.usecases.walk import Direction, Neighbor, NeighborQuery, Path, PathQuery, Ways
from soma.memory.v1 import link_service_pb2, memory_pb2

_DIRECTIONS = {
    link_service_pb2.LINK_DIRECTION_UNSPECIFIED: Direction.OUTGOING,
    link_service_pb2.LINK_DIRECTION_OUTGOING: Direction.OUTGOING,
    link_service_pb2.LINK_DIRECTION_INCOMING: Direction.INCOMING,
    link_service_pb2.LINK_DIRECTION_BOTH: Direction.BOTH,
}


def link_command(message: link_service_pb2.LinkRequest) -> LinkCommand:
    """Return what a LinkRequest asks for."""
    return LinkCommand(
        memory_ref(message.from_ref),
        memory_ref(message.to_ref),
        message.type,
        message.weight if message.HasField("weight") else 1.0,
        metadata_of(message.metadata),
        message.request_id,
        optional_int(message, "expected_version"),
    )


def unlink_command(message: link_service_pb2.UnlinkRequest) -> UnlinkCommand:
    """Return what an UnlinkRequest asks for."""
    return UnlinkCommand(
        memory_ref(message.from_ref), memory_ref(message.to_ref), message.type, message.request_id
    )


def neighbor_query(message: link_service_pb2.NeighborsRequest) -> NeighborQuery:
    """Return what a NeighborsRequest asks for."""
    return NeighborQuery(memory_ref(message.ref), _ways(message), message.depth, message.limit)


def path_query(message: link_service_pb2.FindPathRequest) -> PathQuery:
    """Return what a FindPathRequest asks for."""
    ends = memory_ref(message.from_ref), memory_ref(message.to_ref)
    return PathQuery(*ends, _ways(message), message.max_length)


def _ways(message: link_service_pb2.NeighborsRequest | link_service_pb2.FindPathRequest) -> Ways:
    return Ways(tuple(few(message.types, MAX_FILTER_TESTS)), _DIRECTIONS.get(message.direction))


def path_message(namespace: str, path: Path | None) -> link_service_pb2.FindPathResponse:
    """Return the answer of a search for a path."""
    if path is None:
        return link_service_pb2.FindPathResponse()
    return link_service_pb2.FindPathResponse(
        found=True,
        cost=path.cost,
        memories=[memory_message(namespace, record) for record in path.records],
        links=[link_message(link) for link in path.links],
    )


def neighbors_message(
    namespace: str, neighbors: Sequence[Neighbor], *, is_truncated: bool
) -> link_service_pb2.NeighborsResponse:
    """Return the answer of a walk."""
    message = link_service_pb2.NeighborsResponse(truncated=is_truncated)
    for neighbor in neighbors:
        message.neighbors.add(
            memory=memory_message(namespace, neighbor.record),
            distance=neighbor.distance,
            link=link_message(neighbor.link),
        )
    return message


def link_message(link: MemoryLink) -> memory_pb2.MemoryLink:
    """Return a link as callers see it."""
    message = memory_pb2.MemoryLink(
        from_id=link.from_id,
        to_id=link.to_id,
        type=link.type,
        weight=link.weight,
        version=link.version,
    )
    put_metadata(message.metadata, link.metadata)
    return message
