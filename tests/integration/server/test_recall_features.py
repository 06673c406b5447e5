"""What recall can do beyond words and vectors: the past, context, fields, boxes, pages."""

import asyncio
import json

import grpc
import pytest
from google.protobuf import timestamp_pb2

from memory_server.domain.limits import MAX_NESTING
from soma.memory.v1 import (
    memory_pb2,
    memory_service_pb2,
    namespace_service_pb2,
    recall_service_pb2,
)
from tests.support.wire import Wire, bad_fields

SEMANTIC = memory_pb2.MEMORY_KIND_SEMANTIC


async def recalled(wire: Wire, **asked: object) -> recall_service_pb2.RecallResponse:
    """Recall by whatever is asked."""
    request = recall_service_pb2.RecallRequest(namespace=wire.namespace, **asked)  # type: ignore[arg-type]
    return await wire.recalls.Recall(request)


def ids(answer: recall_service_pb2.RecallResponse) -> list[str]:
    return [hit.memory.id for hit in answer.results]


async def test_recall_answers_from_what_was_known_then(wire: Wire) -> None:
    """The value of that time wins, with the words and vectors of that time."""
    await wire.store({"text": "Anna works in Bergen"}, id="job")
    await asyncio.sleep(0.02)
    moment = timestamp_pb2.Timestamp()
    moment.GetCurrentTime()
    await asyncio.sleep(0.02)
    await wire.store({"text": "Anna works in Oslo"}, id="job")
    await wire.store({"text": "Anna has a cat"}, id="cat")

    then = await recalled(wire, text="Where does Anna work?", as_of=moment)
    now = await recalled(wire, text="Where does Anna work?")

    assert [hit.memory.text for hit in then.results] == ["Anna works in Bergen"]
    assert now.results[0].memory.text == "Anna works in Oslo"
    assert not (await recalled(wire, text="Oslo", mode=3, as_of=moment)).results


async def test_a_string_anywhere_in_the_payload_is_found(wire: Wire) -> None:
    """Whole or part, with or without case; percent and underscore are plain characters."""
    await wire.store({"a": {"b": ["100% sure", "Tea_Time"]}, "text": "other"}, id="x")
    await wire.store({"a": "100 pct sure", "t": "TeaXTime"}, id="y")

    async def found(**match: object) -> list[str]:
        return ids(await recalled(wire, field_match=match))

    assert await found(term="100% sure") == ["x"]
    assert await found(term="100%") == []
    assert await found(term="100%", substring=True) == ["x"]
    assert await found(term="tea_time") == ["x"]
    assert await found(term="tea_time", case_sensitive=True) == []
    assert await found(term="tea", substring=True) == ["y", "x"]
    assert await found(term="b", substring=True, case_sensitive=True) == []


async def test_a_context_lifts_what_fits_it_and_adds_nothing(wire: Wire) -> None:
    """The same question, asked about another thing, has another best answer."""
    await wire.store({"text": "the meeting is on Monday in the garden"}, id="garden", kind=SEMANTIC)
    await wire.store(
        {"text": "the meeting is on Tuesday in the harbour"}, id="harbour", kind=SEMANTIC
    )
    await wire.store({"text": "boats and ships lie there"}, id="boats", kind=SEMANTIC)

    for context, best in (
        ("we sail from the harbour", "harbour"),
        ("the garden is green", "garden"),
    ):
        answer = await recalled(
            wire, text="when is the meeting", context=context, mode=3, explain=True
        )
        assert ids(answer)[0] == best
        assert answer.results[0].parts.context > 0
        assert "boats" not in ids(answer)


async def test_importance_decides_between_equals_only(wire: Wire) -> None:
    """Of two that answer alike the more important comes first; one that answers better stays first."""
    for number in range(10):
        await wire.store({"n": f"filler {number}"}, id=f"f{number}", kind=SEMANTIC)
    await wire.store({"text": "the red key"}, id="low", importance=0.1, kind=SEMANTIC)
    await wire.store({"text": "the red key"}, id="high", importance=9.0, kind=SEMANTIC)
    await wire.store({"text": "a key"}, id="vague", importance=99.0, kind=SEMANTIC)

    assert ids(await recalled(wire, text="the red key"))[:3] == ["high", "low", "vague"]


async def test_being_recent_decides_by_the_half_life(wire: Wire) -> None:
    """Without one it counts for nothing."""
    old = timestamp_pb2.Timestamp(seconds=1_000_000_000)
    await wire.store({"text": "the red key"}, id="new", kind=SEMANTIC)
    await wire.store({"text": "the red key"}, id="old", kind=SEMANTIC, event_time=old)
    plain = await recalled(wire, text="the red key", explain=True)
    assert {hit.parts.recency for hit in plain.results} == {0.0}

    await wire.namespaces.UpdateNamespace(
        namespace_service_pb2.UpdateNamespaceRequest(
            namespace=wire.namespace, policy={"recency_half_life_s": 3600, "max_versions": 10}
        )
    )
    answer = await recalled(wire, text="the red key", explain=True)
    assert ids(answer) == ["new", "old"]
    assert answer.results[0].parts.recency > answer.results[1].parts.recency


