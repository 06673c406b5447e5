"""The client before several servers: it uses all of them, finds new ones, and no call fails when connections age."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from soma_dev.ports import free_port
from somamemory import AsyncMemoryClient, Draft, MemoryClient, NotFound, Receipt
from tests.support.names import NameServer
from tests.support.server_process import HOST, ServerProcess

AGE_S = 1.0
AGES = 4
CLIENTS = 2
OTHER_HOST = "127.0.0.2"
PATIENCE_S = 60.0


def aging(folder: Path, host: str = HOST, port: int | None = None) -> ServerProcess:
    """Return a server whose connections do not live long."""
    return ServerProcess(
        folder,
        host=host,
        grpc_port=port,
        store="in_memory",
        max_connection_age_s=AGE_S,
        max_connection_grace_s=AGE_S,
    )


async def test_no_call_fails_when_connections_age(tmp_path: Path) -> None:
    """Calls one by one and a stream that outlives several connections go on over two servers, and both are used."""
    with aging(tmp_path / "one") as one, aging(tmp_path / "two") as two:
        both = f"ipv4:{one.address},{two.address}"
        connections = {one.grpc_port: 0, two.grpc_port: 0}
        async with AsyncMemoryClient(both) as client:
            end = time.monotonic() + AGES * AGE_S
            watching = asyncio.create_task(count_connections(connections, end))
            streaming = asyncio.to_thread(stream, both, end)
            callers = [calls(client, end, number) for number in range(4)]
            *stored, streamed = await asyncio.gather(*callers, streaming)
            await watching

        counts = [await memories(server) for server in (one, two)]

    # A retry after a lost answer may have been told twice to different servers; nothing is told to none.
    assert sum(counts) >= sum(stored) + streamed
    assert min(counts) > 0
    assert min(connections.values()) > CLIENTS


async def calls(client: AsyncMemoryClient, end: float, caller: int) -> int:
    number = 0
    while time.monotonic() < end:
        receipt = await client.store({"text": f"call {number}"}, id=f"{caller}-{number}")
        assert receipt.version == 1
        number += 1
        await asyncio.sleep(0.005)
    return number


def stream(address: str, end: float) -> int:
    sent = 0

    def drafts() -> Iterator[Draft]:
        nonlocal sent
        while time.monotonic() < end:
            sent += 1
            yield Draft(payload={"text": f"streamed {sent}"}, id=f"streamed-{sent}")
            time.sleep(0.02)

    with MemoryClient(address) as client:
        answers = list(client.store_stream(drafts(), stream_id="aging", message_items=1))
    assert len([answer for answer in answers if isinstance(answer, Receipt)]) == sent
    return sent


async def memories(server: ServerProcess) -> int:
    async with AsyncMemoryClient(server.address) as client:
        try:
            return (await client.stats()).memory_count
        except NotFound:  # nothing was ever stored
            return 0


async def count_connections(counts: dict[int, int], end: float) -> None:
    """Count the connections of this machine to these ports, by the ports that they come from."""
    seen: dict[int, set[int]] = {port: set() for port in counts}
    while time.monotonic() < end:
        for line in sockets():
            local, remote, state = line.split()[1:4]
            to, source = (int(address.rpartition(":")[2], 16) for address in (remote, local))
            if state == ESTABLISHED and to in seen:
                seen[to].add(source)
        await asyncio.sleep(0.02)
    counts.update({port: len(sources) for port, sources in seen.items()})


def sockets() -> list[str]:
    """Return the lines of the kernel's tables; gRPC's sockets for IPv4 are in that for IPv6."""
    tables = [Path(f"/proc/self/net/{name}") for name in ("tcp", "tcp6")]
    return [line for table in tables for line in table.read_text().splitlines()[1:]]


ESTABLISHED = "01"


async def test_a_new_server_is_found(tmp_path: Path) -> None:
    """When a name stands for one more server, it gets calls as soon as a connection has reached its age."""
    port = free_port()
    with (
        aging(tmp_path / "one", HOST, port) as one,
        NameServer(HOST) as names,
    ):
        async with AsyncMemoryClient(names.target("mem-pods.test", port)) as client:
            await client.store({"text": "one server"})
            with aging(tmp_path / "two", OTHER_HOST, port) as two:
                names.addresses = (HOST, OTHER_HOST)
                await store_until(client, two, 1)
                await store_until(client, one, 1 + await memories(one))


async def store_until(client: AsyncMemoryClient, server: ServerProcess, count: int) -> None:
    """Store until a server holds so many memories; no call may fail."""
    async with asyncio.timeout(PATIENCE_S):
        while await memories(server) < count:
            for _ in range(10):
                await client.store({"text": "another"})
            await asyncio.sleep(0.05)
