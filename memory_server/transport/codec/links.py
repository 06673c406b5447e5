"""Links and walks."""

from collections.abc import Sequence
from typing import cast

from memory_server.domain.memory import MemoryLink
from memory_server.transport.codec.memories import memory_message, memory_ref
from memory_server.transport.codec.values import metadata_of, optional_int, put_metadata
from memory_server.usecases.link import Direction, LinkCommand, Neighbor
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


def direction(number: int) -> Direction | None:
    """Return the direction of a number; None for one that is not known."""
    return _DIRECTIONS.get(cast("link_service_pb2.LinkDirection", number))


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