async def test_linked_memories_are_lifted(wire: Wire) -> None:
    """What is linked with the best answer gains a share of its score, and explain says so."""
    await wire.store({"text": "the safe has a code"}, id="safe", kind=SEMANTIC)
    await wire.store({"text": "7 4 1 1"}, id="digits", kind=SEMANTIC)
    await wire.store({"text": "0 0 0 0"}, id="unrelated", kind=SEMANTIC)
    await wire.link("safe", "digits", "answers")

    answer = await recalled(wire, text="what is the code of the safe", explain=True)

    assert ids(answer)[:2] == ["safe", "digits"]
    assert answer.results[1].parts.links > 0
    assert "unrelated" not in ids(answer)


async def test_pages_of_recall_are_one_list(wire: Wire) -> None:
    """Without gap or repeat; a token of another question is refused."""
    for number in range(25):
        await wire.store({"text": f"apple number {number}"}, id=f"m{number}", kind=SEMANTIC)
    whole = ids(await recalled(wire, text="apple", top_k=25))

    seen: list[str] = []
    token = ""
    while True:
        page = await recalled(wire, text="apple", top_k=10, page_token=token)
        seen += ids(page)
        if not page.next_page_token:
            break
        token = page.next_page_token
    assert seen == whole
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await recalled(wire, text="pear", top_k=10, page_token=token)
    assert bad_fields(caught.value) == ["page_token"]


async def test_a_box_finds_what_lies_in_it(wire: Wire) -> None:
    """Sides included, other dimensions left out, in pages."""
    for number in range(6):
        await wire.store({"n": number}, id=f"m{number}", coordinate={"values": [number, 0.0]})
    await wire.store({"n": "other"}, id="line", coordinate={"values": [2.0]})

    found: list[int] = []
    token = ""
    while True:
        request = recall_service_pb2.RangeSearchRequest(
            namespace=wire.namespace, min={"values": [1, 0]}, max={"values": [4, 0]},
            page_size=3, page_token=token,
        )  # fmt: skip
        page = await wire.recalls.RangeSearch(request)
        found += [json.loads(memory.payload_json)["n"] for memory in page.memories]
        token = page.next_page_token
        if not token:
            break
    assert found == [1, 2, 3, 4]
    request = recall_service_pb2.RangeSearchRequest(
        namespace=wire.namespace, min={"values": [1, 0]}, max={"values": [0, 0]}
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.recalls.RangeSearch(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_deepest_payload_that_is_taken_is_read_by_every_call(wire: Wire) -> None:
    """None is at its end where storing was not."""
    depth = MAX_NESTING
    payload = b'{"a":' * depth + b'"found"' + b"}" * depth
    request = memory_service_pb2.StoreRequest(
        namespace=wire.namespace, memory=memory_pb2.MemoryDraft(id="deep", payload_json=payload)
    )
    await wire.memory.Store(request)
    match = recall_service_pb2.FieldMatch(term="found")
    asked = recall_service_pb2.RecallRequest(namespace=wire.namespace, field_match=match)
    alone = (await wire.recalls.Recall(asked)).results
    batch = recall_service_pb2.RecallBatchRequest(queries=[asked] * 3)
    [*outcomes] = (await wire.recalls.RecallBatch(batch)).outcomes

    assert [hit.memory.payload_json for hit in alone] == [payload]
    assert [[hit.memory.id for hit in one.response.results] for one in outcomes] == [["deep"]] * 3
    request.memory.payload_json = b'{"a":' + payload + b"}"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.memory.Store(request)
    assert bad_fields(caught.value) == ["memory.payload_json"]


async def test_no_answer_is_larger_than_a_client_takes(wire: Wire) -> None:
    """Neither by its metadata, which may be most of a memory, nor by many answers together."""
    heavy = {f"k{number}": memory_pb2.MetadataValue(text="x" * 1000) for number in range(60)}
    for number in range(100):
        await wire.store({"text": "tea"}, id=f"m{number}", metadata=heavy)
    asked = recall_service_pb2.RecallRequest(namespace=wire.namespace, text="tea", top_k=100)

    alone = await wire.recalls.Recall(asked)
    listed = await wire.memory.List(
        memory_service_pb2.ListRequest(namespace=wire.namespace, page_size=100)
    )
    batch = recall_service_pb2.RecallBatchRequest(queries=[asked] * 5)
    outcomes = (await wire.recalls.RecallBatch(batch)).outcomes

    assert 30 < len(alone.results) < 60
    assert alone.next_page_token
    assert 30 < len(listed.memories) < 60
    assert listed.next_page_token
    assert outcomes[0].response.results == alone.results
    exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert [one.error.code for one in outcomes[1:]] == [exhausted] * 4
