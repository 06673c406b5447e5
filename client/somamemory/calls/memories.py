"""Calls of MemoryService."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from google.protobuf import field_mask_pb2

from soma.memory.v1 import memory_service_pb2 as pb
from somamemory import codec, model
from somamemory.calls.base import LONG, MESSAGE_BYTES, Call, Download, Exchange, call, read_rpc, rpc
from somamemory.errors import BatchRefused, SomaMemoryError, invalid
from somamemory.grouping import grouped
from somamemory.model import DEFAULT_NAMESPACE, KEEP, Keep
from somamemory.status import error_of_status

_SERVICE = "MemoryService"

STORE = rpc(_SERVICE, "Store", pb.StoreRequest, pb.StoreResponse)
STORE_BATCH = rpc(_SERVICE, "StoreBatch", pb.StoreBatchRequest, pb.StoreBatchResponse, LONG)
STORE_STREAM = rpc(_SERVICE, "StoreStream", pb.StoreStreamRequest, pb.StoreStreamResponse)
UPDATE = rpc(_SERVICE, "Update", pb.UpdateRequest, pb.UpdateResponse)
GET = read_rpc(_SERVICE, "Get", pb.GetRequest, pb.GetResponse)
BATCH_GET = read_rpc(_SERVICE, "BatchGet", pb.BatchGetRequest, pb.BatchGetResponse, LONG)
DELETE = rpc(_SERVICE, "Delete", pb.DeleteRequest, pb.DeleteResponse)
DELETE_BATCH = rpc(_SERVICE, "DeleteBatch", pb.DeleteBatchRequest, pb.DeleteBatchResponse, LONG)
PURGE = rpc(_SERVICE, "Purge", pb.PurgeRequest, pb.PurgeResponse, LONG)
LIST = read_rpc(_SERVICE, "List", pb.ListRequest, pb.ListResponse, 3.0)
LIST_VERSIONS = read_rpc(_SERVICE, "ListVersions", pb.ListVersionsRequest, pb.ListVersionsResponse)
RESTORE_VERSION = rpc(
    _SERVICE, "RestoreVersion", pb.RestoreVersionRequest, pb.RestoreVersionResponse
)
WATCH = read_rpc(_SERVICE, "Watch", pb.WatchRequest, pb.WatchResponse)

METHODS = (
    STORE, STORE_BATCH, STORE_STREAM, UPDATE, GET, BATCH_GET, DELETE, DELETE_BATCH, PURGE, LIST,
    LIST_VERSIONS, RESTORE_VERSION, WATCH,
)  # fmt: skip

MAX_STREAM_ID_BYTES = 64

STREAM_ITEMS = 100
"""Memories in one message of a stream: at this size the cost of a message no longer counts."""


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
    request = pb.StoreRequest(
        namespace=namespace,
        memory=codec.draft(written),
        request_id=request_id,
        expected_version=expected_version,
    )
    return call(STORE, request, _stored)


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
    items = [_item(each) for each in drafts]

    def read(
        response: pb.StoreBatchResponse,
    ) -> list[model.Receipt | SomaMemoryError]:
        outcomes = [_outcome(result) for result in response.results]
        refused = [(i, o) for i, o in enumerate(outcomes) if isinstance(o, SomaMemoryError)]
        if refused and not allow_partial:
            raise BatchRefused(refused, len(outcomes))
        return outcomes

    return call(STORE_BATCH, pb.StoreBatchRequest(namespace=namespace, items=items), read)


def store_stream(
    drafts: Iterable[model.Draft],
    *,
    stream_id: str,
    namespace: str = DEFAULT_NAMESPACE,
    message_items: int = STREAM_ITEMS,
) -> Exchange[model.Receipt | SomaMemoryError]:
    """Write any number of memories as they come; each is acknowledged after its commit, in their order.

    A broken connection is made again, and what was not acknowledged is sent again: nothing is written twice.

    Args:
        drafts: What to write; read as the server takes it.
        stream_id: Names the stream, 1 to 64 bytes; a stream that another process repeats must have the same one.
        namespace: The caller's partition.
        message_items: How many memories one message carries at most, 1 to 1,000; fewer where they are large.

    Returns:
        An iterator over one receipt for each draft, or an error in the place of each refused one.

    Raises:
        InvalidArgument: `stream_id` or `message_items` is out of range.
    """
    # Without a name the server gives no request ids, and what is sent again is written twice.
    if not 1 <= len(stream_id.encode()) <= MAX_STREAM_ID_BYTES:
        raise invalid("stream_id", f"must have 1 to {MAX_STREAM_ID_BYTES} bytes")
    if not 1 <= message_items <= model.MAX_BATCH_ITEMS:
        raise invalid("message_items", f"must be 1 to {model.MAX_BATCH_ITEMS}")

    messages = grouped(
        map(_item, drafts),
        pb.StoreItem.ByteSize,
        most_items=message_items,
        most_bytes=MESSAGE_BYTES,
    )
    requests = (
        pb.StoreStreamRequest(
            namespace=namespace, sequence=sequence, items=items, stream_id=stream_id
        )
        for sequence, items in enumerate(messages)
    )

    def read(response: pb.StoreStreamResponse) -> list[model.Receipt | SomaMemoryError]:
        if response.HasField("error"):
            raise error_of_status(response.error)
        return [_outcome(result) for result in response.results]

    return Exchange(STORE_STREAM, requests, read, is_resumable=True)


def update(  # noqa: PLR0913 - one parameter for each field that may change
    ref: model.Ref,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    payload: model.Payload | Keep = KEEP,
    text: str | Keep = KEEP,
    kind: str | Keep = KEEP,
    importance: float | Keep | None = KEEP,
    metadata: Mapping[str, model.Scalar] | Keep = KEEP,
    metadata_values: Mapping[str, model.Scalar | None] | None = None,
    coordinate: Sequence[float] | Keep | None = KEEP,
    event_time: datetime | Keep | None = KEEP,
    expire_time: datetime | Keep | None = KEEP,
    embedding: model.Vector | Keep | None = KEEP,
    request_id: str = "",
    expected_version: int | None = None,
) -> Call[model.Receipt]:
    """Change the given fields of one memory, and leave the others as they are.

    Args:
        ref: Which memory.
        namespace: The caller's partition.
        payload: The whole new payload; unless the text is the author's own, search follows it.
        text: What recall searches. Empty: the payload's own strings.
        kind: `episodic` or `semantic`.
        importance: Raw importance. None: 1.
        metadata: All values to filter by, in place of the old ones.
        metadata_values: Some of them; None removes a value. Not together with `metadata`.
        coordinate: Second address. None: none.
        event_time: When it happened. None: now.
        expire_time: From this moment on it is gone. None: never.
        embedding: The caller's own vector. None: made from the text.
        request_id: Makes a retry safe. Empty: a new one for this call.
        expected_version: Change only this version. None: whatever version there is.

    Returns:
        A receipt of the new version.

    Raises:
        NotFound: There is no such memory.
        VersionConflict: `expected_version` is not the memory's version.
    """
    given = {
        "payload_json": payload, "text": text, "kind": kind, "importance": importance, "metadata": metadata,
        "coordinate": coordinate, "event_time": event_time, "expire_time": expire_time, "embedding": embedding,
    }  # fmt: skip
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not KEEP}
    paths = [*changed, *(f"metadata.{key}" for key in metadata_values or {})]
    changed["payload"] = changed.pop("payload_json", {})
    if metadata_values:
        changed["metadata"] = _without_removed(metadata_values)
    request = pb.UpdateRequest(
        namespace=namespace,
        ref=codec.reference(ref),
        memory=codec.draft(model.Draft(**changed)),
        update_mask=field_mask_pb2.FieldMask(paths=paths),
        request_id=request_id,
        expected_version=expected_version,
    )
    return call(UPDATE, request, _acknowledged)


def get(
    ref: model.Ref,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    version: int = 0,
    as_of: datetime | None = None,
) -> Call[model.Memory]:
    """Read one memory by its id or its coordinate.

    Args:
        ref: Which memory.
        namespace: The caller's partition.
        version: One of its kept versions; 0: the current one.
        as_of: As it was at this moment; not together with `version`.

    Raises:
        NotFound: There is none, or it has expired, or the version is not kept.
    """
    request = pb.GetRequest(namespace=namespace, ref=codec.reference(ref), version=version)
    if as_of is not None:
        request.as_of.CopyFrom(codec.timestamp(as_of, "as_of"))
    return call(GET, request, lambda response: codec.memory(response.memory))


def batch_get(
    refs: Iterable[model.Ref], *, namespace: str = DEFAULT_NAMESPACE
) -> Call[list[model.Memory | SomaMemoryError]]:
    """Read up to 1,000 memories.

    Returns:
        For each reference, in their order, the memory or why there is none. Those beyond what one answer can carry
        are missing at the end.
    """
    request = pb.BatchGetRequest(namespace=namespace, refs=[codec.reference(ref) for ref in refs])

    def read(response: pb.BatchGetResponse) -> list[model.Memory | SomaMemoryError]:
        return [
            (
                codec.memory(result.memory)
                if result.WhichOneof("outcome") == "memory"
                else error_of_status(result.error)
            )
            for result in response.results
        ]

    return call(BATCH_GET, request, read)


def delete(
    ref: model.Ref,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    request_id: str = "",
    expected_version: int | None = None,
) -> Call[model.Receipt]:
    """Delete one memory with its versions and links; it is never recalled again.

    Raises:
        NotFound: There is none.
        VersionConflict: `expected_version` is not the memory's version.
    """
    request = pb.DeleteRequest(
        namespace=namespace,
        ref=codec.reference(ref),
        request_id=request_id,
        expected_version=expected_version,
    )
    return call(DELETE, request, _acknowledged)


def delete_batch(
    refs: Iterable[model.Ref], *, namespace: str = DEFAULT_NAMESPACE
) -> Call[list[model.Receipt | SomaMemoryError]]:
    """Delete up to 1,000 memories; each is acknowledged or refused on its own, in their order."""
    items = [pb.DeleteItem(ref=codec.reference(ref)) for ref in refs]

    def read(response: pb.DeleteBatchResponse) -> list[model.Receipt | SomaMemoryError]:
        return [
            (
                _acknowledged(result.deleted)
                if result.WhichOneof("outcome") == "deleted"
                else error_of_status(result.error)
            )
            for result in response.results
        ]

    return call(DELETE_BATCH, pb.DeleteBatchRequest(namespace=namespace, items=items), read)


def purge(
    filter: model.Filter | None = None,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    dry_run: bool = False,
    everything: bool = False,
) -> Call[model.Purged]:
    """Delete every memory that passes a filter.

    Args:
        filter: Which memories. None needs `everything`.
        namespace: The caller's partition.
        dry_run: Only count.
        everything: Confirms that there is no filter.
    """
    request = pb.PurgeRequest(
        namespace=namespace, filter=codec.filter_of(filter), dry_run=dry_run, everything=everything
    )

    def read(response: pb.PurgeResponse) -> model.Purged:
        return model.Purged(response.matched_count, response.deleted_count, response.commit_seq)

    return call(PURGE, request, read)


def list_memories(
    *,
    namespace: str = DEFAULT_NAMESPACE,
    filter: model.Filter | None = None,
    order: str = model.ListOrder.EVENT_TIME,
    page_size: int = 0,
) -> Call[model.Page[model.Memory]]:
    """Iterate over the memories of a namespace.

    Args:
        namespace: The caller's partition.
        filter: Which memories.
        order: `event_time`, the newest first, or `importance`, the greatest first.
        page_size: How many a call brings, 1 to 1,000; 0 leaves it to the server.

    Returns:
        An iterator that asks for pages as it goes.
    """
    request = pb.ListRequest(
        namespace=namespace,
        filter=codec.filter_of(filter),
        page_size=page_size,
        order=codec.enum_number(order, pb.ListOrder, "LIST_ORDER", "order"),
    )

    def read(response: pb.ListResponse) -> model.Page[model.Memory]:
        items = tuple(codec.memory(each) for each in response.memories)
        return model.Page(items, response.next_page_token)

    return call(LIST, request, read)


def list_versions(
    ref: model.Ref, *, namespace: str = DEFAULT_NAMESPACE, page_size: int = 0
) -> Call[model.Page[model.Version]]:
    """Iterate over the kept versions of one memory, the current one first."""
    request = pb.ListVersionsRequest(
        namespace=namespace, ref=codec.reference(ref), page_size=page_size
    )

    def read(response: pb.ListVersionsResponse) -> model.Page[model.Version]:
        items = tuple(codec.version(each) for each in response.versions)
        return model.Page(items, response.next_page_token)

    return call(LIST_VERSIONS, request, read)


def restore_version(
    ref: model.Ref,
    version: int,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    request_id: str = "",
    expected_version: int | None = None,
) -> Call[model.Receipt]:
    """Write a kept version once more, as the next one.

    Raises:
        NotFound: There is no such memory, or the version is not kept.
        VersionConflict: `expected_version` is not the memory's version.
    """
    request = pb.RestoreVersionRequest(
        namespace=namespace,
        ref=codec.reference(ref),
        version=version,
        request_id=request_id,
        expected_version=expected_version,
    )
    return call(RESTORE_VERSION, request, _acknowledged)


def watch(
    *, namespace: str = DEFAULT_NAMESPACE, resume_token: str = "", include_memory: bool = False
) -> Download[model.Change]:
    """Hear of every change of a namespace as it is committed, for as long as the iterator is read.

    Args:
        namespace: The caller's partition.
        resume_token: `resume_token` of the last change that was seen. Empty: from now on.
        include_memory: Bring the memory of each write as it is when it is told of.

    Returns:
        An iterator over changes. The first has no type: it only has the token that goes on from here.

    Raises:
        HistoryLost: What happened since the token is no longer kept; read everything anew.
    """
    request = pb.WatchRequest(
        namespace=namespace, resume_token=resume_token, include_memory=include_memory
    )
    return Download(WATCH, request, lambda response: (codec.change(response),))


def _without_removed(values: Mapping[str, model.Scalar | None]) -> dict[str, model.Scalar]:
    return {key: value for key, value in values.items() if value is not None}


def _item(draft: model.Draft) -> pb.StoreItem:
    return pb.StoreItem(
        memory=codec.draft(draft),
        request_id=draft.request_id,
        expected_version=draft.expected_version,
    )


def _acknowledged(
    response: pb.UpdateResponse | pb.DeleteResponse | pb.RestoreVersionResponse,
) -> model.Receipt:
    return codec.receipt(response.receipt, memory_id=response.id)


def _stored(response: pb.StoreResponse) -> model.Receipt:
    return codec.receipt(response.receipt, memory_id=response.id)


def _outcome(result: pb.StoreBatchResult) -> model.Receipt | SomaMemoryError:
    if result.WhichOneof("outcome") == "stored":
        return _stored(result.stored)
    return error_of_status(result.error)
