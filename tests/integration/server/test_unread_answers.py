"""Answers that nobody reads: the front process holds a bounded part of them, and only their client waits."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from soma.memory.v1 import memory_pb2, memory_service_pb2
from tests.support.processes import children, resident_mib
from tests.support.server_process import ServerProcess
from tests.support.tcp_proxy import TcpProxy
from tests.support.unread import UnreadCalls
from tests.support.wire import Wire

GET = "/soma.memory.v1.MemoryService/Get"
MIB = 1024 * 1024
SIZES_MIB = (1, 2, 4)

UNREAD_CALLS = 500
UNREAD_CONNECTIONS = 300
PROMPT_S = 2.0
MOST_OF_ONE_MIB, MOST_OF_LEARNT_MIB, MOST_OF_ALL_MIB = 128, 192, 320
"""What a front process may take for one client that does not read, for one whose answers were small before, and for any
number, all in all; some 33 of it for itself."""

CALLERS = 64
SMALL_BEFORE = 150
SLOW_BYTES_PER_S = 24 * MIB
OWN_CONNECTION = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server with memories of several sizes, and a small one."""
    running = ServerProcess(
        tmp_path / "data",
        embedder="none",
        max_payload_bytes=5 * MIB,
        default_deadline_s=120,
    )
    with running:
        async with a_wire(running.grpc_port) as wire:
            for size in SIZES_MIB:
                await wire.store({"text": "tea", "rest": "x" * (size * MIB)}, id=f"m{size}")
            await wire.store({"text": "tea"}, id="small")
        yield running


@asynccontextmanager
async def a_wire(port: int) -> AsyncIterator[Wire]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", OWN_CONNECTION) as channel:
        yield Wire(channel, "notes")


def get(memory_id: str) -> memory_service_pb2.GetRequest:
    ref = memory_pb2.MemoryRef(id=memory_id)
    return memory_service_pb2.GetRequest(namespace="notes", ref=ref)


def front_mib(server: ServerProcess) -> float:
    [front] = children(server.pid)
    return resident_mib(front)


async def seconds_of_gets(port: int, count: int) -> list[float]:
    """Return how long another client waits for each of some calls, large and small ones."""
    taken = []
    async with a_wire(port) as wire:
        for number in range(count):
            started = time.perf_counter()
            await wire.get("m1" if number % 2 else "small")
            taken.append(time.perf_counter() - started)
    return taken


async def peak_mib(server: ServerProcess, for_s: float) -> float:
    """Return the most that the front process takes within a time."""
    until_s = time.monotonic() + for_s
    most = 0.0
    while time.monotonic() < until_s:
        most = max(most, front_mib(server))
        await asyncio.sleep(0.02)
    return most


async def all_arrive(wire: Wire, count: int) -> None:
    """Make calls at once, and see that each has its whole answer."""
    sizes = [SIZES_MIB[number % len(SIZES_MIB)] for number in range(count)]

    answers = await asyncio.gather(*(wire.get(f"m{size}") for size in sizes))

    assert all(
        len(answer.payload_json) > size * MIB for size, answer in zip(sizes, answers, strict=True)
    )


async def test_a_client_who_does_not_read_takes_little_and_delays_nobody(
    server: ServerProcess,
) -> None:
    """Its calls wait in front of the engine, and another client is answered as ever."""
    with UnreadCalls(server.grpc_port) as unread:
        unread.call(GET, [get("m1")] * UNREAD_CALLS)
        most, taken = await asyncio.gather(
            peak_mib(server, 3.0), seconds_of_gets(server.grpc_port, 40)
        )
        again = await seconds_of_gets(server.grpc_port, 10)

    assert most < MOST_OF_ONE_MIB
    assert max(taken + again) < PROMPT_S


async def test_a_client_who_has_read_small_answers_takes_little_of_large_ones(
    server: ServerProcess,
) -> None:
    """What was learnt of small answers does not let hundreds of large ones in."""
    with UnreadCalls(server.grpc_port) as unread:
        unread.call(GET, [get("small")] * SMALL_BEFORE)
        await asyncio.sleep(0.5)
        unread.call(GET, [get("m1")] * UNREAD_CALLS)
        most, taken = await asyncio.gather(
            peak_mib(server, 3.0), seconds_of_gets(server.grpc_port, 40)
        )

    assert most < MOST_OF_LEARNT_MIB
    assert max(taken) < PROMPT_S


async def test_many_who_do_not_read_are_cut_off(server: ServerProcess) -> None:
    """However many connections they make: those that have moved nothing for the longest make room for others."""
    with contextlib.ExitStack() as kept:
        for _ in range(UNREAD_CONNECTIONS):
            unread = kept.enter_context(UnreadCalls(server.grpc_port))
            unread.call(GET, [get("m1")] * 2)
            await asyncio.sleep(0.02)
        most, taken = await asyncio.gather(
            peak_mib(server, 3.0), seconds_of_gets(server.grpc_port, 40)
        )

    assert most < MOST_OF_ALL_MIB
    assert max(taken) < PROMPT_S
    assert "does not read" in server.log()


async def test_heavy_callers_are_all_answered(server: ServerProcess) -> None:
    """Many calls at once on one connection with large answers wait for each other, and none fails."""
    async with a_wire(server.grpc_port) as wire:
        await all_arrive(wire, CALLERS)


async def test_heavy_callers_behind_a_slow_network_are_all_answered(server: ServerProcess) -> None:
    """They wait for their network, and none fails, not even where answers were small before."""
    with TcpProxy(server.grpc_port, answers_per_s=SLOW_BYTES_PER_S) as slow:
        async with a_wire(slow.port) as wire:
            for _ in range(SMALL_BEFORE):
                await wire.get("small")
            await all_arrive(wire, CALLERS)
