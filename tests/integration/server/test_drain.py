"""SIGTERM while streams are open: what was taken is acknowledged, watchers are sent away, nobody waits for the end."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from soma.memory.v1 import memory_pb2, memory_service_pb2
from somamemory import SomaMemoryError, Unavailable
from somamemory.status import error_of_call
from tests.support.edge import until
from tests.support.server_process import ServerProcess
from tests.support.wire import Wire

DRAIN_S = 120.0
"""Much longer than anything here takes: who waits for it fails the test."""


def message(sequence: int) -> memory_service_pb2.StoreStreamRequest:
    draft = memory_pb2.MemoryDraft(id=f"m{sequence}", payload_json=b'{"text": "tea"}')
    item = memory_service_pb2.StoreItem(memory=draft)
    return memory_service_pb2.StoreStreamRequest(
        namespace="notes", sequence=sequence, items=[item], stream_id="stream"
    )


async def fed(call: Any, acknowledged: list[int]) -> SomaMemoryError | None:
    """Send without an end, and note what is acknowledged; return how the stream ended."""

    async def send() -> None:
        sequence = 0
        while True:
            await call.write(message(sequence))
            sequence += 1

    sending = asyncio.ensure_future(send())
    try:
        return await heard(call, lambda answer: acknowledged.append(answer.sequence))
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def heard(call: Any, note: Callable[[Any], object]) -> SomaMemoryError | None:
    """Read a stream to its end; return how it ended."""
    try:
        while (answer := await call.read()) is not grpc.aio.EOF:
            note(answer)
    except grpc.aio.AioRpcError as error:
        return error_of_call(error.code(), error.details() or "", error.trailing_metadata() or ())
    return None


async def test_a_stop_ends_streams_in_order_and_at_once(tmp_path: Path) -> None:
    """A writer and a watcher hear UNAVAILABLE, which means elsewhere; every acknowledged memory is there afterwards."""
    server = ServerProcess(tmp_path / "data", embedder="none", drain_s=DRAIN_S)
    acknowledged: list[int] = []
    with server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "notes")
            await wire.store({"text": "first"})
            watch = wire.memory.Watch(memory_service_pb2.WatchRequest(namespace="notes"))
            watching = asyncio.ensure_future(heard(watch, lambda _change: None))
            feeding = asyncio.ensure_future(fed(wire.memory.StoreStream(), acknowledged))
            await until(lambda: len(acknowledged) >= 50)
            began = time.monotonic()
            fed_end, heard_end, exit_code = await asyncio.gather(
                feeding, watching, asyncio.to_thread(server.stop)
            )
            took_s = time.monotonic() - began
        await asyncio.to_thread(server.start)
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "notes")
            kept = [(await wire.get(f"m{sequence}")).id for sequence in acknowledged]

    assert (type(fed_end), type(heard_end)) == (Unavailable, Unavailable)
    assert exit_code == 0
    assert took_s < DRAIN_S / 4
    assert acknowledged == list(range(len(acknowledged)))
    assert len(kept) == len(acknowledged)


async def test_a_watcher_who_does_not_read_holds_up_no_stop(tmp_path: Path) -> None:
    """Its last words cannot be delivered: nobody waits the whole drain time for that."""
    server = ServerProcess(tmp_path / "data", embedder="none", drain_s=DRAIN_S)
    with server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "notes")
            await wire.store({"text": "first"})
            watch = wire.memory.Watch(
                memory_service_pb2.WatchRequest(namespace="notes", include_memory=True)
            )
            await watch.read()
            for number in range(40):  # more than the flow control of one stream lets through
                await wire.store({"text": "x" * 200_000}, id=f"m{number}")
            began = time.monotonic()
            exit_code = await asyncio.to_thread(server.stop)
            took_s = time.monotonic() - began

    assert exit_code == 0
    assert took_s < DRAIN_S / 4
