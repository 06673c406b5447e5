"""Calls of LinkService."""

from collections.abc import Mapping, Sequence

from soma.memory.v1 import link_service_pb2 as pb
from somamemory import codec, model
from somamemory.calls.base import Call, call, read_rpc, rpc
from somamemory.model import DEFAULT_NAMESPACE

_SERVICE = "LinkService"

LINK = rpc(_SERVICE, "Link", pb.LinkRequest, pb.LinkResponse)
UNLINK = rpc(_SERVICE, "Unlink", pb.UnlinkRequest, pb.UnlinkResponse)
NEIGHBORS = read_rpc(_SERVICE, "Neighbors", pb.NeighborsRequest, pb.NeighborsResponse)
FIND_PATH = read_rpc(_SERVICE, "FindPath", pb.FindPathRequest, pb.FindPathResponse)

METHODS = (LINK, UNLINK, NEIGHBORS, FIND_PATH)


def link(
    from_ref: model.Ref,
    to_ref: model.Ref,
    *,
    type: str = "",
    weight: float | None = None,
    metadata: Mapping[str, model.Scalar] | None = None,
    namespace: str = DEFAULT_NAMESPACE,
    request_id: str = "",
    expected_version: int | None = None,
) -> Call[model.Receipt]:
    """Write one link, or overwrite the one with the same ends and type.

    Args:
        from_ref: Where it starts; the memory must exist.
        to_ref: Where it ends; the memory must exist.
        type: What the link means. Empty: `related`.
        weight: Finite and not negative. None means 1.
        metadata: The link's own values.
        namespace: The caller's partition.
        request_id: Makes a retry safe. Empty: a new one for this call.
        expected_version: Write only at this version of the link; 0: only if it does not exist.

    Returns:
        A receipt whose version is the link's.
    """
    request = pb.LinkRequest(
        namespace=namespace,
        from_ref=codec.reference(from_ref),
        to_ref=codec.reference(to_ref),
        type=type,
        weight=weight,
        metadata=codec.metadata(metadata or {}, "metadata"),
        request_id=request_id,
        expected_version=expected_version,
    )
    return call(LINK, request, lambda response: codec.receipt(response.receipt))


def unlink(
    from_ref: model.Ref,
    to_ref: model.Ref,
    *,
    type: str = "",
    namespace: str = DEFAULT_NAMESPACE,
    request_id: str = "",
) -> Call[model.Receipt]:
    """Remove the link of a type, or without a type all links, from one memory to another.

    Returns:
        A receipt whose version is the number of links that were removed.

    Raises:
        NotFound: There is no such link.
    """
    request = pb.UnlinkRequest(
        namespace=namespace,
        from_ref=codec.reference(from_ref),
        to_ref=codec.reference(to_ref),
        type=type,
        request_id=request_id,
    )
    return call(UNLINK, request, lambda response: codec.receipt(response.receipt))


def neighbors(
    ref: model.Ref,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    types: Sequence[str] = (),
    direction: str = model.LinkDirection.OUTGOING,
    depth: int = 1,
    limit: int = 0,
) -> Call[model.Neighborhood]:
    """Find what a memory is linked with.

    Args:
        ref: Where the walk starts.
        namespace: The caller's partition.
        types: Only links of these types; empty: all.
        direction: `outgoing`, `incoming` or `both`.
        depth: How many links away at most.
        limit: How many memories at most; 0 leaves it to the server.

    Returns:
        The memories, nearest first, each with the link that reached it.
    """
    request = pb.NeighborsRequest(
        namespace=namespace,
        ref=codec.reference(ref),
        types=types,
        direction=codec.enum_number(direction, pb.LinkDirection, "LINK_DIRECTION", "direction"),
        depth=depth,
        limit=limit,
    )
    return call(NEIGHBORS, request, codec.neighborhood)


def find_path(
    from_ref: model.Ref,
    to_ref: model.Ref,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    types: Sequence[str] = (),
    direction: str = model.LinkDirection.OUTGOING,
    max_length: int = 0,
) -> Call[model.Path | None]:
    """Find the path of the least total weight between two memories.

    Args:
        from_ref: Where it starts.
        to_ref: Where it ends.
        namespace: The caller's partition.
        types: Only links of these types; empty: all.
        direction: `outgoing`, `incoming` or `both`.
        max_length: Most links of the path, 1 to 64; 0 leaves it to the server.

    Returns:
        The path, or None if there is none of that length.
    """
    request = pb.FindPathRequest(
        namespace=namespace,
        from_ref=codec.reference(from_ref),
        to_ref=codec.reference(to_ref),
        types=types,
        direction=codec.enum_number(direction, pb.LinkDirection, "LINK_DIRECTION", "direction"),
        max_length=max_length,
    )
    return call(FIND_PATH, request, codec.path)
