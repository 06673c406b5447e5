"""Front processes: what happens when they, their engine or their clients end, and who waits for whom."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BytesValue, Int64Value

from memory_server.transport.auth import AccessScope, Principal
from memory_server.transport.front.frames import WINDOW_BYTES
from memory_server.transport.front.pool import MOST_DEATHS
from memory_server.transport.front.relay import WINDOW_RESPONSES
from memory_server.transport.methods import AnyMethod, BidiStream, Method, ServerStream
from memory_server.transport.server import OwnPort
from soma_common.errors import Unavailable
from somamemory import MemoryClient
from tests.support.edge import SERVICE, Edge, an_edge, until
from tests.support.processes import children
from tests.support.server_process import ServerProcess

CHUNK = 64 * 1024


class Methods:
    """Methods that tell what becomes of their calls."""

    def __init__(self) -> None:
        self.made = 0
        self.read = 0
        self.cancelled = 0
        self.go_on = asyncio.Event()

    def table(self) -> dict[str, AnyMethod]:
        read = AccessScope.READ
        return {
            "Echo": Method(BytesValue, self.echo, read),
            "Hang": Method(Int64Value, self.hang, read),
            "Pour": ServerStream(Int64Value, self.pour, read),
            "Sip": BidiStream(Int64Value, self.sip, read),
        }

    async def echo(self, request: BytesValue, _caller: Principal) -> BytesValue:
        return request

    async def hang(self, request: Int64Value, _caller: Principal) -> Int64Value:
        self.read += 1
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return request

    async def pour(self, request: Int64Value, _caller: Principal) -> AsyncGenerator[Message, None]:
        for _ in range(request.value):
            self.made += 1
            yield BytesValue(value=bytes(CHUNK))

    async def sip(
        self, requests: AsyncIterator[Int64Value], _caller: Principal
    ) -> AsyncGenerator[Message, None]:
        async for request in requests:
            self.read += 1
            await self.go_on.wait()
            yield request


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def one_front() -> int:
    [front] = [pid for pid in children(os.getpid()) if "front" in _command(pid)]
    return front


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text() if is_alive(pid) else ""


async def test_a_front_process_that_is_killed_is_replaced() -> None:
    """Its calls end for both sides; the next one is answered by another process on the same port."""
    methods = Methods()
    async with an_edge(methods.table(), fronts=1) as edge:
        hanging = edge.unary("Hang")(b"")
        await until(lambda: methods.read == 1)

        os.kill(one_front(), signal.SIGKILL)
        with pytest.raises(grpc.aio.AioRpcError) as lost:
            await hanging
        await until(lambda: edge.value("soma_server_front_deaths_total") == 1)
        answer = await _echoed(edge, b"\x0a\x01x")

        assert lost.value.code() is grpc.StatusCode.UNAVAILABLE
        assert answer == b"\x0a\x01x"
        assert methods.cancelled == 1


async def test_a_server_whose_front_processes_die_again_and_again_ends() -> None:
    """Whoever runs it has to notice: it is not mended by trying for ever."""
    async with an_edge(Methods().table(), fronts=1) as edge:
        for _ in range(MOST_DEATHS):
            os.kill(one_front(), signal.SIGKILL)
            await _answered_again(edge)
        assert not edge.watching.done()
        os.kill(one_front(), signal.SIGKILL)

        with pytest.raises(Unavailable) as caught:
            await edge.watching

    assert "again and again" in caught.value.message


async def _answered_again(edge: Edge) -> None:
    """Wait until a process that was started after the last death answers."""
    deaths = edge.value("soma_server_front_deaths_total")
    await until(lambda: edge.value("soma_server_front_deaths_total") > deaths)
    await _echoed(edge, b"")


async def _echoed(edge: Edge, message: bytes) -> Any:
    """Return the answer over a connection of its own: another one may not have heard yet that it is broken."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(edge.address, options) as channel:
        echo: Any = channel.unary_unary(f"/{SERVICE}/Echo")
        return await echo(message, wait_for_ready=True, timeout=20)


async def test_a_client_who_does_not_read_is_waited_for() -> None:
    """A stream makes no more than gRPC and the window hold, however much is asked for."""
    methods = Methods()
    async with an_edge(methods.table(), fronts=1) as edge:
        call = edge.server_stream("Pour")(Int64Value(value=2000).SerializeToString())
        await call.read()
        before = -1
        while before != methods.made:
            before = methods.made
            await asyncio.sleep(0.3)

        # What gRPC buffers on both sides of the connection is its own affair, and some megabytes.
        assert methods.made * CHUNK < WINDOW_BYTES + 16 * 1024 * 1024
        assert methods.made < 2000
        call.cancel()


