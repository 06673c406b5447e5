"""Every call of the API, described once: how its request is built and how its response is read.

Nothing here does I/O. `client.MemoryClient` and `aio.AsyncMemoryClient` both take their methods from
these functions, so that a call has one signature, one documentation and one meaning.

How to add a call: write its function here and name it in both clients; `tests/unit/client` refuses an
RPC that is described nowhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from soma.memory.v1 import (
    admin_service_pb2,
    link_service_pb2,
    memory_service_pb2,
    namespace_service_pb2,
    recall_service_pb2,
)
from somamemory import codec, model
from somamemory.errors import BatchRefused, SomaMemoryError, invalid
from somamemory.model import DEFAULT_NAMESPACE
from somamemory.status import error_of_status

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True)
class Method(Generic[Request, Response]):
    """One RPC: where it is, and its two messages."""

    service: str
    name: str
    request: type[Request]
    response: type[Response]
    patience: float = 1.0
    """How much longer than an ordinary call it may take."""

    @property
    def path(self) -> str:
        """The RPC's path on the wire."""
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True)
class Call(Generic[Result_co]):
    """One call, ready to be made: the method, its request, and how to read its response."""

    method: Method[Any, Any]
    request: Message
    read: Callable[[Any], Result_co]

    def identified(self, new_id: Callable[[], str]) -> "Call[Result_co]":
        """Return the call with a request id on every write that has none, so that a retry is safe."""
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


def _method(
    service: str, name: str, request: type[Request], response: type[Response], patience: float = 1.0
) -> Method[Request, Response]:
    return Method(f"soma.memory.v1.{service}", name, request, response, patience)


_memory, _recall, _link = memory_service_pb2, recall_service_pb2, link_service_pb2
_namespace, _admin = namespace_service_pb2, admin_service_pb2

STORE = _method("MemoryService", "Store", _memory.StoreRequest, _memory.StoreResponse)
STORE_BATCH = _method(
    "MemoryService", "StoreBatch", _memory.StoreBatchRequest, _memory.StoreBatchResponse, 6.0
)
GET = _method("MemoryService", "Get", _memory.GetRequest, _memory.GetResponse)
DELETE = _method("MemoryService", "Delete", _memory.DeleteRequest, _memory.DeleteResponse)
LIST = _method("MemoryService", "List", _memory.ListRequest, _memory.ListResponse, 3.0)
RECALL = _method("RecallService", "Recall", _recall.RecallRequest, _recall.RecallResponse)
LINK = _method("LinkService", "Link", _link.LinkRequest, _link.LinkResponse)
NEIGHBORS = _method("LinkService", "Neighbors", _link.NeighborsRequest, _link.NeighborsResponse)
GET_STATS = _method(
    "NamespaceService", "GetStats", _namespace.GetStatsRequest, _namespace.GetStatsResponse
)
LIST_NAMESPACES = _method(
    "NamespaceService",
    "ListNamespaces",
    _namespace.ListNamespacesRequest,
    _namespace.ListNamespacesResponse,
)
GET_SERVER_INFO = _method(
    "AdminService", "GetServerInfo", _admin.GetServerInfoRequest, _admin.GetServerInfoResponse
)
HEALTH = Method(
    "grpc.health.v1.Health", "Check", health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
)

METHODS: tuple[Method[Any, Any], ...] = (
    STORE, STORE_BATCH, GET, DELETE, LIST, RECALL, LINK, NEIGHBORS, GET_STATS, LIST_NAMESPACES,
    GET_SERVER_INFO, HEALTH,
)  # fmt: skip


def _call(
    method: Method[Request, Response], request: Request, read: Callable[[Response], Result]
) -> Call[Result]:
    return Call(method, request, read)


def store(  # noqa: PLR0913 - one parameter for each thing an author can say about a memory
    payload: model.Payload,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    id: str = "",
    coordinate: Sequence[float] | None = None,
    kind: str = model.MemoryKind.EPISODIC,
    text: str = "",
    importance: float | None = None,
    metadata: Mapping[str, model.Scalar] | None = None,
    event_time: datetime | None = None,
    expire_time: datetime | None = None,
    embedding: model.Vector | None = None,
    request_id: str = "",
    expected_version: int | None = None,
) -> Call[model.Receipt]:
    """Write one memory: create it, or overwrite the one with the same id or coordinate.

    Args:
        payload: A JSON object, or the exact bytes of its JSON text.
        namespace: The caller's partition; made by its first write.
        id: Empty: the id of the memory at `coordinate` if there is one, else a new one.
        coordinate: Optional second address, unique within the namespace.
        kind: `episodic` (it happened) or `semantic` (it is so).
        text: What recall searches. Empty: the payload's own strings.
        importance: Raw importance, any finite number. None means 1.
        metadata: Values to filter by: text, numbers, True or False.
        event_time: When it happened. None: now.
        expire_time: From this moment on it is gone. None: never.
        embedding: The caller's own vector. None: made from the text.
        request_id: Makes a retry safe. Empty: a new one for this call.
        expected_version: Write only at this version; 0: only if it does not exist. None: always.

    Returns:
        A receipt: the memory is on stable storage, and the next recall finds it.

    Raises:
        InvalidArgument: Names every bad field.
        VersionConflict: `expected_version` is not the memory's version.
    """
    written = model.Draft(
        payload=payload, id=id, coordinate=coordinate, kind=kind, text=text, importance=importance,
        metadata=metadata or {}, event_time=event_time, expire_time=expire_time, embedding=embedding,
    )  # fmt: skip
    request = _memory.StoreRequest(
        namespace=namespace,
        memory=codec.draft(written),
        request_id=request_id,
        expected_version=expected_version,
    )
    return _call(STORE, request, _stored)


