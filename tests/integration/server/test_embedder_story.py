"""A server whose embedder is reached over HTTP: it is away, it comes back, and another model takes its place."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web

from soma.memory.v1 import admin_service_pb2, recall_service_pb2
from tests.support.embeddings_server import EmbeddingsServer, an_embeddings_server
from tests.support.server_process import ServerProcess
from tests.support.wire import Wire

DIMENSIONS = 64


@asynccontextmanager
async def a_server(folder: Path, **settings: Any) -> AsyncIterator[Wire]:
    running = ServerProcess(folder / "data", embedding_dimensions=DIMENSIONS, **settings)
    # In a thread: the embedder that it asks is served by this loop.
    await asyncio.to_thread(running.start)
    try:
        async with grpc.aio.insecure_channel(running.address) as channel:
            yield Wire(channel, "notes")
    finally:
        await asyncio.to_thread(running.stop)


def openai(api: EmbeddingsServer, model: str, **more: object) -> dict[str, object]:
    return {"embedder": "openai", "embedder_url": api.url, "embedder_model": model, **more}


async def ids_by_vector(wire: Wire, text: str) -> list[str]:
    answer = await wire.recall(text, mode=recall_service_pb2.RECALL_MODE_VECTOR)
    return [result.memory.id for result in answer.results]


async def model_of(wire: Wire) -> str:
    info = await wire.admin.GetServerInfo(admin_service_pb2.GetServerInfoRequest())
    return info.embedding_model


async def until(ask: Callable[..., Awaitable[Any]], *of: Any, becomes: object) -> None:
    """Ask until the answer is the expected one; the test's own time limit ends a wait in vain."""
    while await ask(*of) != becomes:  # noqa: ASYNC110 - only the server knows when it is so
        await asyncio.sleep(0.1)


async def test_a_dead_embedder_blocks_no_write_and_is_made_up_for(tmp_path: Path) -> None:
    """While it is away memories are found by their words, and the answer says so; afterwards by vectors too."""
    async with (
        an_embeddings_server(DIMENSIONS) as api,
        a_server(tmp_path, **openai(api, "first")) as wire,
    ):
        api.fault = lambda _texts: web.json_response({}, status=500)
        stored = await wire.store({"text": "green tea in the morning"}, id="tea")
        assert not stored.receipt.replayed
        answer = await wire.recall("green tea")
        assert [result.memory.id for result in answer.results] == ["tea"]
        assert answer.completeness == recall_service_pb2.COMPLETENESS_DEGRADED
        api.fault = None
        await until(ids_by_vector, wire, "green tea", becomes=["tea"])
        answer = await wire.recall("green tea")
        assert answer.completeness == recall_service_pb2.COMPLETENESS_EXACT


async def test_the_model_changes_without_a_gap(tmp_path: Path) -> None:
    """From the built-in one to an API's, and on to another of that API: the old one serves until the new one can."""
    async with an_embeddings_server(DIMENSIONS) as api:
        async with a_server(tmp_path) as wire:
            for number in range(5):
                await wire.store({"text": f"green tea number {number}"}, id=f"m{number}")
            assert await model_of(wire) == "wordllama-64"
        for model, before in (("first", "wordllama-64"), ("second", "first-64")):
            api.fault = lambda texts, model=model: (
                web.json_response({}, status=500)
                if api.requests[-1]["model"] == model and "green tea number 0" in texts
                else None
            )
            settings = openai(api, model, embedder_previous_model="first")
            async with a_server(tmp_path, **settings) as wire:
                assert await model_of(wire) == before
                assert len(await ids_by_vector(wire, "green tea")) == 5
                api.fault = None
                await until(model_of, wire, becomes=f"{model}-64")
                assert len(await ids_by_vector(wire, "green tea")) == 5
