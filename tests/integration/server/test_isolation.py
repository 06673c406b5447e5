"""Three tenants at once with the same names for everything: none ever sees a byte of another."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from soma.memory.v1 import (
    admin_service_pb2,
    lifecycle_service_pb2,
    link_service_pb2,
    memory_pb2,
    memory_service_pb2,
    namespace_service_pb2,
    recall_service_pb2,
)
from soma_common.tokens import new_token, token_hash
from tests.support.server_process import ServerProcess
from tests.support.wire import Wire, ref

TENANTS = ("a", "a:b", "a_b")
NAMESPACES = ("n", "n:m", "n_m", "n%")
IDS = ("x", "y", "x:y", "%", "_")
STEPS = 900
SCOPES = ["read", "write", "link", "admin", "erase"]


def canary(tenant: str) -> str:
    """Return a word that is in everything a tenant writes, and in nothing of another."""
    return f"canary{TENANTS.index(tenant)}zq"


class Caller:
    """One tenant, making random calls and looking at every byte of every answer."""

    def __init__(self, channel: grpc.aio.Channel, tenant: str, token: str, seed: int) -> None:
        self.tenant = tenant
        self.metadata = [("authorization", f"Bearer {token}")]
        self.random = random.Random(f"{seed}-{tenant}")
        self.wire = Wire(channel, "n")
        self.foreign = [canary(other).encode() for other in TENANTS if other != tenant]
        self.kept: dict[tuple[str, str], bytes] = {}
        """What must be there: payload by namespace and id."""
        self.answers = 0

    async def step(self) -> None:
        """Make one call; what is refused is refused for a reason of this tenant alone."""
        namespace, name = self.random.choice(NAMESPACES), self.random.choice(IDS)
        calls = ["store"] * 4 + ["delete", "link", "drop", "erase"] + ["read"] * 6
        with contextlib.suppress(grpc.aio.AioRpcError):
            await getattr(self, f"_{self.random.choice(calls)}")(namespace, name)

    async def call(self, method: Any, request: Message) -> Any:
        """Call, and hold the answer, or the refusal, against the words of the others."""
        try:
            answer = await method(request, metadata=self.metadata)
        except grpc.aio.AioRpcError as error:
            told = repr(error.trailing_metadata()) + (error.details() or "")
            self._check_refusal(error.code(), told)
            raise
        self.answers += 1
        seen = answer.SerializeToString()
        assert not any(word in seen for word in self.foreign), (self.tenant, request)
        return answer

    def _check_refusal(self, code: grpc.StatusCode, told: str) -> None:
        assert not any(word.decode() in told for word in self.foreign), (self.tenant, told)
        assert code is not grpc.StatusCode.INTERNAL, told

    async def _store(self, namespace: str, name: str) -> None:
        body = {"t": f"{canary(self.tenant)} {self.random.random()}"}
        payload = json.dumps(body).encode()
        draft = memory_pb2.MemoryDraft(
            id=name, payload_json=payload, kind=memory_pb2.MEMORY_KIND_SEMANTIC,
            metadata={"k": memory_pb2.MetadataValue(text=self.random.choice("pq"))},
        )  # fmt: skip
        # The same request ids for all tenants: a foreign one neither replays nor collides.
        request_id = (
            f"r{len(self.kept)}-{self.random.random()}" if self.random.random() < 0.7 else ""
        )
        request = memory_service_pb2.StoreRequest(
            namespace=namespace, memory=draft, request_id=request_id
        )
        await self.call(self.wire.memory.Store, request)
        self.kept[namespace, name] = payload

    async def _delete(self, namespace: str, name: str) -> None:
        request = memory_service_pb2.DeleteRequest(namespace=namespace, ref=ref(name))
        await self.call(self.wire.memory.Delete, request)
        self.kept.pop((namespace, name))

    async def _link(self, namespace: str, name: str) -> None:
        request = link_service_pb2.LinkRequest(
            namespace=namespace, from_ref=ref(name), to_ref=ref(self.random.choice(IDS)),
            metadata={"k": memory_pb2.MetadataValue(text=canary(self.tenant))},
        )  # fmt: skip
        await self.call(self.wire.links.Link, request)

    async def _drop(self, namespace: str, _name: str) -> None:
        if self.random.random() < 0.2:
            request = namespace_service_pb2.DeleteNamespaceRequest(namespace=namespace)
            await self.call(self.wire.namespaces.DeleteNamespace, request)
            self.kept = {key: value for key, value in self.kept.items() if key[0] != namespace}

    async def _erase(self, namespace: str, _name: str) -> None:
        if self.random.random() < 0.2:
            request = lifecycle_service_pb2.EraseSubjectRequest(
                metadata_key="k", value=memory_pb2.MetadataValue(text="none"), namespace=namespace
            )
            await self.call(self.wire.lifecycle.EraseSubject, request)

    async def _read(self, namespace: str, name: str) -> None:
        """Make one of every reading call."""
        wire, word = self.wire, self.random.choice([canary(one) for one in TENANTS])
        requests: list[tuple[Any, Message]] = [
            (wire.memory.Get, memory_service_pb2.GetRequest(namespace=namespace, ref=ref(name))),
            (wire.memory.List, memory_service_pb2.ListRequest(namespace=namespace)),
            (
                wire.memory.ListVersions,
                memory_service_pb2.ListVersionsRequest(namespace=namespace, ref=ref(name)),
            ),
            (
                wire.recalls.Recall,
                recall_service_pb2.RecallRequest(namespace=namespace, text=word, explain=True),
            ),
            (
                wire.recalls.Recall,
                recall_service_pb2.RecallRequest(
                    namespace=namespace, field_match={"term": word, "substring": True}
                ),
            ),
            (
                wire.links.Neighbors,
                link_service_pb2.NeighborsRequest(
                    namespace=namespace, ref=ref(name), direction="LINK_DIRECTION_BOTH", depth=3
                ),
            ),
            (
                wire.namespaces.GetStats,
                namespace_service_pb2.GetStatsRequest(namespace=namespace),
            ),
            (wire.namespaces.ListNamespaces, namespace_service_pb2.ListNamespacesRequest()),
            (
                wire.lifecycle.Reflect,
                lifecycle_service_pb2.ReflectRequest(namespace=namespace, count=50),
            ),
            (wire.admin.GetServerInfo, admin_service_pb2.GetServerInfoRequest()),
        ]
        await self.call(*self.random.choice(requests))

    async def reckon(self) -> None:
        """Hold the server to exactly what this tenant keeps, by lists and by words."""
        for namespace in NAMESPACES:
            wanted = {name: body for (space, name), body in self.kept.items() if space == namespace}
            request = memory_service_pb2.ListRequest(namespace=namespace, page_size=100)
            if not wanted:
                await self._has_none(request)
                continue
            page = await self.call(self.wire.memory.List, request)
            assert {one.id: one.payload_json for one in page.memories} == wanted
            recall = recall_service_pb2.RecallRequest(
                namespace=namespace, text=canary(self.tenant), mode="RECALL_MODE_KEYWORD", top_k=100
            )
            hits = (await self.call(self.wire.recalls.Recall, recall)).results
            assert {hit.memory.id for hit in hits} == set(wanted)

    async def _has_none(self, request: memory_service_pb2.ListRequest) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError):  # there is no such namespace
            assert not (await self.call(self.wire.memory.List, request)).memories


@pytest.fixture
async def callers(tmp_path: Path) -> AsyncIterator[list[Caller]]:
    """One caller of each tenant, all over one connection."""
    tokens = {tenant: new_token() for tenant in TENANTS}
    entries = [
        {"name": f"t{n}", "tenant": tenant, "scopes": SCOPES, "sha256": token_hash(token)}
        for n, (tenant, token) in enumerate(tokens.items())
    ]
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({"tokens": entries}))
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    with ServerProcess(tmp_path / "data", auth_tokens_file=file) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield [Caller(channel, tenant, token, seed) for tenant, token in tokens.items()]


async def test_tenants_never_meet(callers: list[Caller]) -> None:
    """Random calls of all at once; after them each has exactly what it kept."""

    async def live(caller: Caller) -> None:
        for _ in range(STEPS // len(TENANTS)):
            await caller.step()

    await asyncio.gather(*(live(caller) for caller in callers))
    for caller in callers:
        await caller.reckon()
        assert caller.answers > 50
        assert caller.kept


async def test_tokens_of_another_tenant_open_nothing(callers: list[Caller]) -> None:
    """Pages, resumes, receipts: what one tenant was given is worthless to another."""
    mine, theirs = callers[:2]
    for caller in (mine, theirs):
        for name in IDS:
            await caller._store("n", name)
    page = await mine.call(
        mine.wire.memory.List, memory_service_pb2.ListRequest(namespace="n", page_size=2)
    )
    stolen = memory_service_pb2.ListRequest(
        namespace="n", page_size=2, page_token=page.next_page_token
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await theirs.call(theirs.wire.memory.List, stolen)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    watch = mine.wire.memory.Watch(
        memory_service_pb2.WatchRequest(namespace="n"), metadata=mine.metadata
    )
    first = await watch.read()
    watch.cancel()
    assert isinstance(first, memory_service_pb2.WatchResponse)
    resumed = theirs.wire.memory.Watch(
        memory_service_pb2.WatchRequest(namespace="n", resume_token=first.resume_token),
        metadata=theirs.metadata,
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await resumed.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    subject = lifecycle_service_pb2.EraseSubjectRequest(
        metadata_key="k", value=memory_pb2.MetadataValue(text="p")
    )
    erased = await mine.call(mine.wire.lifecycle.EraseSubject, subject)
    verify = lifecycle_service_pb2.VerifyErasureRequest(receipt=erased.receipt, subject=subject)
    assert (await mine.call(mine.wire.lifecycle.VerifyErasure, verify)).authentic
    assert not (await theirs.call(theirs.wire.lifecycle.VerifyErasure, verify)).authentic
    await theirs.reckon()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await mine.wire.admin.Backup(
            admin_service_pb2.BackupRequest(), metadata=mine.metadata
        ).read()
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
