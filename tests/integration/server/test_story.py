"""The server over the wire: store, recall, links, lists, receipts, restarts."""

import asyncio
import json
from pathlib import Path

import grpc
import numpy as np
import pytest

from soma.memory.v1 import (
    admin_service_pb2,
    link_service_pb2,
    memory_pb2,
    memory_service_pb2,
    namespace_service_pb2,
    recall_service_pb2,
)
from tests.support.server_process import ServerProcess
from tests.support.wire import Wire


async def test_a_stored_memory_is_recalled_by_the_next_call(wire: Wire) -> None:
    """No wait between the acknowledgement and the recall, five hundred times over."""
    for number in range(500):
        stored = await wire.store({"text": f"the lucky number of visitor{number} is {number}"})
        answer = await wire.recall(f"visitor{number}", min_commit_seq=stored.receipt.commit_seq)
        assert answer.results[0].memory.id == stored.id


async def test_a_question_finds_its_answer_among_others(wire: Wire) -> None:
    """Natural language, no shared sentence, parts of the score explained."""
    facts = [
        "Alice drinks green tea every morning",
        "Bob's flight to Oslo leaves on Friday",
        "The deploy failed because the disk was full",
        "Carol is allergic to peanuts",
    ]
    for fact in facts:
        await wire.store({"fact": fact})

    answer = await wire.recall("When does Bob fly to Norway's capital Oslo?", explain=True)

    best = answer.results[0]
    assert json.loads(best.memory.payload_json) == {"fact": facts[1]}
    assert best.score == pytest.approx(best.parts.keyword + best.parts.vector + best.parts.links)
    assert best.parts.keyword > 0
    assert best.parts.vector > 0
    assert answer.completeness == recall_service_pb2.COMPLETENESS_EXACT


async def test_payloads_come_back_byte_for_byte(wire: Wire) -> None:
    """White space, number forms and escapes are the author's own."""
    payload = b'{ "n": 1.0e0,\n "u": "\\u00e9", "big": 123456789012345678901234567890 }'
    draft = memory_pb2.MemoryDraft(id="exact", payload_json=payload)
    await wire.memory.Store(memory_service_pb2.StoreRequest(namespace=wire.namespace, memory=draft))

    assert (await wire.get("exact")).payload_json == payload


async def test_what_was_deleted_or_overwritten_is_not_recalled(wire: Wire) -> None:
    """By words and by vector, from the next call on."""
    await wire.store({"text": "the password hint is walrus"}, id="hint")
    await wire.store({"text": "the password hint is badger"}, id="hint")
    overwritten = await wire.recall("walrus")
    await wire.delete("hint")
    deleted = await wire.recall("password hint badger")

    assert [json.loads(r.memory.payload_json)["text"] for r in overwritten.results] in (
        [],
        ["the password hint is badger"],
    )
    assert list(deleted.results) == []


async def test_callers_vectors_find_their_memories(wire: Wire) -> None:
    """The nearest of two hundred random directions is the one that was asked for."""
    vectors = np.random.default_rng(5).standard_normal((200, 256)).astype("<f4")
    for number, vector in enumerate(vectors):
        await wire.store({"n": number}, id=str(number), embedding=vector.tobytes())

    for number in (0, 57, 199):
        request = recall_service_pb2.RecallRequest(
            namespace=wire.namespace, vector=(vectors[number] * 3).tobytes(), top_k=3
        )
        answer = await wire.recalls.Recall(request)
        assert answer.results[0].memory.id == str(number)
        assert answer.results[0].score == pytest.approx(1.0, abs=1e-5)


async def test_coordinates_address_and_find(wire: Wire) -> None:
    """A coordinate is an address for get, and a query for the nearest; -0.0 is 0.0."""
    for x in range(5):
        await wire.store({"x": x}, coordinate=memory_pb2.Coordinate(values=[float(x), -0.0]))
    at = memory_pb2.Coordinate(values=[3.0, 0.0])
    got = await wire.memory.Get(
        memory_service_pb2.GetRequest(
            namespace=wire.namespace, ref=memory_pb2.MemoryRef(coordinate=at)
        )
    )
    request = recall_service_pb2.RecallRequest(
        namespace=wire.namespace, coordinate=memory_pb2.Coordinate(values=[2.9, 0.0]), top_k=2, explain=True
    )  # fmt: skip
    answer = await wire.recalls.Recall(request)

    assert json.loads(got.memory.payload_json) == {"x": 3}
    assert [list(r.memory.coordinate.values) for r in answer.results] == [[3.0, 0.0], [2.0, 0.0]]
    assert answer.results[0].parts.coordinate_distance == pytest.approx(0.1)


async def test_a_batch_is_acknowledged_item_by_item(wire: Wire) -> None:
    """The bad ones are refused with their fields, the good ones are stored."""
    good = memory_pb2.MemoryDraft(payload_json=b'{"ok": true}')
    bad = memory_pb2.MemoryDraft(payload_json=b"[]")
    items = [memory_service_pb2.StoreItem(memory=draft) for draft in (good, bad, good)]
    request = memory_service_pb2.StoreBatchRequest(namespace=wire.namespace, items=items)

    results = (await wire.memory.StoreBatch(request)).results

    assert [result.WhichOneof("outcome") for result in results] == ["stored", "error", "stored"]
    assert results[1].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert results[2].stored.receipt.commit_seq > results[0].stored.receipt.commit_seq
    stats = await wire.namespaces.GetStats(
        namespace_service_pb2.GetStatsRequest(namespace=wire.namespace)
    )
    assert (stats.memory_count, stats.episodic_count) == (2, 2)


