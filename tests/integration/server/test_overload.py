"""Many times more than the server does at once: it sheds early and says when to come back, and nobody starves."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2

from soma.memory.v1 import memory_pb2, memory_service_pb2
from soma_common.tokens import new_token, token_hash
from tests.support.server_process import ServerProcess
from tests.support.wire import Wire, details

SLOTS = 8
CALLERS = 30 * SLOTS
CALLS_EACH = 10
MAX_GROWTH_KIB = 200 * 1024
STRANGERS_BYTES = 8 * 1024 * 1024 - 1024
STRANGERS_EACH = 16
TOKENS = {name: new_token() for name in ("greedy", "modest")}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    entries = [
        {"name": name, "tenant": name, "scopes": ["read", "write"], "sha256": token_hash(token)}
        for name, token in TOKENS.items()
    ]
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"tokens": entries}))
    with ServerProcess(
        tmp_path / "data", max_concurrent_rpcs=SLOTS, auth_tokens_file=tokens, embedder="none"
    ) as running:
        yield running


async def store(wire: Wire, who: str, number: int) -> grpc.aio.AioRpcError | None:
    """Store one memory; return how it was refused."""
    draft = memory_pb2.MemoryDraft(id=f"m{number}", payload_json=b'{"text": "tea"}')
    request = memory_service_pb2.StoreRequest(namespace="notes", memory=draft)
    metadata = [("authorization", f"Bearer {TOKENS[who]}")]
    try:
        await wire.memory.Store(request, metadata=metadata, timeout=60)
    except grpc.aio.AioRpcError as error:
        return error
    return None


async def test_a_greedy_tenant_is_shed_and_nobody_else_notices(server: ServerProcess) -> None:
    """The greedy one is refused with RetryInfo and nothing else; the modest one and health never are."""
    before_kib = server.rss_kib()
    async with (
        grpc.aio.insecure_channel(server.address) as many,
        grpc.aio.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as few,
    ):
        greedy, modest = Wire(many, "notes"), Wire(few, "notes")

        async def press(worker: int) -> list[grpc.aio.AioRpcError | None]:
            first = worker * CALLS_EACH
            return [await store(greedy, "greedy", first + step) for step in range(CALLS_EACH)]

        pressing = asyncio.gather(*(press(worker) for worker in range(CALLERS)))
        calm: list[grpc.aio.AioRpcError | None] = []
        checks = 0
        while not pressing.done():
            calm.append(await store(modest, "modest", len(calm)))
            await modest.health.Check(health_pb2.HealthCheckRequest(), timeout=30)
            checks += 1
        outcomes = [outcome for made in await pressing for outcome in made]

    refused = [outcome for outcome in outcomes if outcome is not None]
    assert checks > 1
    assert calm == [None] * len(calm)
    assert Counter(error.code() for error in refused) == {
        grpc.StatusCode.RESOURCE_EXHAUSTED: len(refused)
    }
    assert len(refused) > SLOTS
    assert len(outcomes) - len(refused) > SLOTS
    retry = details(refused[-1])["RetryInfo"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToMilliseconds() > 0
    assert server.rss_kib() - before_kib < MAX_GROWTH_KIB


async def test_strangers_cannot_fill_the_memory(server: ServerProcess) -> None:
    """Who is not let in is refused before the request is read: half a gigabyte of them leaves no trace."""
    before_kib = server.rss_kib()
    body = bytes(STRANGERS_BYTES)
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(server.address, options) for _ in range(4)]

    async def knock(channel: grpc.aio.Channel) -> grpc.StatusCode:
        call: Any = channel.unary_unary("/soma.memory.v1.MemoryService/Store")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(body, metadata=[("authorization", f"Bearer {new_token()}")], timeout=60)
        return caught.value.code()

    knocks = [knock(channel) for channel in channels for _ in range(STRANGERS_EACH)]
    codes = set(await asyncio.gather(*knocks))
    for channel in channels:
        await channel.close()

    assert codes == {grpc.StatusCode.UNAUTHENTICATED}
    assert server.peak_rss_kib() - before_kib < len(knocks) * STRANGERS_BYTES // 1024 // 3
