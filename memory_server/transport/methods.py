"""What an RPC is to the boundary: what it is given, what answers it, and what its caller must be allowed.

`scope` is by default the one that the fewest have, so that a method whose author forgot it is closed, not open.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from memory_server.transport.auth import AccessScope, Principal

Request = TypeVar("Request", bound=Message)


@dataclass(frozen=True, slots=True)
class Method(Generic[Request]):
    """One request, one response."""

    request_type: type[Request]
    answer: Callable[[Request, Principal], Awaitable[Message]]
    scope: AccessScope = AccessScope.ADMIN


@dataclass(frozen=True, slots=True)
class ServerStream(Generic[Request]):
    """One request, many responses.

    `ends_on_drain`: it would go on for ever, so a server that stops ends it and the client comes back elsewhere. Others
    are given the drain time to finish.
    """

    request_type: type[Request]
    answer: Callable[[Request, Principal], AsyncGenerator[Message, None]]
    scope: AccessScope = AccessScope.ADMIN
    ends_on_drain: bool = False


@dataclass(frozen=True, slots=True)
class ClientStream(Generic[Request]):
    """Many requests, one response."""

    request_type: type[Request]
    answer: Callable[[AsyncIterator[Request], Principal], Awaitable[Message]]
    scope: AccessScope = AccessScope.ADMIN


@dataclass(frozen=True, slots=True)
class BidiStream(Generic[Request]):
    """Many requests, many responses; `streams.pipelined` answers requests side by side."""

    request_type: type[Request]
    answer: Callable[[AsyncIterator[Request], Principal], AsyncGenerator[Message, None]]
    scope: AccessScope = AccessScope.ADMIN


AnyMethod = Method[Any] | ServerStream[Any] | ClientStream[Any] | BidiStream[Any]
