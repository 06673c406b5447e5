"""The client for asyncio: the same calls, awaited."""

import asyncio
import copy
import itertools
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import grpc

from somamemory import calls, channel
from somamemory.access import Access, Token
from somamemory.calls import Call, Method
from somamemory.model import Page
from somamemory.status import error_of_call

P = ParamSpec("P")
T = TypeVar("T")


def _unary(
    build: Callable[P, Call[T]],
) -> Callable[Concatenate["AsyncMemoryClient", P], Coroutine[Any, Any, T]]:
    @channel.documented_as(build)
    async def method(self: "AsyncMemoryClient", *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.invoke(build(*args, **kwargs))

    return method


def _paged(
    build: Callable[P, Call[Page[T]]],
) -> Callable[Concatenate["AsyncMemoryClient", P], AsyncIterator[T]]:
    @channel.documented_as(build)
    def method(self: "AsyncMemoryClient", *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self.iterate(build(*args, **kwargs))

    return method


class AsyncMemoryClient:
    """Calls one memory server from one event loop, inside which it must be made.

    Args:
        address: `HOST:PORT`. None: a server on this machine.
        timeout_s: How long an ordinary call may take with all its retries; a batch may take six times as long.
        access: TLS and the caller's token. None: plain text, nobody.
        token: Short for an `access` with this token.
        ca_file: Short for an `access` that trusts this authority.
        cert_file: Short for an `access` with this certificate.
        key_file: Its key.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout_s: float = channel.DEFAULT_TIMEOUT_S,
        access: Access | None = None,
        token: Token | None = None,
        ca_file: Path | str | None = None,
        cert_file: Path | str | None = None,
        key_file: Path | str | None = None,
    ) -> None:
        self.address = channel.checked_address(address or channel.default_address())
        self._timeout_s = timeout_s
        self._callables: dict[str, Any] = {}
        self._access = access or Access(
            token=token, ca_file=ca_file, cert_file=cert_file, key_file=key_file
        )
        credentials = self._access.credentials()
        options = channel.CHANNEL_OPTIONS
        self._channel = (
            grpc.aio.secure_channel(self.address, credentials, options)
            if credentials
            else grpc.aio.insecure_channel(self.address, options)
        )

    store = _unary(calls.store)
    store_batch = _unary(calls.store_batch)
    get = _unary(calls.get)
    delete = _unary(calls.delete)
    list_memories = _paged(calls.list_memories)
    recall = _unary(calls.recall)
    link = _unary(calls.link)
    neighbors = _unary(calls.neighbors)
    stats = _unary(calls.stats)
    list_namespaces = _paged(calls.list_namespaces)
    server_info = _unary(calls.server_info)
    is_serving = _unary(calls.is_serving)

    def with_timeout(self, timeout_s: float) -> Self:
        """Return a client over the same connection whose calls may take another time."""
        other = copy.copy(self)
        other._timeout_s = timeout_s
        return other

    async def close(self) -> None:
        """Close the connection; calls under way are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def invoke(self, call: Call[T]) -> T:
        """Make one described call; raises the errors of `somamemory.errors`."""
        call = call.identified(channel.new_request_id)
        now = asyncio.get_running_loop().time
        until = now() + self._timeout_s * call.method.patience
        metadata = self._access.metadata()
        for tries in itertools.count(1):
            left_s = until - now()
            try:
                return call.read(
                    await self._callable(call.method)(
                        call.request, timeout=left_s, metadata=metadata
                    )
                )
            except grpc.aio.AioRpcError as failure:
                trailing = list(failure.trailing_metadata() or ())
                error = error_of_call(failure.code(), failure.details() or "", trailing)
                left_s = until - now()
                delay_s = channel.delay_before_retry(error, tries, left_s, random.random())
                if delay_s is None:
                    raise error from failure
            await asyncio.sleep(delay_s)
        raise AssertionError("every turn returns, raises or goes on")

    async def iterate(self, call: Call[Page[T]]) -> AsyncIterator[T]:
        """Yield the items of all pages of a described call."""
        while True:
            page = await self.invoke(call)
            for item in page.items:
                yield item
            if not page.next_token:
                return
            call = call.page(page.next_token)

    def _callable(self, method: Method[Any, Any]) -> Any:
        made = self._callables.get(method.path)
        if made is None:
            made = self._callables[method.path] = self._channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
        return made
