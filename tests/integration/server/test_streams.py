"""Streams over the wire: store, recall, watch."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from soma.memory.v1 import (
    lifecycle_service_pb2,
    memory_pb2,
    memory_service_pb2,
    recall_service_pb2,
)
from tests.support.server_process import ServerProcess
from tests.support.waiting import PATIENCE_S
from tests.support.wire import Wire, bad_fields

STORED, DELETED, LINKED = (
    memory_service_pb2.CHANGE_TYPE_STORED,
    memory_service_pb2.CHANGE_TYPE_DELETED,
    memory_service_pb2.CHANGE_TYPE_LINKED,
)


def message(
    wire: Wire, sequence: int, *texts: str, **more: object
) -> memory_service_pb2.StoreStreamRequest:
    """Return one message of a stream."""
    items = [
        memory_service_pb2.StoreItem(
            memory=memory_pb2.MemoryDraft(payload_json=b'{"text": "%s"}' % text.encode())
        )
        for text in texts
    ]
    return memory_service_pb2.StoreStreamRequest(
        namespace=wire.namespace, sequence=sequence, items=items, **more  # type: ignore[arg-type]
    )


async def test_a_stream_acknowledges_in_order_after_the_commit(wire: Wire) -> None:
    """What was acknowledged is recallable; a bad message is refused alone."""
    requests = [message(wire, number, f"word{number}a", f"word{number}b") for number in range(20)]
    requests[7] = memory_service_pb2.StoreStreamRequest(namespace=wire.namespace, sequence=7)
    answers = [answer async for answer in wire.memory.StoreStream(iter(requests))]

    assert [answer.sequence for answer in answers] == list(range(20))
    assert [len(answer.results) for answer in answers] == [2] * 7 + [0] + [2] * 12
    assert answers[7].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    seqs = [result.stored.receipt.commit_seq for answer in answers for result in answer.results]
    assert seqs == sorted(set(seqs))
    assert (await wire.recall("word19b", mode=3)).results[0].memory.text == "word19b"


async def test_a_broken_stream_is_sent_again_and_writes_nothing_twice(wire: Wire) -> None:
    """The server's request ids of a named stream make every message safe to repeat."""
    requests = [message(wire, n, f"t{n}", stream_id="s") for n in range(10)]
    call = wire.memory.StoreStream()
    for request in requests[:6]:
        await call.write(request)
    await call.read()
    call.cancel()

    answers = [answer async for answer in wire.memory.StoreStream(iter(requests))]

    assert len({answer.results[0].stored.id for answer in answers}) == 10
    assert len(await wire.ids()) == 10


async def test_queries_are_answered_by_batch_and_by_stream(wire: Wire) -> None:
    """In their order; a bad one is refused alone."""
    for name in ("tea", "coffee"):
        await wire.store({"text": f"I drink {name}"}, id=name)
    queries = [
        recall_service_pb2.RecallRequest(namespace=wire.namespace, text=text, top_k=1)
        for text in ("tea", "", "coffee")
    ]

    batch = await wire.recalls.RecallBatch(recall_service_pb2.RecallBatchRequest(queries=queries))
    requests = [
        recall_service_pb2.RecallStreamRequest(sequence=number, query=query)
        for number, query in enumerate(queries)
    ]
    stream = [answer async for answer in wire.recalls.RecallStream(iter(requests))]

    for outcomes in (list(batch.outcomes), [answer.outcome for answer in stream]):
        kinds = [outcome.WhichOneof("outcome") for outcome in outcomes]
        assert kinds == ["response", "error", "response"]
        found = [outcomes[place].response.results[0].memory.id for place in (0, 2)]
        assert found == ["tea", "coffee"]
    assert [answer.sequence for answer in stream] == [0, 1, 2]


