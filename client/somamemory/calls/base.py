"""What a call is: a method, a request, and how its response is read. No I/O."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Generic, ParamSpec, TypeVar

from google.protobuf.message import Message

from somamemory.errors import invalid

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
P = ParamSpec("P")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

LONG = 6.0
"""Patience of calls that read or write many memories."""


MESSAGE_BYTES = 4 * 1024 * 1024
"""Of the parts in one message of a stream, unless one part has more: half of what a server takes by default."""


@dataclass(frozen=True)
class Method(Generic[Request, Response]):
    """One RPC: where it is, and its two messages."""

    service: str
    name: str
    request: type[Request]
    response: type[Response]
    patience: float = 1.0
    """How much longer than an ordinary call it may take."""
    reads: bool = False
    """It changes nothing."""

    @property
    def path(self) -> str:
        """The RPC's path on the wire."""
        return f"/{self.service}/{self.name}"

    @property
    def is_repeatable(self) -> bool:
        """Whether a second time is harmless: it reads, or its writes carry request ids."""
        fields = self.request.DESCRIPTOR.fields_by_name
        return self.reads or "request_id" in fields or "items" in fields


@dataclass(frozen=True)
class Call(Generic[Result_co]):
    """One call, ready to be made: the method, its request, and how to read its response."""

    method: Method[Any, Any]
    request: Message
    read: Callable[[Any], Result_co]

    def identified(self, new_id: Callable[[], str]) -> "Call[Result_co]":
        """Return the call with a request id on every write that has none, so that a retry is safe."""
        fields = self.request.DESCRIPTOR.fields_by_name
        if "request_id" not in fields and "items" not in fields:
            return self
        request = type(self.request)()
        request.CopyFrom(self.request)
        for write in getattr(request, "items", [request]):
            if "request_id" in write.DESCRIPTOR.fields_by_name and not write.request_id:
                write.request_id = new_id()
        return Call(self.method, request, self.read)

    def page(self, token: str) -> "Call[Result_co]":
        """Return the same call for the page that a token names."""
        request = type(self.request)()
        request.CopyFrom(self.request)
        request.page_token = token  # type: ignore[attr-defined] # calls that give pages have it
        return Call(self.method, request, self.read)


@dataclass(frozen=True)
class Download(Generic[Result_co]):
    """One request, many responses; each is read into some results."""

    method: Method[Any, Any]
    request: Message
    read: Callable[[Any], Iterable[Result_co]]


@dataclass(frozen=True)
class Exchange(Generic[Result_co]):
    """Many requests, many responses; each response is read into some results.

    `is_resumable`: every request has a `sequence` that comes back with its response, and may be sent again.
    """

    method: Method[Any, Any]
    requests: Iterable[Any]
    read: Callable[[Any], Iterable[Result_co]]
    is_resumable: bool = False


def rpc(
    service: str, name: str, request: type[Request], response: type[Response], patience: float = 1.0
) -> Method[Request, Response]:
    """Return a method of `soma.memory.v1`."""
    return Method(f"soma.memory.v1.{service}", name, request, response, patience)


def read_rpc(
    service: str, name: str, request: type[Request], response: type[Response], patience: float = 1.0
) -> Method[Request, Response]:
    """Return a method of `soma.memory.v1` that changes nothing, and so may be repeated."""
    return replace(rpc(service, name, request, response, patience), reads=True)


def call(
    method: Method[Request, Response], request: Request, read: Callable[[Response], Result]
) -> Call[Result]:
    """Return a call whose parts fit together."""
    return Call(method, request, read)


def made(build: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """Describe a call.

    Raises:
        InvalidArgument: A text cannot be sent, or as `build` says.
    """
    try:
        return build(*args, **kwargs)
    except UnicodeEncodeError as error:
        raise invalid("request", "must hold text only, no half of a surrogate pair") from error
