"""A small embeddings API in OpenAI's form within the test's process: real HTTP, with faults on demand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import web

from memory_server.adapters.in_memory.embedder import HashEmbedder

Fault = Callable[[list[str]], web.Response | None]
"""Looks at a request's texts; answers in the place of the embedder, or lets it answer."""


@dataclass
class EmbeddingsServer:
    """What it has seen, and how it is to behave."""

    dimensions: int
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    fault: Fault | None = None
    hangs: bool = False
    is_reversed: bool = False
    """Answers come in another order than the texts, which their indexes tell."""
    answered_dimensions: int | None = None
    at_once: int = 0
    most_at_once: int = 0

    @property
    def texts(self) -> list[str]:
        """Every text of every request."""
        return [text for request in self.requests for text in request["input"]]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(request)
        finally:
            self.at_once -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers.get("Authorization"))
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None and (answer := self.fault(body["input"])) is not None:
            return answer
        vectors = await HashEmbedder(self.answered_dimensions or self.dimensions).embed(
            body["input"]
        )
        # Not of unit length: the client has to see to that.
        data = [
            {"object": "embedding", "index": place, "embedding": (3 * row).tolist()}
            for place, row in enumerate(vectors)
        ]
        return web.json_response({"data": data[::-1] if self.is_reversed else data})


@asynccontextmanager
async def an_embeddings_server(dimensions: int) -> AsyncIterator[EmbeddingsServer]:
    """Serve on a free port until the block ends."""
    state = EmbeddingsServer(dimensions)
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_post("/v1/embeddings", state.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    state.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/"
    try:
        yield state
    finally:
        await runner.cleanup()


async def expected(texts: list[str], dimensions: int) -> Any:
    """Return what the server's model gives for texts, of unit length."""
    return np.asarray(await HashEmbedder(dimensions).embed(texts))