class Watcher:
    """A watch of one namespace that reads with patience."""

    def __init__(self, wire: Wire, token: str = "", *, include_memory: bool = False) -> None:
        self.call = wire.memory.Watch(
            memory_service_pb2.WatchRequest(
                namespace=wire.namespace, resume_token=token, include_memory=include_memory
            )
        )

    async def next(self) -> memory_service_pb2.WatchResponse:
        """Return the next change; tokens alone are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await self.call.read()
                assert isinstance(answer, memory_service_pb2.WatchResponse)
                if answer.type:
                    return answer

    async def begin(self) -> str:
        """Return the token that comes first."""
        async with asyncio.timeout(PATIENCE_S):
            answer = await self.call.read()
        assert isinstance(answer, memory_service_pb2.WatchResponse)
        return answer.resume_token


@contextlib.asynccontextmanager
async def watching(wire: Wire, token: str = "", **more: bool) -> AsyncIterator[Watcher]:
    """Watch, and let go at the end."""
    watcher = Watcher(wire, token, **more)
    try:
        yield watcher
    finally:
        watcher.call.cancel()


async def test_a_bad_resume_token_is_named_as_such(wire: Wire) -> None:
    """One that was made up, and one of another namespace."""
    other = Wire(wire.channel, f"{wire.namespace}-other")
    for one in (wire, other):
        await one.store({"text": "tea"})
    async with watching(other) as watcher:
        foreign = await watcher.begin()
    for token in ("made up", foreign):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Watcher(wire, token).call.read()
        assert bad_fields(caught.value) == ["resume_token"]


async def test_a_watcher_hears_of_every_change(wire: Wire) -> None:
    """Writes with the memory, links, deletes; in the order of the commits."""
    await wire.store({"text": "before"}, id="a")
    async with watching(wire, include_memory=True) as watcher:
        await watcher.begin()
        await wire.store({"text": "now"}, id="b")
        stored = await watcher.next()
        await wire.link("a", "b", "likes")
        linked = await watcher.next()
        await wire.delete("a")
        deleted = await watcher.next()

    assert (stored.type, stored.id, stored.version) == (STORED, "b", 1)
    assert stored.memory.text == "now"
    assert (linked.type, linked.id, linked.to_id, linked.link_type) == (LINKED, "a", "b", "likes")
    assert (deleted.type, deleted.id) == (DELETED, "a")
    assert stored.commit_seq < linked.commit_seq < deleted.commit_seq


async def test_a_watcher_comes_back_after_a_restart(tmp_path: Path) -> None:
    """With its token it hears what it missed, deletes too, and nothing twice."""
    with ServerProcess(tmp_path / "data") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            await wire.store({"text": "1"}, id="a")
            await wire.store({"text": "2"}, id="b")
            async with watching(wire) as watcher:
                token = await watcher.begin()
            await wire.delete("a")
            await wire.store({"text": "3"}, id="c")
        server.kill()
        server.start()
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            async with watching(wire, token) as watcher:
                await watcher.begin()
                first, second = await watcher.next(), await watcher.next()
            assert [(first.type, first.id), (second.type, second.id)] == [
                (DELETED, "a"),
                (STORED, "c"),
            ]
            async with watching(wire, first.resume_token) as watcher:
                await watcher.begin()
                assert (await watcher.next()).id == "c"


async def test_a_token_from_before_an_erasure_is_refused(wire: Wire) -> None:
    """Whoever mirrors a namespace must read it anew, because the log of what went is gone, too."""
    about = {"who": memory_pb2.MetadataValue(text="ann")}
    await wire.store({"text": "x"}, id="a", metadata=about)
    async with watching(wire) as watcher:
        token = await watcher.begin()
        request = lifecycle_service_pb2.EraseSubjectRequest(
            metadata_key="who", value=about["who"], namespace=wire.namespace
        )
        await wire.lifecycle.EraseSubject(request)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watcher.next()
    assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE
    async with watching(wire, token) as watcher:
        await watcher.begin()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watcher.next()
    assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE
    async with watching(wire, "forged") as watcher:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watcher.begin()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await wire.ids() == []
