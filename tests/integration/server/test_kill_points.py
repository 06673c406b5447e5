"""The server dies at chosen places of its writing: before, inside and after a commit."""

import asyncio
import json
from pathlib import Path

import grpc
import pytest

from tests.support.server_process import ServerProcess
from tests.support.wire import Wire

PLACES = ("begin", "insert", "commit", "committed")
WRITERS = 4


async def write(server: ServerProcess, number: int) -> dict[str, int]:
    """Store new versions of one memory until the server dies; return what was acknowledged."""
    known: dict[str, int] = {}
    async with grpc.aio.insecure_channel(server.address) as channel:
        wire = Wire(channel, "n")
        for count in range(10_000):
            request_id = f"{number}-{count}"
            try:
                stored = await wire.store({"count": count}, id=f"m{number}", request_id=request_id)
            except grpc.aio.AioRpcError:
                return known
            known[request_id] = stored.receipt.version
    raise AssertionError("the server did not die")


@pytest.mark.parametrize("place", PLACES)
async def test_what_was_acknowledged_survives_a_death_at(place: str, tmp_path: Path) -> None:
    """Every acknowledged version is there, the one under way is there whole or not at all, a retry does it once."""
    folder = tmp_path / "data"
    with ServerProcess(folder) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            await Wire(channel, "n").store({"count": -1}, id="before")
    weak = ServerProcess(
        folder, module="tests.support.killing_server", environment={"KILL_AT": f"{place}:40"}
    )
    await asyncio.to_thread(weak.start)
    acknowledged = await asyncio.gather(*(write(weak, number) for number in range(WRITERS)))
    assert await asyncio.to_thread(weak.ended) == -9

    with ServerProcess(folder) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            for number, known in enumerate(acknowledged):
                last = len(known)
                again = await wire.store(
                    {"count": last}, id=f"m{number}", request_id=f"{number}-{last}"
                )
                memory = await wire.get(f"m{number}")
                assert list(known.values()) == list(range(1, last + 1))
                assert (again.receipt.version, memory.version) == (last + 1, last + 1)
                assert json.loads(memory.payload_json) == {"count": last}
                found = await wire.recall(str(last), mode=3)
                versions = {
                    hit.memory.version for hit in found.results if hit.memory.id == f"m{number}"
                }
                assert versions <= {last + 1}
            assert (await wire.get("before")).version == 1
