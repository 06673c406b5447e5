"""MemoryService: writing memories, and reading them by their address."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import cast

from memory_server.domain import limits, validation
from memory_server.domain.limits import MAX_BATCH_ITEMS
from memory_server.domain.memory import Receipt, Scope
from memory_server.domain.validation import Violations
from memory_server.ports import ListOrder
from memory_server.transport.auth import AccessScope, Principal
from memory_server.transport.codec.encoded import EncodedMemories
from memory_server.transport.codec.filters import filter_of
from memory_server.transport.codec.memories import (
    delete_command,
    memory_message,
    memory_ref,
    put_receipt,
    receipt_message,
    restore_command,
    store_command,
    update_command,
    version_message,
)
from memory_server.transport.codec.values import few, time_us, timestamp
from memory_server.transport.methods import AnyMethod, BidiStream, Method, ServerStream
from memory_server.transport.status_map import status_of
from memory_server.transport.streams import pipelined
from memory_server.usecases import delete, read, store, update, watch
from memory_server.usecases.engine import Engine
from memory_server.usecases.store_together import StoreTogether
from soma.memory.v1 import memory_service_pb2 as pb
from soma_common.errors import SomaError

_ORDERS: Mapping[int, ListOrder] = {
    pb.LIST_ORDER_UNSPECIFIED: ListOrder.EVENT_TIME,
    pb.LIST_ORDER_EVENT_TIME: ListOrder.EVENT_TIME,
    pb.LIST_ORDER_IMPORTANCE: ListOrder.IMPORTANCE,
}

UNACKNOWLEDGED_MESSAGES = 32
"""Messages of one stream that are worked on at once: enough to share commits, few enough to bound its memory."""


class MemoryServicer:
    """Every method of MemoryService."""

    def __init__(self, engine: Engine, encoded: EncodedMemories) -> None:
        self._engine = engine
        self._encoded = encoded
        self._together = StoreTogether(engine)

    def methods(self) -> dict[str, AnyMethod]:
        """Return what answers each method."""
        read_scope, write_scope = AccessScope.READ, AccessScope.WRITE
        return {
            "Store": Method(pb.StoreRequest, self.store, write_scope),
            "StoreBatch": Method(pb.StoreBatchRequest, self.store_batch, write_scope),
            "StoreStream": BidiStream(pb.StoreStreamRequest, self.store_stream, write_scope),
            "Update": Method(pb.UpdateRequest, self.update, write_scope),
            "Get": Method(pb.GetRequest, self.get, read_scope),
            "BatchGet": Method(pb.BatchGetRequest, self.batch_get, read_scope),
            "Delete": Method(pb.DeleteRequest, self.delete, write_scope),
            "DeleteBatch": Method(pb.DeleteBatchRequest, self.delete_batch, write_scope),
            "Purge": Method(pb.PurgeRequest, self.purge, AccessScope.ERASE),
            "List": Method(pb.ListRequest, self.list, read_scope),
            "ListVersions": Method(pb.ListVersionsRequest, self.list_versions, read_scope),
            "RestoreVersion": Method(pb.RestoreVersionRequest, self.restore_version, write_scope),
            "Watch": ServerStream(pb.WatchRequest, self.watch, read_scope, ends_on_drain=True),
        }

    async def store(self, request: pb.StoreRequest, caller: Principal) -> pb.StoreResponse:
        """Answer Store."""
        scope = Scope(caller.tenant, request.namespace)
        return _stored(await self._together.store(scope, store_command(request)))

    async def store_batch(
        self, request: pb.StoreBatchRequest, caller: Principal
    ) -> pb.StoreBatchResponse:
        """Answer StoreBatch."""
        scope = Scope(caller.tenant, request.namespace)
        commands = [store_command(item) for item in few(request.items, MAX_BATCH_ITEMS)]
        outcomes = await store.store_batch(self._engine, scope, commands)
        response = pb.StoreBatchResponse()
        _put_results(response, outcomes)
        return response

    async def store_stream(
        self, requests: AsyncIterator[pb.StoreStreamRequest], caller: Principal
    ) -> AsyncGenerator[pb.StoreStreamResponse, None]:
        """Answer StoreStream: messages are prepared side by side, committed and acknowledged in their order."""
        line = store.Line()

        async def answer(request: pb.StoreStreamRequest) -> pb.StoreStreamResponse:
            scope = Scope(caller.tenant, request.namespace)
            try:
                commands = _stream_commands(request)
                outcomes = await store.store_batch(self._engine, scope, commands, line)
            except SomaError as error:
                return pb.StoreStreamResponse(sequence=request.sequence, error=status_of(error))
            response = pb.StoreStreamResponse(sequence=request.sequence)
            _put_results(response, outcomes)
            return response

        async for response in pipelined(requests, answer, limit=UNACKNOWLEDGED_MESSAGES):
            yield response

    async def update(self, request: pb.UpdateRequest, caller: Principal) -> pb.UpdateResponse:
        """Answer Update."""
        scope = Scope(caller.tenant, request.namespace)
        receipt = await update.update(self._engine, scope, update_command(request))
        return pb.UpdateResponse(id=receipt.memory_id, receipt=receipt_message(receipt))

    async def get(self, request: pb.GetRequest, caller: Principal) -> pb.GetResponse:
        """Answer Get."""
        record = await read.get(
            self._engine,
            Scope(caller.tenant, request.namespace),
            memory_ref(request.ref),
            version=request.version,
            as_of_us=time_us(request, "as_of"),
        )
        response = pb.GetResponse()
        self._encoded.put(response.memory, request.namespace, record)
        return response

    async def batch_get(
        self, request: pb.BatchGetRequest, caller: Principal
    ) -> pb.BatchGetResponse:
        """Answer BatchGet."""
        scope = Scope(caller.tenant, request.namespace)
        refs = [memory_ref(ref) for ref in few(request.refs, MAX_BATCH_ITEMS)]
        outcomes = await read.batch_get(self._engine, scope, refs)
        response = pb.BatchGetResponse()
        for outcome in outcomes:
            result = response.results.add()
            if isinstance(outcome, SomaError):
                result.error.CopyFrom(status_of(outcome))
            else:
                self._encoded.put(result.memory, request.namespace, outcome)
        return response

    async def delete(self, request: pb.DeleteRequest, caller: Principal) -> pb.DeleteResponse:
        """Answer Delete."""
        scope = Scope(caller.tenant, request.namespace)
        return _deleted(await delete.delete(self._engine, scope, delete_command(request)))

    async def delete_batch(
        self, request: pb.DeleteBatchRequest, caller: Principal
    ) -> pb.DeleteBatchResponse:
        """Answer DeleteBatch."""
        scope = Scope(caller.tenant, request.namespace)
        commands = [delete_command(item) for item in few(request.items, MAX_BATCH_ITEMS)]
        outcomes = await delete.delete_batch(self._engine, scope, commands)
        return pb.DeleteBatchResponse(results=map(_delete_result, outcomes))

    async def purge(self, request: pb.PurgeRequest, caller: Principal) -> pb.PurgeResponse:
        """Answer Purge."""
        purged = await delete.purge(
            self._engine,
            Scope(caller.tenant, request.namespace),
            filter_of(request.filter),
            dry_run=request.dry_run,
            everything=request.everything,
        )
        return pb.PurgeResponse(
            matched_count=purged.matched_count,
            deleted_count=purged.deleted_count,
            commit_seq=purged.commit_seq,
        )

    async def list(self, request: pb.ListRequest, caller: Principal) -> pb.ListResponse:
        """Answer List."""
        page = await read.list_memories(
            self._engine,
            Scope(caller.tenant, request.namespace),
            filter_of(request.filter),
            page_size=request.page_size,
            token=request.page_token,
            order=_ORDERS.get(request.order),
        )
        response = pb.ListResponse(next_page_token=page.next_token)
        for record in page.records:
            self._encoded.put(response.memories.add(), request.namespace, record)
        return response

    async def list_versions(
        self, request: pb.ListVersionsRequest, caller: Principal
    ) -> pb.ListVersionsResponse:
        """Answer ListVersions."""
        page = await read.list_versions(
            self._engine,
            Scope(caller.tenant, request.namespace),
            memory_ref(request.ref),
            page_size=request.page_size,
            token=request.page_token,
        )
        versions = [version_message(request.namespace, version) for version in page.versions]
        return pb.ListVersionsResponse(versions=versions, next_page_token=page.next_token)

    async def restore_version(
        self, request: pb.RestoreVersionRequest, caller: Principal
    ) -> pb.RestoreVersionResponse:
        """Answer RestoreVersion."""
        scope = Scope(caller.tenant, request.namespace)
        receipt = await update.restore(self._engine, scope, restore_command(request))
        return pb.RestoreVersionResponse(id=receipt.memory_id, receipt=receipt_message(receipt))

    async def watch(
        self, request: pb.WatchRequest, caller: Principal
    ) -> AsyncGenerator[pb.WatchResponse, None]:
        """Answer Watch."""
        scope = Scope(caller.tenant, request.namespace)
        changes = watch.watch(
            self._engine,
            scope,
            token=request.resume_token,
            include_memory=request.include_memory,
        )
        async with aclosing(changes) as watching:
            async for watched in watching:
                yield _watch_response(request.namespace, watched)


def _stream_commands(request: pb.StoreStreamRequest) -> list[store.StoreCommand]:
    found = Violations()
    if request.stream_id:
        most = limits.MAX_STREAM_ID_BYTES
        validation.check_name(found, "stream_id", request.stream_id, most)
        for place, item in enumerate(few(request.items, MAX_BATCH_ITEMS)):
            item.request_id = item.request_id or f"{request.stream_id}/{request.sequence}/{place}"
    found.raise_if_any()
    return [store_command(item) for item in few(request.items, MAX_BATCH_ITEMS)]


def _stored(receipt: Receipt) -> pb.StoreResponse:
    response = pb.StoreResponse()
    _put_stored(response, receipt)
    return response


def _put_stored(target: pb.StoreResponse, receipt: Receipt) -> None:
    target.id = receipt.memory_id
    put_receipt(target.receipt, receipt)


def _put_results(
    target: pb.StoreBatchResponse | pb.StoreStreamResponse, outcomes: Sequence[Receipt | SomaError]
) -> None:
    add = target.results.add
    for outcome in outcomes:
        if isinstance(outcome, SomaError):
            add().error.CopyFrom(status_of(outcome))
        else:
            _put_stored(add().stored, outcome)


def _deleted(receipt: Receipt) -> pb.DeleteResponse:
    return pb.DeleteResponse(id=receipt.memory_id, receipt=receipt_message(receipt))


def _delete_result(outcome: Receipt | SomaError) -> pb.DeleteBatchResult:
    if isinstance(outcome, SomaError):
        return pb.DeleteBatchResult(error=status_of(outcome))
    return pb.DeleteBatchResult(deleted=_deleted(outcome))


def _watch_response(namespace: str, watched: watch.Watched) -> pb.WatchResponse:
    message = pb.WatchResponse(resume_token=watched.token)
    change = watched.change
    if change is None:
        return message
    message.type = cast("pb.ChangeType", int(change.type))
    message.commit_seq, message.version = change.commit_seq, change.version
    message.id, message.to_id, message.link_type = change.id, change.to_id, change.link_type
    message.commit_time.CopyFrom(timestamp(change.time_us))
    if watched.record is not None:
        message.memory.CopyFrom(memory_message(namespace, watched.record))
    return message