def store_batch(
    drafts: Iterable[model.Draft],
    *,
    namespace: str = DEFAULT_NAMESPACE,
    allow_partial: bool = False,
) -> Call[list[model.Receipt | SomaMemoryError]]:
    """Write up to 1,000 memories; each is acknowledged or refused on its own.

    Args:
        drafts: What to write.
        namespace: The caller's partition.
        allow_partial: Return refusals in their places instead of raising.

    Returns:
        One receipt for each draft, in their order; with `allow_partial` an error in the place of each
        refused one.

    Raises:
        BatchRefused: Some were refused and `allow_partial` is False; the others are stored.
    """
    items = [
        _memory.StoreItem(
            memory=codec.draft(each),
            request_id=each.request_id,
            expected_version=each.expected_version,
        )
        for each in drafts
    ]

    def read(
        response: memory_service_pb2.StoreBatchResponse,
    ) -> list[model.Receipt | SomaMemoryError]:
        outcomes = [_outcome(result) for result in response.results]
        refused = [(i, o) for i, o in enumerate(outcomes) if isinstance(o, SomaMemoryError)]
        if refused and not allow_partial:
            raise BatchRefused(refused, len(outcomes))
        return outcomes

    return _call(STORE_BATCH, _memory.StoreBatchRequest(namespace=namespace, items=items), read)


def get(ref: model.Ref, *, namespace: str = DEFAULT_NAMESPACE) -> Call[model.Memory]:
    """Read one memory by its id or its coordinate.

    Raises:
        NotFound: There is none, or it has expired.
    """
    request = _memory.GetRequest(namespace=namespace, ref=codec.reference(ref))
    return _call(GET, request, lambda response: codec.memory(response.memory))


def delete(
    ref: model.Ref,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    request_id: str = "",
    expected_version: int | None = None,
) -> Call[model.Receipt]:
    """Delete one memory with its links; it is never recalled again.

    Raises:
        NotFound: There is none.
        VersionConflict: `expected_version` is not the memory's version.
    """
    request = _memory.DeleteRequest(
        namespace=namespace,
        ref=codec.reference(ref),
        request_id=request_id,
        expected_version=expected_version,
    )
    return _call(DELETE, request, lambda answer: codec.receipt(answer.receipt, memory_id=answer.id))


def list_memories(
    *,
    namespace: str = DEFAULT_NAMESPACE,
    filter: model.Filter | None = None,
    page_size: int = 0,
) -> Call[model.Page[model.Memory]]:
    """Iterate over the memories of a namespace, newest event first.

    Args:
        namespace: The caller's partition.
        filter: Which memories.
        page_size: How many a call brings, 1 to 1,000; 0 leaves it to the server.

    Returns:
        An iterator that asks for pages as it goes.
    """
    request = _memory.ListRequest(
        namespace=namespace, filter=codec.filter_of(filter), page_size=page_size
    )

    def read(response: memory_service_pb2.ListResponse) -> model.Page[model.Memory]:
        items = tuple(codec.memory(each) for each in response.memories)
        return model.Page(items, response.next_page_token)

    return _call(LIST, request, read)