async def test_a_retried_request_gives_the_same_receipt(wire: Wire) -> None:
    """Also when many retries race."""
    first = await wire.store({"n": 1}, request_id="order-1")
    again = await asyncio.gather(*(wire.store({"n": 1}, request_id="order-1") for _ in range(20)))

    assert {(a.id, a.receipt.commit_seq, a.receipt.replayed) for a in again} == {
        (first.id, first.receipt.commit_seq, True)
    }
    assert first.receipt.durability == memory_pb2.DURABILITY_FSYNCED
    assert not first.receipt.replayed


async def test_lists_come_in_pages_newest_first(wire: Wire) -> None:
    """Pages have neither gaps nor repeats, and the filter holds in each."""
    for number in range(30):
        metadata = {"even": memory_pb2.MetadataValue(flag=number % 2 == 0)}
        await wire.store({"n": number}, id=f"{number:02}", metadata=metadata)
    test = memory_pb2.MetadataTest(key="even", equals=memory_pb2.MetadataValue(flag=True))
    only_even = memory_pb2.Filter(metadata=[test])
    token, seen = "", []
    while True:
        page = await wire.memory.List(
            memory_service_pb2.ListRequest(
                namespace=wire.namespace, page_size=4, page_token=token, filter=only_even
            )
        )
        seen += [memory.id for memory in page.memories]
        token = page.next_page_token
        if not token:
            break

    assert seen == [f"{number:02}" for number in range(28, -1, -2)]


async def test_links_are_walked_by_depth_direction_and_type(wire: Wire) -> None:
    """A chain is followed as far as asked; the way back only when asked for."""
    for name in "abcd":
        await wire.store({"name": name}, id=name)
    for start, end in ("ab", "bc", "cd"):
        await wire.links.Link(
            link_service_pb2.LinkRequest(
                namespace=wire.namespace,
                from_ref=memory_pb2.MemoryRef(id=start),
                to_ref=memory_pb2.MemoryRef(id=end),
                type="next",
            )
        )

    async def walk(start: str, **more: object) -> list[tuple[str, int]]:
        request = link_service_pb2.NeighborsRequest(
            namespace=wire.namespace, ref=memory_pb2.MemoryRef(id=start), **more  # type: ignore[arg-type]
        )
        answer = await wire.links.Neighbors(request)
        return [(found.memory.id, found.distance) for found in answer.neighbors]

    assert await walk("a") == [("b", 1)]
    assert await walk("a", depth=3) == [("b", 1), ("c", 2), ("d", 3)]
    assert await walk("c", direction=link_service_pb2.LINK_DIRECTION_BOTH) == [("b", 1), ("d", 1)]
    assert await walk("d", direction=link_service_pb2.LINK_DIRECTION_INCOMING, depth=8) == [
        ("c", 1), ("b", 2), ("a", 3)]  # fmt: skip
    assert await walk("a", types=["other"]) == []


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """Memories, recall, links, versions, request ids, page tokens and the order of commits."""
    with ServerProcess(tmp_path / "data") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            before = [
                await wire.store({"text": f"fact number{n}"}, request_id=f"r{n}") for n in range(50)
            ]
            request = memory_service_pb2.ListRequest(namespace="n", page_size=10)
            page = await wire.memory.List(request)
            request.page_token = page.next_page_token
            second = await wire.memory.List(request)
        assert server.stop() == 0
        server.start()
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            assert await wire.memory.List(request) == second
            replayed = await wire.store({"text": "fact number7"}, request_id="r7")
            found = await wire.recall("number33")
            later = await wire.store({"text": "more"})

    assert (replayed.id, replayed.receipt.replayed) == (before[7].id, True)
    assert found.results[0].memory.id == before[33].id
    assert later.receipt.commit_seq > before[-1].receipt.commit_seq


async def test_the_server_states_its_limits(wire: Wire) -> None:
    """What is refused beyond, what a receipt means, and that nobody is authenticated."""
    info = await wire.admin.GetServerInfo(admin_service_pb2.GetServerInfoRequest())

    assert (info.store, info.tenant, info.authentication) == ("embedded", "default", "none")
    assert info.durability == memory_pb2.DURABILITY_FSYNCED
    assert info.limits.max_payload_bytes == 64 * 1024
    assert info.embedding_dimensions == 256


async def test_answers_stay_below_what_clients_accept(wire: Wire) -> None:
    """A thousand large payloads are cut with a word about it, never an error of the channel."""
    for number in range(80):
        await wire.store({"text": "walrus", "filler": "x" * 60_000}, id=str(number), text="walrus")

    answer = await wire.recall("walrus", top_k=1000)
    page = await wire.memory.List(
        memory_service_pb2.ListRequest(namespace=wire.namespace, page_size=1000)
    )

    assert answer.truncated
    assert 40 < len(answer.results) < 80
    assert 40 < len(page.memories) < 80
    assert page.next_page_token
