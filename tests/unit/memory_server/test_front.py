"""What travels between front processes and the engine, and the front process's own tests."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatch_build import FRONT, go
from memory_server.transport.front import frames
from memory_server.transport.front.frames import Failure, Link, Opening
from memory_server.transport.front.options import FrontOptions, RelayedMethod, TlsFiles
from memory_server.transport.front.relay import Relay
from soma_dev.paths import ROOT

GOLDEN = json.loads((ROOT / FRONT / "testdata/frames.json").read_text())
"""Bodies of frames as `front/frames.go` writes and reads them; its tests read the same file."""

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


def test_an_opening_is_read_as_the_other_half_writes_it() -> None:
    """With and without a deadline, facts and a request."""
    for each in GOLDEN["openings"]:
        opening = Opening.of(bytes.fromhex(each["body"]))

        facts, request = each["facts"].encode(), each["request"].encode()
        assert opening == Opening(each["method"], each["left"], facts, request)


def test_a_failure_is_written_as_the_other_half_reads_it() -> None:
    """A text of any letters, and details of any bytes."""
    for each in GOLDEN["failures"]:
        failure = Failure(each["code"], each["message"], bytes.fromhex(each["details"]))

        assert failure.packed().hex() == each["body"]


async def test_a_call_whose_client_has_gone_at_once_is_forgotten() -> None:
    """Also when both are told in the same moment, before its handler has begun."""
    begun: list[bytes] = []

    async def answer(raw: bytes, _context: object) -> bytes:
        begun.append(raw)
        return raw

    told: list[tuple[int, int, bytes]] = []
    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    relay = Relay([handler], lambda *frame: told.append(frame))
    opening = bytes.fromhex(GOLDEN["openings"][0]["body"]) + b"x"

    relay.receive(frames.OPEN, 1, opening)
    relay.receive(frames.GONE, 1, b"")
    relay.receive(frames.OPEN, 2, opening)
    assert relay.open_calls == 2
    await asyncio.sleep(0.01)

    assert relay.open_calls == 0
    assert begun == [b"x"]
    assert told == [(frames.END, 2, b"x")]


async def test_a_call_that_the_server_breaks_off_may_be_tried_again() -> None:
    """Its end is one that clients know from broken connections, not that of a client which has gone."""
    told: list[tuple[int, int, bytes]] = []

    async def hang(_body: bytes, _context: object) -> bytes:
        await asyncio.Event().wait()
        return b""

    handler: Any = grpc.unary_unary_rpc_method_handler(hang)
    relay = Relay([handler], lambda *frame: told.append(frame))
    before = asyncio.all_tasks()
    relay.receive(frames.OPEN, 1, bytes.fromhex(GOLDEN["openings"][0]["body"]) + b"x")
    await asyncio.sleep(0.01)
    [task] = asyncio.all_tasks() - before
    task.cancel()
    await asyncio.sleep(0.01)

    [(kind, call, body)] = told
    assert (kind, call) == (frames.FAIL, 1)
    assert int.from_bytes(body[:2], "little") == grpc.StatusCode.UNAVAILABLE.value[0]
    assert relay.open_calls == 0


def test_options_are_written_as_the_other_half_reads_them() -> None:
    """Paths and tuples go as JSON has them."""
    options = FrontOptions(
        "127.0.0.1:50053",
        (("grpc.so_reuseport", 0), ("grpc.max_send_message_length", -1)),
        TlsFiles(Path("/tls.crt"), Path("/tls.key"), None),
        (
            RelayedMethod("/s.S/M", has_requests=True, has_responses=False),
            RelayedMethod("/s.S/N", has_requests=False, has_responses=False),
        ),
        ("authorization",),
        is_identified=True,
    )

    assert options.packed().decode() == GOLDEN["options"]


@pytest.mark.parametrize(
    "command", ["go vet ./...", "go test ./...", "gofmt -l ."], ids=["vet", "test", "format"]
)
def test_the_other_half_passes_its_own_tests(command: str) -> None:
    """What is written in Go is checked by Go: nothing to complain of, nothing to format."""
    program, *arguments = command.split()
    done = subprocess.run(
        [str(Path(go()).with_name(program)) if go() != "go" else program, *arguments],
        cwd=ROOT / FRONT,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert program != "gofmt" or done.stdout == ""
