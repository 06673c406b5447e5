"""One request for embeddings: what is sent, what may come back, and what each failure means."""

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from memory_server.ports import Vectors
from soma_common.errors import SomaError, Unavailable

MAX_RETRY_AFTER_S = 60.0

_BYTES_PER_NUMBER = 32
"""Room for one number of a response as text, generously."""

_INLINE_BYTES = 64 * 1024
"""Larger responses are parsed in a thread: a batch of 256 takes tens of milliseconds."""

_INPUT_REFUSED = {400, 413, 422}
"""Statuses that may be about one text or about the size of the batch."""


class EmbedderFailed(Unavailable):
    """The embedder did not do it; `pause_s` is what it asks to wait, if it does."""

    reason = "EmbedderFailed"

    def __init__(self, message: str, *, pause_s: float | None = None, **facts: str | int) -> None:
        super().__init__(message, dependency="embedder", **facts)
        self.pause_s = pause_s


class InputRefused(SomaError):
    """The embedder does not take these texts; fewer or others it may."""

    reason = "EmbedderInputRefused"


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Where embeddings are made.

    Attributes:
        url: Base of the API, without `/embeddings`.
        model: Name of the model as the API knows it.
        dimensions: Length of its vectors.
        asks_for_dimensions: Send the dimension: for models whose vectors may be cut, and APIs that know of it.
        api_key_file: Holds the bearer token; read for each request, so that a rotated one is used at once.
        timeout_s: Of one request, seconds; a write waits for it, so it is well below the deadline of a call.
    """

    url: str
    model: str
    dimensions: int
    asks_for_dimensions: bool = False
    api_key_file: Path | None = None
    timeout_s: float = 3.0


class EmbeddingsApi:
    """Makes requests over kept connections; to be made inside the running loop and closed."""

    def __init__(self, options: ApiOptions) -> None:
        self._options = options
        self._url = options.url.rstrip("/") + "/embeddings"
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None),  # `embed` has one for all of it
            connector=aiohttp.TCPConnector(limit=16),
        )

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row of unit length a text, in their order.

        Raises:
            EmbedderFailed: It did not answer, not in time, or not what was asked for.
            InputRefused: It does not take these texts.
        """
        body: dict[str, Any] = {"model": self._options.model, "input": list(texts)}
        body["encoding_format"] = "float"
        if self._options.asks_for_dimensions:
            body["dimensions"] = self._options.dimensions
        try:
            async with asyncio.timeout(self._options.timeout_s):
                raw = await self._post(body, len(texts))
        except TimeoutError as error:
            raise EmbedderFailed("the embedder did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            cause = type(error).__name__
            raise EmbedderFailed("the embedder cannot be reached", cause=cause) from error
        dimensions = self._options.dimensions
        if len(raw) > _INLINE_BYTES:
            return await asyncio.to_thread(parse_response, raw, len(texts), dimensions)
        return parse_response(raw, len(texts), dimensions)

    async def close(self) -> None:
        """End all connections."""
        await self._session.close()

    async def _post(self, body: dict[str, Any], count: int) -> bytes:
        for is_last in (False, True):
            try:
                # No redirects: the key is for this address only.
                async with self._session.post(
                    self._url, json=body, headers=self._headers(), allow_redirects=False
                ) as response:
                    if response.status != 200:
                        raise _failure(response)
                    return await self._read(response, count)
            except aiohttp.ServerDisconnectedError:
                # A connection that was kept may be closed by the other side just when it is used again.
                if is_last:
                    raise
        raise AssertionError("the last turn returns or raises")

    def _headers(self) -> dict[str, str]:
        if self._options.api_key_file is None:
            return {}
        try:
            key = self._options.api_key_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            cause = type(error).__name__
            raise EmbedderFailed("the embedder's key cannot be read", cause=cause) from error
        return {"Authorization": f"Bearer {key}"}

    async def _read(self, response: aiohttp.ClientResponse, count: int) -> bytes:
        """Return the body, or refuse one that is larger than any answer could be."""
        most = count * (self._options.dimensions * _BYTES_PER_NUMBER + 1024) + 64 * 1024
        raw = bytearray()
        async for chunk in response.content.iter_any():
            raw += chunk
            if len(raw) > most:
                raise EmbedderFailed("the embedder's answer is too large", most_bytes=most)
        return bytes(raw)


def parse_response(raw: bytes, count: int, dimensions: int) -> Vectors:
    """Return the embeddings of a response, by their index, each of unit length.

    Raises:
        EmbedderFailed: It is not what was asked for: no JSON, other places, another dimension, no numbers.
    """
    try:
        data = json.loads(raw)["data"]
        rows = {item["index"]: item["embedding"] for item in data}
        if len(data) != count or set(rows) != set(range(count)):
            raise EmbedderFailed("the embedder's answer is not one embedding for each text")
        lengths = {len(row) for row in rows.values()}
        if lengths - {dimensions}:
            message = "the embedder's vectors have another dimension; set embedding_dimensions"
            raise EmbedderFailed(message, settings=dimensions, embedder=min(lengths))
        vectors = np.array([rows[place] for place in range(count)], np.float64)
    except (ValueError, TypeError, KeyError) as error:
        message = "the embedder's answer is not in the form of OpenAI"
        raise EmbedderFailed(message, cause=type(error).__name__) from error
    if vectors.shape != (count, dimensions) or not np.isfinite(vectors).all():
        raise EmbedderFailed("the embedder's vectors are not finite numbers")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    rounded: Vectors = unit.astype(np.float32)
    return rounded


def _failure(response: aiohttp.ClientResponse) -> SomaError:
    # The body is not repeated: some servers quote the texts in it.
    if response.status in _INPUT_REFUSED:
        return InputRefused("the embedder does not take the input", status=response.status)
    message = "the embedder refused the request"
    return EmbedderFailed(message, status=response.status, pause_s=_retry_after_s(response.headers))


def _retry_after_s(headers: Any) -> float | None:
    """Return the seconds of a Retry-After; a date counts as none, since clocks differ."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None