def recall(  # noqa: PLR0913 - one parameter for each thing a question can say
    text: str | None = None,
    *,
    vector: model.Vector | None = None,
    coordinate: Sequence[float] | None = None,
    namespace: str = DEFAULT_NAMESPACE,
    top_k: int = 10,
    mode: str = model.RecallMode.HYBRID,
    filter: model.Filter | None = None,
    min_score: float | None = None,
    min_commit_seq: int = 0,
    explain: bool = False,
) -> Call[model.Recalled]:
    """Find the memories that answer a query best.

    Args:
        text: Words, a question, a sentence. Give exactly one of text, vector and coordinate.
        vector: An embedding to compare with.
        coordinate: Find the memories nearest to it.
        namespace: The caller's partition.
        top_k: How many at most, 1 to 1,000.
        mode: `hybrid`, `vector` or `keyword`; for text.
        filter: Which memories are looked at; applied before the best are chosen, never relaxed.
        min_score: Leave out what scores below.
        min_commit_seq: Answer only from a state that includes this commit.
        explain: Return the parts of each score.

    Returns:
        The hits, best first, and how much was looked at.
    """
    if sum(given is not None for given in (text, vector, coordinate)) != 1:
        raise invalid("query", "give exactly one of text, vector and coordinate")
    request = _recall.RecallRequest(
        namespace=namespace,
        mode=codec.enum_number(mode, _recall.RecallMode, "RECALL_MODE", "mode"),
        top_k=top_k,
        filter=codec.filter_of(filter),
        min_score=min_score,
        min_commit_seq=min_commit_seq,
        explain=explain,
    )
    if text is not None:
        request.text = text
    elif vector is not None:
        request.vector = codec.embedding_bytes(vector)
    elif coordinate is not None:
        request.coordinate.CopyFrom(codec.coordinate(coordinate))
    return _call(RECALL, request, codec.recalled)


def link(
    from_ref: model.Ref,
    to_ref: model.Ref,
    *,
    type: str = "",
    weight: float | None = None,
    metadata: Mapping[str, model.Scalar] | None = None,
    namespace: str = DEFAULT_NAMESPACE,
    request_id: str = "",
    expected_version: int | None = None,
) -> Call[model.Receipt]:
    """Write one link, or overwrite the one with the same ends and type.

    Args:
        from_ref: Where it starts; the memory must exist.
        to_ref: Where it ends; the memory must exist.
        type: What the link means. Empty: `related`.
        weight: Finite and not negative. None means 1.
        metadata: The link's own values.
        namespace: The caller's partition.
        request_id: Makes a retry safe. Empty: a new one for this call.
        expected_version: Write only at this version of the link; 0: only if it does not exist.

    Returns:
        A receipt whose version is the link's.
    """
    request = _link.LinkRequest(
        namespace=namespace,
        from_ref=codec.reference(from_ref),
        to_ref=codec.reference(to_ref),
        type=type,
        weight=weight,
        metadata=codec.metadata(metadata or {}, "metadata"),
        request_id=request_id,
        expected_version=expected_version,
    )
    return _call(LINK, request, lambda response: codec.receipt(response.receipt))


def neighbors(
    ref: model.Ref,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    types: Sequence[str] = (),
    direction: str = model.LinkDirection.OUTGOING,
    depth: int = 1,
    limit: int = 0,
) -> Call[model.Neighborhood]:
    """Find what a memory is linked with.

    Args:
        ref: Where the walk starts.
        namespace: The caller's partition.
        types: Only links of these types; empty: all.
        direction: `outgoing`, `incoming` or `both`.
        depth: How many links away at most.
        limit: How many memories at most; 0 leaves it to the server.

    Returns:
        The memories, nearest first, each with the link that reached it.
    """
    request = _link.NeighborsRequest(
        namespace=namespace,
        ref=codec.reference(ref),
        types=types,
        direction=codec.enum_number(direction, _link.LinkDirection, "LINK_DIRECTION", "direction"),
        depth=depth,
        limit=limit,
    )
    return _call(NEIGHBORS, request, codec.neighborhood)


def stats(*, namespace: str = DEFAULT_NAMESPACE) -> Call[model.Stats]:
    """Count what a namespace holds."""
    return _call(GET_STATS, _namespace.GetStatsRequest(namespace=namespace), codec.stats)


def list_namespaces(*, page_size: int = 0) -> Call[model.Page[str]]:
    """Iterate over the names of the caller's namespaces, in order."""
    return _call(
        LIST_NAMESPACES,
        _namespace.ListNamespacesRequest(page_size=page_size),
        lambda response: model.Page(tuple(response.namespaces), response.next_page_token),
    )


def server_info() -> Call[model.ServerInfo]:
    """Ask for the server's versions, limits and promises."""
    return _call(GET_SERVER_INFO, _admin.GetServerInfoRequest(), codec.server_info)


def is_serving(service: str = "") -> Call[bool]:
    """Ask whether the server, or one of its services, takes calls now."""
    return _call(
        HEALTH,
        health_pb2.HealthCheckRequest(service=service),
        lambda response: response.status == health_pb2.HealthCheckResponse.SERVING,
    )


def _stored(response: memory_service_pb2.StoreResponse) -> model.Receipt:
    return codec.receipt(response.receipt, memory_id=response.id)


def _outcome(result: memory_service_pb2.StoreBatchResult) -> model.Receipt | SomaMemoryError:
    if result.WhichOneof("outcome") == "stored":
        return _stored(result.stored)
    return error_of_status(result.error)