async def test_a_window_of_responses_is_filled_and_no_more() -> None:
    """While the front process has not said that gRPC took them."""
    assert WINDOW_RESPONSES * CHUNK >= WINDOW_BYTES, "the test's chunks fill the window by bytes"
    methods = Methods()
    async with an_edge(methods.table(), fronts=1) as edge:
        front = one_front()
        call = edge.server_stream("Pour")(Int64Value(value=500).SerializeToString())
        await call.read()
        os.kill(front, signal.SIGSTOP)
        try:
            await asyncio.sleep(0.3)
            stopped_at = methods.made
            await asyncio.sleep(0.3)
            assert methods.made == stopped_at
        finally:
            os.kill(front, signal.SIGCONT)
        count = 1
        while await call.read() is not grpc.aio.EOF:
            count += 1

    assert count == 500


async def test_requests_are_not_read_before_they_are_asked_for() -> None:
    """A method that is slow slows its client down, instead of filling the memory of anybody."""
    methods = Methods()
    body = BytesValue(value=bytes(CHUNK)).SerializeToString()
    sent = 0

    async with an_edge(methods.table(), fronts=1) as edge:
        call = edge.bidi_stream("Sip")()

        async def send() -> None:
            nonlocal sent
            while True:
                await call.write(body)
                sent += 1

        sending = asyncio.ensure_future(send())
        await until(lambda: methods.read == 1)
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.3)
        sending.cancel()

        assert methods.read == 1
        assert sent * CHUNK < WINDOW_BYTES + CHUNK + 16 * 1024 * 1024
        call.cancel()


async def test_large_messages_pass_both_ways() -> None:
    """A frame is larger than what a socket takes at once."""
    big = BytesValue(value=os.urandom(3 * 1024 * 1024)).SerializeToString()
    async with an_edge(Methods().table(), fronts=1) as edge:
        answers = await asyncio.gather(*(edge.unary("Echo")(big, timeout=30) for _ in range(4)))

    assert answers == [big] * 4


async def test_a_client_that_cancels_ends_its_call_in_the_engine() -> None:
    """Nobody works for a caller who has gone, by cancelling or by its deadline."""
    methods = Methods()
    async with an_edge(methods.table(), fronts=1) as edge:
        cancelled = edge.unary("Hang")(b"")
        late = edge.unary("Hang")(b"", timeout=0.5)
        await until(lambda: methods.read == 2)
        cancelled.cancel()
        with pytest.raises(grpc.aio.AioRpcError):
            await late
        await until(lambda: methods.cancelled == 2)


async def test_several_front_processes_share_the_port() -> None:
    """Connections are shared out among them; each answers."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with an_edge(Methods().table(), fronts=3) as edge:
        for _ in range(12):
            async with grpc.aio.insecure_channel(edge.address, options) as channel:
                echo: Any = channel.unary_unary(f"/{SERVICE}/Echo")
                assert await echo(b"\x0a\x01x", timeout=20) == b"\x0a\x01x"


@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (1, 3), (3, 1), (3, 3), (3, 0)])
async def test_a_port_that_is_taken_is_an_error(ours: int, theirs: int) -> None:
    """Also where both could share it: a second server on the port would get half of the calls."""
    async with an_edge(Methods().table(), fronts=theirs) as edge:
        with pytest.raises(Unavailable) as refused:
            async with an_edge(Methods().table(), fronts=ours, address=edge.address):
                pass

    assert "port" in refused.value.message


async def test_an_own_port_is_refused_to_others() -> None:
    """A server that speaks gRPC itself meets one with front processes."""
    async with an_edge(Methods().table(), fronts=3) as edge:
        with pytest.raises(Unavailable):
            await OwnPort(edge.address, [("grpc.so_reuseport", 0)], None).start()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data", front_processes=2) as server:
        yield server


def test_a_server_that_is_killed_leaves_no_process_behind(server: ServerProcess) -> None:
    """Another one can listen on its port at once."""
    fronts = children(server.pid)
    assert len(fronts) == 2

    server.kill()
    server.start()

    _wait_until_gone(fronts)
    with MemoryClient(server.address) as client:
        assert client.store({"text": "there again"}).version == 1


def test_a_server_that_stops_takes_its_processes_along(server: ServerProcess) -> None:
    """The order to stop ends with all of them reaped."""
    fronts = children(server.pid)

    code = server.stop()

    assert code == 0
    assert [pid for pid in fronts if is_alive(pid)] == []
    server.start()


def test_signals_are_the_engines(server: ServerProcess) -> None:
    """A terminal's Ctrl-C reaches every process: those in front go on until the engine says so."""
    with MemoryClient(server.address) as client:
        for pid in children(server.pid):
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.2)
        assert client.store({"text": "still there"}).version == 1

    assert len(children(server.pid)) == 2


def _wait_until_gone(pids: list[int]) -> None:
    until_s = time.monotonic() + 10
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < until_s, "front processes outlive their engine"
        time.sleep(0.05)
