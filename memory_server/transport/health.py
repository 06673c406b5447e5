"""Whether the server can serve: asked by the kubelet over HTTP and by clients over grpc.health.v1."""

import asyncio
import logging
from collections.abc import Iterable

from grpc_health.v1 import health, health_pb2

from memory_server.ports import MemoryStore
from soma_common.errors import SomaError, StoreBroken

log = logging.getLogger(__name__)

CHECK_EVERY_S = 2.0


class Readiness:
    """The one answer to `can it serve?`, with the reason when it cannot.

    Rules:
        - Loading and draining mean no; a store that refuses writes means no.
        - grpc.health.v1 says for each service, and for the server as a whole (the empty name), what HTTP says.
    """

    def __init__(self, service_names: Iterable[str]) -> None:
        self.servicer = health.aio.HealthServicer()
        self._names = ["", *service_names]
        self.reason: str | None = "the index is being loaded"
        """Why it cannot serve; None when it can."""
        self.broken: SomaError | None = None
        """Why the process must end; None: it need not."""
        self._is_draining = False

    async def begin(self) -> None:
        """Say no until the first look, before anybody can ask: the library's own first answer is yes."""
        await self.set_reason(self.reason)

    async def set_reason(self, reason: str | None) -> None:
        """Say that the server can serve (None) or why it cannot; draining is final."""
        if self._is_draining:
            return
        if reason != self.reason:
            log.info("readiness changed", extra={"reason": reason or "ready"})
        self.reason = reason
        answer = health_pb2.HealthCheckResponse
        status = answer.SERVING if reason is None else answer.NOT_SERVING
        for name in self._names:
            await self.servicer.set(name, status)

    async def give_up(self, error: SomaError) -> None:
        """Say no for a reason that the process must end for."""
        self.broken = error
        await self.set_reason(error.message)

    async def drain(self) -> None:
        """Say from now on that the server is going away."""
        await self.set_reason("the server is stopping")
        self._is_draining = True

    async def watch(self, store: MemoryStore, stop: asyncio.Event) -> None:
        """Ask the store again and again, until cancelled; stop the server when the store cannot go on."""
        while True:
            try:
                await store.check()
            except StoreBroken as error:
                await self.give_up(error)
                stop.set()
                return
            except SomaError as error:
                await self.set_reason(error.message)
            else:
                await self.set_reason(None)
            await asyncio.sleep(CHECK_EVERY_S)
