"""What travels between front processes and the engine, and how many of them there should be."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_server.transport.front import frames, processors
from memory_server.transport.front.calls import RequestWindow
from memory_server.transport.front.frames import Failure, Link, Opening
from memory_server.transport.front.options import FrontOptions, RelayedMethod, TlsFiles
from memory_server.transport.front.processors import available_processors, front_processes
from memory_server.transport.front.relay import Relay

FRAMES = st.lists(
    st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1), st.binary(max_size=300)), max_size=20
)


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.written.append(b"")


@given(FRAMES, st.lists(st.integers(1, 40), min_size=1, max_size=10))
def test_frames_arrive_whole_however_their_bytes_are_cut(
    sent: list[tuple[int, int, bytes]], sizes: list[int]
) -> None:
    """A socket keeps no borders: pieces of any size give the same frames in the same order."""
    arrived: list[tuple[int, int, bytes]] = []

    async def travel() -> bytes:
        wire = Wire()
        sender = Link(lambda *_: None, lambda: None)
        sender.connection_made(wire)
        for kind, call, body in sent:
            sender.send(kind, call, body)
        sender.close()
        receiver = Link(lambda *frame: arrived.append(frame), lambda: None)
        whole, at, turn = b"".join(wire.written), 0, 0
        while at < len(whole):
            size = sizes[turn % len(sizes)]
            receiver.data_received(whole[at : at + size])
            at, turn = at + size, turn + 1
        return whole

    asyncio.run(travel())

    assert arrived == sent


async def test_frames_of_one_turn_of_the_loop_travel_together() -> None:
    """A system call costs more than a frame."""
    wire = Wire()
    link = Link(lambda *_: None, lambda: None)
    link.connection_made(wire)

    for number in range(5):
        link.send(1, number, b"x")
    await asyncio.sleep(0)

    assert len(wire.written) == 1


async def test_what_is_sent_before_the_link_stands_goes_first() -> None:
    """Who makes a link need not wait for it."""
    wire = Wire()
    link = Link(lambda *_: None, lambda: None)
    link.send(1, 7, b"early")
    await asyncio.sleep(0)
    assert wire.written == []

    link.connection_made(wire)

    assert wire.written[0].endswith(b"early")


@given(
    st.builds(
        Opening,
        st.integers(0, 65535),
        st.none() | st.floats(0, 1e9),
        st.binary(max_size=50),
        st.binary(max_size=50),
    )
)
def test_an_opening_is_read_as_it_was_written(opening: Opening) -> None:
    """With and without a deadline, facts and a request."""
    assert Opening.of(opening.packed()) == opening


@given(st.builds(Failure, st.integers(1, 16), st.text(max_size=30), st.binary(max_size=30)))
def test_a_failure_is_read_as_it_was_written(failure: Failure) -> None:
    """Any text, and details of any bytes."""
    assert Failure.of(failure.packed()) == failure


async def test_a_call_whose_client_has_gone_at_once_is_forgotten() -> None:
    """Also when both are told in the same moment, before its handler has begun."""
    begun: list[bytes] = []

    async def answer(raw: bytes, _context: object) -> bytes:
        begun.append(raw)
        return raw

    told: list[tuple[int, int, bytes]] = []
    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    relay = Relay([handler], lambda *frame: told.append(frame))
    opening = Opening(0, None, b"", b"x").packed()

    relay.receive(frames.OPEN, 1, opening)
    relay.receive(frames.GONE, 1, b"")
    relay.receive(frames.OPEN, 2, opening)
    assert relay.open_calls == 2
    await asyncio.sleep(0.01)

    assert relay.open_calls == 0
    assert begun == [b"x"]
    assert told == [(frames.END, 2, b"x")]


async def read_by(window: RequestWindow, size: int) -> int:
    """Return how many requests of one size are read until there is something to wait for."""
    count = 0
    while True:
        try:
            async with asyncio.timeout(0.01):
                await window.may_read()
        except TimeoutError:
            return count
        window.was_read(size)
        count += 1


@pytest.mark.parametrize(
    ("size", "count"), [(10, 16), (100_000, 3), (frames.WINDOW_BYTES, 1), (8 << 20, 1)]
)
async def test_requests_are_read_ahead_while_they_are_small(size: int, count: int) -> None:
    """Up to the credit or the window, one at least; each that is taken makes room for another."""
    window = RequestWindow()
    assert await read_by(window, size) == 0

    for _ in range(1 + frames.READ_AHEAD):
        window.allow()

    assert await read_by(window, size) == count
    window.allow()
    assert await read_by(window, size) == 1
    for _ in range(count):
        window.allow()
    assert await read_by(window, size) == count


def test_options_are_read_as_they_were_written() -> None:
    """Paths and tuples come back as such."""
    options = FrontOptions(
        "127.0.0.1:50053",
        (("grpc.so_reuseport", 0),),
        TlsFiles(Path("/tls.crt"), Path("/tls.key"), None),
        (RelayedMethod("/s/M", has_requests=True, has_responses=False),),
        ("authorization",),
        is_identified=True,
        log_level="DEBUG",
    )

    assert FrontOptions.of(options.packed()) == options


@pytest.mark.parametrize(
    ("bound", "wanted"), [(0.5, 0), (1, 0), (1.9, 0), (2, 1), (3, 1), (4, 2), (64, 2)]
)
def test_a_front_process_is_for_two_processors(bound: float, wanted: int) -> None:
    """A single processor has nothing to share; very many need no more than two."""
    assert front_processes(bound) == wanted


@pytest.mark.parametrize(("quota", "wanted"), [("50000 100000", 0.5), ("max 100000", None)])
def test_a_container_is_limited_by_its_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, wanted: float | None
) -> None:
    """The machine's processors are not the container's."""
    file = tmp_path / "cpu.max"
    monkeypatch.setattr(processors, "_QUOTA", file)
    file.write_text("max 100000\n")
    unlimited = available_processors()

    file.write_text(quota + "\n")

    assert available_processors() == (unlimited if wanted is None else wanted)
