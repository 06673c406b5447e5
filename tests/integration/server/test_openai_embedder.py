"""The HTTP embedder against a real HTTP server: batches, order, cache, and every way to fail."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from memory_server.adapters.openai.api import ApiOptions, EmbedderFailed, parse_response
from memory_server.adapters.openai.breaker import FAILURES, MAX_PAUSE_S, Breaker
from memory_server.adapters.openai.embedder import EmbedderOptions, OpenAIEmbedder
from soma_common.errors import InvalidInput, Unavailable
from soma_common.settings import SMFSettings, load_settings
from tests.support.embeddings_server import EmbeddingsServer, an_embeddings_server, expected

DIMENSIONS = 16


@asynccontextmanager
async def an_embedder(
    server: EmbeddingsServer, *, timeout_s: float = 30.0, api: Any = None, **options: Any
) -> AsyncIterator[tuple[OpenAIEmbedder, dict[str, int]]]:
    seen: dict[str, int] = {}

    def observe(outcome: str, count: int, _seconds: float | None) -> None:
        seen[outcome] = seen.get(outcome, 0) + count

    where = ApiOptions(server.url, "model", DIMENSIONS, **{"timeout_s": timeout_s, **(api or {})})
    embedder = OpenAIEmbedder(where, EmbedderOptions(**options), observe)
    try:
        yield embedder, seen
    finally:
        await embedder.close()


async def test_rows_are_in_the_order_of_the_texts() -> None:
    """By the index of each answer, whatever order they come in; each of unit length."""
    texts = [f"text number {number}" for number in range(40)] + ["", "  "]
    async with an_embeddings_server(DIMENSIONS) as server:
        server.is_reversed = True
        async with an_embedder(server) as (embedder, _seen):
            rows = await embedder.embed(texts)

    assert rows.dtype == np.float32
    assert np.allclose(rows, await expected(texts, DIMENSIONS), atol=1e-6)
    assert "" not in server.texts


async def test_concurrent_callers_share_requests() -> None:
    """Batches hold what came at the same moment, are bounded by number and by bytes, and few are under way."""
    texts = [f"text {number} " + "x" * (number % 7) for number in range(100)]
    async with (
        an_embeddings_server(DIMENSIONS) as server,
        an_embedder(server, batch_texts=10, batch_bytes=60) as (embedder, seen),
    ):
        rows = await asyncio.gather(*(embedder.embed([text]) for text in texts))

    sizes = [(len(made["input"]), sum(map(len, made["input"]))) for made in server.requests]
    assert max(count for count, _ in sizes) > 1
    assert all(count <= 10 and size <= 60 for count, size in sizes)
    assert server.most_at_once <= 4
    assert seen == {"ok": 100}
    assert np.allclose(np.vstack(rows), await expected(texts, DIMENSIONS), atol=1e-6)


async def test_a_text_is_asked_for_once() -> None:
    """While it is under way, and afterwards from the cache; forms of the same characters are the same text."""
    async with an_embeddings_server(DIMENSIONS) as server, an_embedder(server) as (embedder, seen):
        first = await asyncio.gather(
            *(embedder.embed(["caf\u00e9", "caf\u00e9"]) for _ in range(5))
        )
        again = await embedder.embed(["cafe\u0301"])

    assert server.texts == ["caf\u00e9"]
    assert seen == {"ok": 1, "cached": 1}
    assert np.array_equal(first[0][0], again[0])


async def test_the_cache_forgets_what_was_not_asked_for_the_longest() -> None:
    """It is bounded."""
    async with (
        an_embeddings_server(DIMENSIONS) as server,
        an_embedder(server, cache_size=2) as (embedder, _seen),
    ):
        for text in ("a", "b", "a", "c", "a", "b"):
            await embedder.embed([text])

    assert server.texts == ["a", "b", "c", "b"]


async def test_what_is_asked_and_what_is_stored_have_their_prefixes() -> None:
    """The two are cached apart, and the name of the model tells that there are prefixes."""
    prefixes: dict[str, Any] = {"document_prefix": "doc: ", "query_prefix": "query: "}
    async with an_embeddings_server(DIMENSIONS) as server:
        async with an_embedder(server, **prefixes) as (embedder, _seen):
            await embedder.embed(["tea"])
            await embedder.embed(["tea"], for_query=True)
            name = embedder.model
        async with an_embedder(server) as (plain, _seen):
            assert plain.model == "model-16"

    assert server.texts == ["doc: tea", "query: tea"]
    assert name not in ("model-16", "")


async def test_what_is_sent_is_what_the_settings_say(tmp_path: Path) -> None:
    """Model, key, dimension; the key is read again for every request; a long text is cut at a whole character."""
    key = tmp_path / "key"
    key.write_text("first\n")
    api = {"asks_for_dimensions": True, "api_key_file": key}
    async with (
        an_embeddings_server(DIMENSIONS) as server,
        an_embedder(server, api=api, text_bytes=5) as (embedder, seen),
    ):
        await embedder.embed(["ééé"])
        key.write_text("second")
        await embedder.embed(["b"])

    assert server.keys == ["Bearer first", "Bearer second"]
    assert server.requests[0]["model"] == "model"
    assert server.requests[0]["dimensions"] == DIMENSIONS
    assert server.texts == ["éé", "b"]
    assert seen["cut"] == 1


def answers(status: int, body: object = None, **headers: str) -> Any:
    return lambda _texts: web.json_response(body, status=status, headers=headers)


def vectors(*rows: object) -> dict[str, Any]:
    return {"data": [{"index": place, "embedding": row} for place, row in enumerate(rows)]}


FINE = [0.5] * DIMENSIONS
FAULTS: dict[str, Any] = {
    "server error": answers(500),
    "wrong key": answers(401, {"error": "key secret"}),
    "overloaded": answers(429, **{"Retry-After": "7"}),
    "redirect": answers(302, Location="http://elsewhere.invalid/"),
    "no json": lambda _texts: web.Response(text="<html>"),
    "no data": answers(200, {"error": "x"}),
    "a list": answers(200, []),
    "too few": answers(200, vectors()),
    "too many": answers(200, vectors(FINE, FINE)),
    "wrong index": answers(200, {"data": [{"index": 1, "embedding": FINE}]}),
    "wrong dimension": answers(200, vectors([*FINE, 1.0])),
    "text for numbers": answers(200, vectors(["x"] * DIMENSIONS)),
    "nested": answers(200, vectors([[1.0]] * DIMENSIONS)),
    "not finite": lambda _texts: web.Response(
        text=json.dumps(vectors([float("nan")] * DIMENSIONS))
    ),
    "endless": lambda _texts: web.Response(body=b" " * 10_000_000),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_failure_is_unavailable(fault: str) -> None:
    """Which a store takes as no embedding; afterwards the embedder works again without a restart."""
    async with an_embeddings_server(DIMENSIONS) as server, an_embedder(server) as (embedder, seen):
        server.fault = FAULTS[fault]
        with pytest.raises(Unavailable) as caught:
            await embedder.embed(["tea"])
        assert embedder.is_open == (fault == "overloaded")
        assert seen == {"failed": 1}
        assert "secret" not in str(caught.value.facts)
        if not embedder.is_open:
            server.fault = None
            assert (await embedder.embed(["tea"])).any()


async def test_an_embedder_that_hangs_is_not_waited_for() -> None:
    """Each request ends with its time; when the breaker is open nobody waits at all and nothing is sent."""
    async with an_embeddings_server(DIMENSIONS) as server:
        server.hangs = True
        async with an_embedder(server, timeout_s=0.1, batch_texts=1) as (embedder, _seen):
            outcomes = await asyncio.gather(
                *(embedder.embed([f"text {number}"]) for number in range(50)),
                return_exceptions=True,
            )

    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert len(server.requests) <= 2 * FAILURES + 1


async def test_a_caller_that_goes_takes_nobodys_embedding_with_it() -> None:
    """Two wait for the same text, one gives up."""
    async with an_embeddings_server(DIMENSIONS) as server, an_embedder(server) as (embedder, _seen):
        gone, stays = (asyncio.ensure_future(embedder.embed(["tea"])) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        rows = await stays

    assert rows.any()


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_one_text_that_is_refused_costs_no_other_its_embedding(status: int) -> None:
    """The batch is halved until the text to blame is alone; a batch that is too large is done in parts."""

    def refuse(texts: list[str]) -> web.Response | None:
        bad = "poison" in texts or len(texts) > 8
        return web.json_response({}, status=status) if bad else None

    texts = [f"text {number}" for number in range(30)]
    async with an_embeddings_server(DIMENSIONS) as server, an_embedder(server) as (embedder, _seen):
        server.fault = refuse
        calls = [embedder.embed([text]) for text in [*texts, "poison"]]
        *rows, poison = await asyncio.gather(*calls, return_exceptions=True)
        assert not embedder.is_open

    assert isinstance(poison, Unavailable)
    assert np.allclose(np.vstack(rows), await expected(texts, DIMENSIONS), atol=1e-6)  # type: ignore[arg-type]


async def test_nobody_listens_is_unavailable_too() -> None:
    """A refused connection, at once."""
    async with an_embeddings_server(DIMENSIONS) as server:
        pass
    async with an_embedder(server) as (embedder, _seen):
        with pytest.raises(Unavailable):
            await embedder.embed(["tea"])


def test_the_breaker_opens_tries_and_closes() -> None:
    """After failures in a row; one trial after each pause, which doubles up to its limit; a success closes."""
    breaker, now, pauses = Breaker(), 100.0, []
    for _ in range(FAILURES):
        assert breaker.allows(now)
        breaker.failed(now)
    for _ in range(10):
        began = now
        while not breaker.allows(now):
            now += 0.5
        assert not breaker.allows(now)  # one trial at a time
        pauses.append(now - began)
        breaker.failed(now)

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert breaker.is_open
    now += MAX_PAUSE_S
    assert breaker.allows(now)
    breaker.succeeded()
    assert breaker.allows(now)
    assert not breaker.is_open


def test_the_breaker_waits_as_long_as_it_is_asked_to() -> None:
    """The first refusal with a time opens it; a trial that was cancelled is not held against anybody."""
    breaker = Breaker()
    breaker.failed(100.0, pause_s=7.0)

    assert not breaker.allows(106.9)
    assert breaker.allows(107.0)
    breaker.left()
    assert breaker.allows(107.0)


def test_a_vector_of_zeros_stays_one() -> None:
    """It means that there is nothing to embed."""
    rows = parse_response(json.dumps(vectors([0.0] * DIMENSIONS)).encode(), 1, DIMENSIONS)

    assert not rows.any()
    with pytest.raises(EmbedderFailed):
        parse_response(b"{}", 1, DIMENSIONS)


def test_the_settings_must_name_the_api() -> None:
    """URL and model; the dimension is the model's own business."""
    with pytest.raises(InvalidInput):
        load_settings(SMFSettings, embedder="openai", embedder_url="http://x")
    load_settings(
        SMFSettings,
        embedder="openai",
        embedder_url="http://x",
        embedder_model="m",
        embedding_dimensions=1536,
    )
