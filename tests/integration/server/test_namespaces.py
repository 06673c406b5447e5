"""Namespaces over the wire: policies, limits, quotas, decay, deletion that finishes."""

import json
from pathlib import Path

import grpc
import pytest
from google.protobuf import field_mask_pb2

from soma.memory.v1 import memory_service_pb2, namespace_service_pb2
from tests.support.server_process import ServerProcess
from tests.support.waiting import until
from tests.support.wire import Wire, bad_fields, details


async def create(wire: Wire, **policy: object) -> namespace_service_pb2.Namespace:
    """Make the namespace with a policy."""
    request = namespace_service_pb2.CreateNamespaceRequest(
        namespace=wire.namespace,
        policy=namespace_service_pb2.NamespacePolicy(**policy),  # type: ignore[arg-type]
    )
    return (await wire.namespaces.CreateNamespace(request)).namespace


async def test_a_namespace_has_a_policy_that_can_be_changed(wire: Wire) -> None:
    """Named fields change, versions guard them, a second one of the name is refused."""
    made = await create(wire, default_ttl_s=60, max_memories=5)
    assert (made.version, made.policy.max_versions) == (1, 10)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await create(wire)
    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS

    request = namespace_service_pb2.UpdateNamespaceRequest(
        namespace=wire.namespace,
        policy=namespace_service_pb2.NamespacePolicy(max_memories=7),
        update_mask=field_mask_pb2.FieldMask(paths=["max_memories"]),
        expected_version=1,
    )
    changed = (await wire.namespaces.UpdateNamespace(request)).namespace
    assert (changed.version, changed.policy.max_memories) == (2, 7)
    assert changed.policy.default_ttl_s == 60
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.namespaces.UpdateNamespace(request)
    assert caught.value.code() is grpc.StatusCode.ABORTED
    get = namespace_service_pb2.GetNamespaceRequest(namespace=wire.namespace)
    assert (await wire.namespaces.GetNamespace(get)).namespace == changed


async def test_a_bad_policy_is_refused_whole(wire: Wire) -> None:
    """With every field that is wrong."""
    level = namespace_service_pb2.DecayLevel(age_s=0)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await create(wire, default_ttl_s=-1, max_versions=5000, decay_levels=[level])
    assert bad_fields(caught.value) == [
        "policy.default_ttl_s",
        "policy.max_versions",
        "policy.decay_levels[0].age_s",
        "policy.decay_levels[0].drop_fields",
    ]


async def test_the_least_important_make_room(wire: Wire) -> None:
    """Beyond the limit they go from lists and from recall, of equals the oldest; the new one stays."""
    await create(wire, max_memories=3)
    for name, importance in (("a", 0.9), ("b", 0.2), ("c", 0.5), ("d", 0.5), ("e", 0.1)):
        await wire.store({"text": f"word {name}"}, id=name, importance=importance)

    assert set(await wire.ids()) == {"a", "d", "e"}
    assert {hit.memory.id for hit in (await wire.recall("word")).results} == {"a", "d", "e"}


async def test_quotas_refuse_what_goes_beyond(wire: Wire) -> None:
    """The one more is refused with its owner's name; an overwrite that fits is not."""
    await create(wire, quota_memories=2, quota_payload_bytes=100)
    await wire.store({"n": 1}, id="a")
    await wire.store({"n": 2}, id="b")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.store({"n": 3}, id="c")
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(caught.value)["QuotaFailure"].violations[0].subject == (  # type: ignore[attr-defined]
        f"namespace:{wire.namespace}"
    )
    with pytest.raises(grpc.aio.AioRpcError):
        await wire.store({"n": "x" * 100}, id="a")
    await wire.store({"n": "x" * 50}, id="a")
    await wire.delete("b")
    await wire.store({"n": 3}, id="c")


async def test_memories_live_as_long_as_the_policy_says(wire: Wire) -> None:
    """Without an expire time of their own."""
    await create(wire, default_ttl_s=1)
    await wire.store({"text": "short"}, id="a")
    assert (await wire.get("a")).HasField("expire_time")

    async def are_gone() -> bool:
        return not await wire.ids()

    await until(are_gone)


async def test_a_deleted_namespace_is_gone_at_once_and_its_name_is_free(wire: Wire) -> None:
    """Nothing of the old one shows in the new one; a second delete says that there is none."""
    for number in range(20):
        await wire.store({"text": f"old {number}"}, id=f"m{number}")
    request = namespace_service_pb2.DeleteNamespaceRequest(namespace=wire.namespace)
    await wire.namespaces.DeleteNamespace(request)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.ids()
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.namespaces.DeleteNamespace(request)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    stored = await wire.store({"text": "new"}, id="m0")
    assert stored.receipt.version == 1
    assert [hit.memory.text for hit in (await wire.recall("old new")).results] == ["new"]


async def test_a_deletion_goes_on_after_a_kill(tmp_path: Path) -> None:
    """The rows of a dropped namespace are freed by whoever runs next, and never come back."""
    with ServerProcess(tmp_path / "data") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            items = [
                memory_service_pb2.StoreItem(memory={"payload_json": b'{"t": "canary-5b1"}'})
                for _ in range(1000)
            ]
            for _ in range(3):
                await wire.memory.StoreBatch(
                    memory_service_pb2.StoreBatchRequest(namespace="n", items=items)
                )
            await wire.namespaces.DeleteNamespace(
                namespace_service_pb2.DeleteNamespaceRequest(namespace="n")
            )
        server.kill()
        server.start()
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            with pytest.raises(grpc.aio.AioRpcError):
                await wire.ids()

            async def is_freed() -> bool:
                files = [one for one in (tmp_path / "data").iterdir() if one.is_file()]
                return not any(b"canary-5b1" in one.read_bytes() for one in files)

            await until(is_freed)


async def test_old_memories_lose_fields_by_level(tmp_path: Path) -> None:
    """From the payload, from search, and from the versions; what the policy does not name stays."""
    with ServerProcess(tmp_path / "data", decay_every_s=1) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            level = namespace_service_pb2.DecayLevel(age_s=1, drop_fields=["detail"])
            await create(wire, decay_levels=[level])
            await wire.store({"gist": "a trip", "detail": "platform nine"}, id="x")
            await wire.store({"gist": "a trip", "detail": "platform ten"}, id="x")

            async def has_decayed() -> bool:
                return "detail" not in json.loads((await wire.get("x")).payload_json)

            await until(has_decayed)
            assert json.loads((await wire.get("x")).payload_json) == {"gist": "a trip"}
            assert not (await wire.recall("platform", mode=3)).results
            assert (await wire.recall("trip", mode=3)).results[0].memory.id == "x"
            past = memory_service_pb2.ListVersionsRequest(namespace="n", ref={"id": "x"})
            assert len((await wire.memory.ListVersions(past)).versions) == 1
