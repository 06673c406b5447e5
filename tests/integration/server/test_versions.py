"""Versions over the wire: updates, the past, and its end."""

import asyncio
import json
import time

import grpc
import pytest
from google.protobuf import field_mask_pb2, timestamp_pb2

from soma.memory.v1 import memory_pb2, memory_service_pb2
from tests.support.waiting import until
from tests.support.wire import Wire, bad_fields, ref


async def update(wire: Wire, memory_id: str, paths: list[str], **fields: object) -> int:
    """Update some fields, and return the version that was written."""
    request = memory_service_pb2.UpdateRequest(
        namespace=wire.namespace,
        ref=ref(memory_id),
        memory=memory_pb2.MemoryDraft(**fields),  # type: ignore[arg-type]
        update_mask=field_mask_pb2.FieldMask(paths=paths),
    )
    return (await wire.memory.Update(request)).receipt.version


async def versions(wire: Wire, memory_id: str) -> list[memory_pb2.MemoryVersion]:
    """Return all kept versions, by pages of two."""
    found: list[memory_pb2.MemoryVersion] = []
    token = ""
    while True:
        request = memory_service_pb2.ListVersionsRequest(
            namespace=wire.namespace, ref=ref(memory_id), page_size=2, page_token=token
        )
        page = await wire.memory.ListVersions(request)
        found += page.versions
        token = page.next_page_token
        if not token:
            return found


async def test_an_update_changes_what_it_names(wire: Wire) -> None:
    """The rest stays, and search follows the new payload."""
    draft = memory_pb2.MemoryDraft(
        id="tea", payload_json=b'{"text": "green tea"}', importance=2.0,
        metadata={"a": memory_pb2.MetadataValue(text="x"), "b": memory_pb2.MetadataValue(flag=True)},
    )  # fmt: skip
    await wire.memory.Store(memory_service_pb2.StoreRequest(namespace=wire.namespace, memory=draft))

    metadata = {"a": memory_pb2.MetadataValue(number=7.0)}
    paths = ["payload_json", "metadata.a", "metadata.b"]
    payload = b'{"text": "black coffee"}'
    assert await update(wire, "tea", paths, payload_json=payload, metadata=metadata) == 2

    memory = await wire.get("tea")
    assert (memory.payload_json, memory.text, memory.importance) == (payload, "black coffee", 2.0)
    assert dict(memory.metadata) == metadata
    assert (await wire.recall("coffee", mode=3)).results[0].memory.id == "tea"
    assert not (await wire.recall("green", mode=3)).results


async def test_a_text_of_the_author_does_not_follow_the_payload(wire: Wire) -> None:
    """It changes when it is named; cleared, it is derived again."""
    await wire.store({"t": "payload"}, id="x", text="own words")
    await update(wire, "x", ["payload_json"], payload_json=b'{"t": "other"}')
    assert (await wire.get("x")).text == "own words"

    await update(wire, "x", ["text"])
    assert (await wire.get("x")).text == "other"


async def test_updates_that_race_are_all_done(wire: Wire) -> None:
    """Without an expected version each is decided anew; none is lost."""
    await wire.store({"t": "x"}, id="x")
    value = memory_pb2.MetadataValue(flag=True)
    await asyncio.gather(
        *(update(wire, "x", [f"metadata.k{n}"], metadata={f"k{n}": value}) for n in range(12))
    )

    memory = await wire.get("x")
    assert (memory.version, len(memory.metadata)) == (13, 12)


@pytest.mark.parametrize(
    ("paths", "field"),
    [
        ([], "update_mask"),
        (["id"], "update_mask"),
        (["metadata", "metadata.a"], "update_mask"),
        (["payload_json"], "memory.payload_json"),
    ],
)
async def test_a_bad_update_is_refused(wire: Wire, paths: list[str], field: str) -> None:
    """An empty or unknown mask, and a payload that is named and not given."""
    await wire.store({"t": "x"}, id="x")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await update(wire, "x", paths)
    assert field in bad_fields(caught.value)
    assert (await wire.get("x")).version == 1


async def test_versions_are_kept_read_and_restored(wire: Wire) -> None:
    """In pages, newest first; a restored one is the next version, and is found by search."""
    for number in range(5):
        await wire.store({"text": f"fact number{number}"}, id="x")

    found = await versions(wire, "x")
    assert [version.memory.version for version in found] == [5, 4, 3, 2, 1]
    assert [version.HasField("supersede_time") for version in found] == [False] + [True] * 4
    request = memory_service_pb2.GetRequest(namespace=wire.namespace, ref=ref("x"), version=2)
    assert json.loads((await wire.memory.Get(request)).memory.payload_json) == {
        "text": "fact number1"
    }

    restore = memory_service_pb2.RestoreVersionRequest(
        namespace=wire.namespace, ref=ref("x"), version=2, request_id="again"
    )
    first, second = [await wire.memory.RestoreVersion(restore) for _ in range(2)]
    assert (first.receipt.version, second.receipt.replayed) == (6, True)
    assert (await wire.recall("number1", mode=3)).results[0].memory.version == 6
    assert not (await wire.recall("number4", mode=3)).results


