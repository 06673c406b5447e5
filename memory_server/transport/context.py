"""One call as what answers it sees it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

import grpc


class Context(Protocol):
    """What is used of `grpc.aio.ServicerContext`; a call that a front process relays has it, too."""

    def time_remaining(self) -> float | None:
        """Return the time until the caller's deadline, seconds; None: it gave none."""
        ...

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Return the headers of the call; a front process relays only those that decide who calls."""
        ...

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Return what the client's certificate says."""
        ...

    async def read(self) -> Any:
        """Return the next request, bytes; `grpc.aio.EOF`: there are no more."""
        ...

    async def write(self, message: Any) -> None:
        """Send a response of a stream; returns when there is room for another one."""
        ...

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: Sequence[tuple[str, bytes]] = (),
    ) -> NoReturn:
        """End the call with a status; raises."""
        ...
