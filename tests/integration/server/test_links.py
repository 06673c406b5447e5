"""Links over the wire: derived ones, paths, removal."""

import grpc
import pytest
from google.protobuf import timestamp_pb2

from soma.memory.v1 import link_service_pb2, memory_pb2
from tests.support.wire import Wire, ref

MINUTE_S = 60


async def turn(wire: Wire, name: str, at_s: int, session: str = "") -> None:
    """Store one turn of a conversation."""
    metadata = {"session": memory_pb2.MetadataValue(text=session)} if session else {}
    stamp = timestamp_pb2.Timestamp(seconds=1_700_000_000 + at_s)
    await wire.store({"text": f"turn {name}"}, id=name, event_time=stamp, metadata=metadata)


async def near(wire: Wire, name: str, **more: object) -> dict[str, tuple[str, int]]:
    """Return what is near a memory: id -> (type, distance)."""
    request = link_service_pb2.NeighborsRequest(
        namespace=wire.namespace, ref=ref(name), **more  # type: ignore[arg-type]
    )
    found = (await wire.links.Neighbors(request)).neighbors
    return {one.memory.id: (one.link.type, one.distance) for one in found}


async def path(
    wire: Wire, start: str, goal: str, **more: object
) -> link_service_pb2.FindPathResponse:
    """Find a path."""
    return await wire.links.FindPath(
        link_service_pb2.FindPathRequest(
            namespace=wire.namespace, from_ref=ref(start), to_ref=ref(goal), **more  # type: ignore[arg-type]
        )
    )


async def test_turns_follow_each_other_whatever_arrives_late(wire: Wire) -> None:
    """Each links to the one before; one that is stored later, and happened between, takes its place."""
    await turn(wire, "a", 0)
    await turn(wire, "c", 2 * MINUTE_S)
    assert await near(wire, "c") == {"a": ("follows", 1)}

    await turn(wire, "b", MINUTE_S)

    assert await near(wire, "c") == {"b": ("follows", 1)}
    assert await near(wire, "c", depth=2) == {"b": ("follows", 1), "a": ("follows", 2)}
    incoming = link_service_pb2.LINK_DIRECTION_INCOMING
    assert await near(wire, "a", direction=incoming) == {"b": ("follows", 1)}
    assert await near(wire, "c", types=["related"]) == {}


async def test_a_turn_is_part_of_its_session(wire: Wire) -> None:
    """As soon as a memory of the session's name exists; it finds its parts by incoming links."""
    await turn(wire, "a", 0, "trip")
    types = ["part_of"]
    assert await near(wire, "a", types=types) == {}
    await wire.store({"text": "a trip"}, id="trip", kind=memory_pb2.MEMORY_KIND_SEMANTIC)

    assert await near(wire, "a", types=types) == {"trip": ("part_of", 1)}
    incoming = link_service_pb2.LINK_DIRECTION_INCOMING
    assert await near(wire, "trip", types=types, direction=incoming) == {"a": ("part_of", 1)}
    await wire.delete("trip")
    assert await near(wire, "a", types=types) == {}


async def test_the_lightest_path_is_found(wire: Wire) -> None:
    """By weight, not by length, unless length is bounded; both ends may be one; none is no error."""
    semantic = memory_pb2.MEMORY_KIND_SEMANTIC
    for name in "abcdx":
        await wire.store({"n": name}, id=name, kind=semantic)
    for start, end, weight in (("a", "d", 10.0), ("a", "b", 1.0), ("b", "c", 2.0), ("c", "d", 3.0)):
        await wire.link(start, end, weight=weight)

    long = await path(wire, "a", "d")
    assert ([one.id for one in long.memories], long.cost) == (["a", "b", "c", "d"], 6.0)
    assert [one.to_id for one in long.links] == ["b", "c", "d"]
    short = await path(wire, "a", "d", max_length=2)
    assert ([one.id for one in short.memories], short.cost) == (["a", "d"], 10.0)
    same = await path(wire, "a", "a")
    assert (same.found, same.cost, len(same.links)) == (True, 0.0, 0)
    assert not (await path(wire, "a", "x")).found
    assert not (await path(wire, "d", "a")).found
    both = link_service_pb2.LINK_DIRECTION_BOTH
    assert (await path(wire, "d", "a", direction=both)).cost == 6.0


async def test_links_are_removed_by_type_or_all(wire: Wire) -> None:
    """What is not there is NOT_FOUND; a retry is answered as before."""
    for name in "ab":
        await wire.store({"n": name}, id=name, kind=memory_pb2.MEMORY_KIND_SEMANTIC)
    for kind in ("likes", "knows", "sees"):
        await wire.link("a", "b", kind)

    def unlink(kind: str, request_id: str = "") -> link_service_pb2.UnlinkRequest:
        return link_service_pb2.UnlinkRequest(
            namespace=wire.namespace, from_ref=ref("a"), to_ref=ref("b"), type=kind, request_id=request_id
        )  # fmt: skip

    first = await wire.links.Unlink(unlink("likes", "r1"))
    again = await wire.links.Unlink(unlink("likes", "r1"))
    assert (first.removed_count, again.receipt.replayed) == (1, True)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.links.Unlink(unlink("likes"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert (await wire.links.Unlink(unlink(""))).removed_count == 2
    assert await near(wire, "a") == {}