async def test_a_version_that_would_be_gone_at_once_is_not_restored(wire: Wire) -> None:
    """Written again, a version with an expiry in the past would take the memory and all its versions with it."""
    await wire.store({"text": "short-lived"}, id="x")
    later = timestamp_pb2.Timestamp()
    later.FromMilliseconds(int(time.time() * 1000) + 300)
    await update(wire, "x", ["expire_time"], expire_time=later)
    await update(wire, "x", ["expire_time"])
    restore = memory_service_pb2.RestoreVersionRequest(
        namespace=wire.namespace, ref=ref("x"), version=2
    )
    await asyncio.sleep(0.4)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.memory.RestoreVersion(restore)

    assert bad_fields(caught.value) == ["version"]
    assert (await wire.get("x")).version == 3


async def test_a_moment_shows_what_was_known_then(wire: Wire) -> None:
    """Get as of a time gives the version of that time; what was deleted is gone from the past, too."""
    await wire.store({"text": "first"}, id="x")
    await asyncio.sleep(0.02)
    moment = timestamp_pb2.Timestamp()
    moment.GetCurrentTime()
    await asyncio.sleep(0.02)
    await wire.store({"text": "second"}, id="x")

    request = memory_service_pb2.GetRequest(namespace=wire.namespace, ref=ref("x"), as_of=moment)
    assert (await wire.memory.Get(request)).memory.text == "first"
    await wire.delete("x")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.memory.Get(request)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_accesses_are_counted_under_concurrency(wire: Wire) -> None:
    """Every read counts once, soon after."""
    await wire.store({"text": "x"}, id="x")
    await asyncio.gather(*(wire.get("x") for _ in range(40)))

    # Reading the list counts nothing.
    request = memory_service_pb2.ListRequest(namespace=wire.namespace)

    async def are_counted() -> bool:
        return (await wire.memory.List(request)).memories[0].access_count >= 40

    await until(are_counted)
    memory = (await wire.memory.List(request)).memories[0]
    assert memory.access_count == 40
    assert memory.HasField("last_access_time")
    assert memory.version == 1


async def test_lists_come_by_importance(wire: Wire) -> None:
    """Greatest first, over pages; a token of another order is refused."""
    for number in range(7):
        await wire.store({"n": number}, id=f"m{number}", importance=number % 3 - 0.5)

    seen: list[tuple[float, str]] = []
    token = ""
    while True:
        request = memory_service_pb2.ListRequest(
            namespace=wire.namespace, page_size=2, page_token=token,
            order=memory_service_pb2.LIST_ORDER_IMPORTANCE,
        )  # fmt: skip
        page = await wire.memory.List(request)
        seen += [(memory.importance, memory.id) for memory in page.memories]
        if not page.next_page_token:
            break
        token = page.next_page_token
    assert [importance for importance, _ in seen] == sorted(
        (importance for importance, _ in seen), reverse=True
    )
    assert len({memory_id for _, memory_id in seen}) == 7
    other = memory_service_pb2.ListRequest(namespace=wire.namespace, page_size=2, page_token=token)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.memory.List(other)
    assert bad_fields(caught.value) == ["page_token"]


async def test_batches_read_and_delete_each_on_its_own(wire: Wire) -> None:
    """What is not there is refused alone; a purge counts first, and needs a word for everything."""
    for number in range(4):
        await wire.store({"n": number}, id=f"m{number}", importance=float(number))
    names = [ref("m0"), ref("absent"), ref("m1")]
    got = await wire.memory.BatchGet(
        memory_service_pb2.BatchGetRequest(namespace=wire.namespace, refs=names)
    )
    assert [result.WhichOneof("outcome") for result in got.results] == ["memory", "error", "memory"]
    items = [memory_service_pb2.DeleteItem(ref=name) for name in names]
    gone = await wire.memory.DeleteBatch(
        memory_service_pb2.DeleteBatchRequest(namespace=wire.namespace, items=items)
    )
    kinds = [result.WhichOneof("outcome") for result in gone.results]
    assert kinds == ["deleted", "error", "deleted"]

    purge = memory_service_pb2.PurgeRequest(
        namespace=wire.namespace, filter=memory_pb2.Filter(importance_below=3.0), dry_run=True
    )
    counted = await wire.memory.Purge(purge)
    assert (counted.matched_count, counted.deleted_count) == (1, 0)
    purge.dry_run = False
    assert (await wire.memory.Purge(purge)).deleted_count == 1
    assert await wire.ids() == ["m3"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.memory.Purge(memory_service_pb2.PurgeRequest(namespace=wire.namespace))
    assert bad_fields(caught.value) == ["filter"]
