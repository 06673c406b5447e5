"""The services as plain stubs: what any gRPC client sees, without our own client between."""

import json
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2_grpc
from grpc_status import rpc_status

from soma.memory.v1 import (
    admin_service_pb2_grpc,
    lifecycle_service_pb2_grpc,
    link_service_pb2,
    link_service_pb2_grpc,
    memory_pb2,
    memory_service_pb2,
    memory_service_pb2_grpc,
    namespace_service_pb2_grpc,
    recall_service_pb2,
    recall_service_pb2_grpc,
)


class Wire:
    """Stubs over one channel, with short forms of the commonest calls in one namespace."""

    def __init__(self, channel: grpc.aio.Channel, namespace: str) -> None:
        self.channel = channel
        self.namespace = namespace
        self.memory = memory_service_pb2_grpc.MemoryServiceStub(channel)
        self.recalls = recall_service_pb2_grpc.RecallServiceStub(channel)
        self.links = link_service_pb2_grpc.LinkServiceStub(channel)
        self.lifecycle = lifecycle_service_pb2_grpc.LifecycleServiceStub(channel)
        self.namespaces = namespace_service_pb2_grpc.NamespaceServiceStub(channel)
        self.admin = admin_service_pb2_grpc.AdminServiceStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)  # its stub has no types

    async def store(
        self, payload: dict[str, Any], *, request_id: str = "", **draft: Any
    ) -> memory_service_pb2.StoreResponse:
        """Store one memory."""
        memory = memory_pb2.MemoryDraft(payload_json=json.dumps(payload).encode(), **draft)
        request = memory_service_pb2.StoreRequest(
            namespace=self.namespace, memory=memory, request_id=request_id
        )
        return await self.memory.Store(request)

    async def recall(self, text: str, **more: Any) -> recall_service_pb2.RecallResponse:
        """Recall by text."""
        request = recall_service_pb2.RecallRequest(namespace=self.namespace, text=text, **more)
        return await self.recalls.Recall(request)

    async def get(self, memory_id: str) -> memory_pb2.Memory:
        """Get one memory."""
        ref = memory_pb2.MemoryRef(id=memory_id)
        request = memory_service_pb2.GetRequest(namespace=self.namespace, ref=ref)
        return (await self.memory.Get(request)).memory

    async def delete(self, memory_id: str) -> memory_service_pb2.DeleteResponse:
        """Delete one memory."""
        ref = memory_pb2.MemoryRef(id=memory_id)
        request = memory_service_pb2.DeleteRequest(namespace=self.namespace, ref=ref)
        return await self.memory.Delete(request)

    async def link(self, from_id: str, to_id: str, kind: str = "", **more: Any) -> None:
        """Link two memories."""
        request = link_service_pb2.LinkRequest(
            namespace=self.namespace, from_ref=ref(from_id), to_ref=ref(to_id), type=kind, **more
        )
        await self.links.Link(request)

    async def ids(self, given: memory_pb2.Filter | None = None) -> list[str]:
        """Return the ids of the namespace's memories, newest event first."""
        request = memory_service_pb2.ListRequest(
            namespace=self.namespace, page_size=1000, filter=given
        )
        found: list[str] = []
        while True:
            page = await self.memory.List(request)
            found += [memory.id for memory in page.memories]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token


def ref(memory_id: str) -> memory_pb2.MemoryRef:
    """Return a reference by id."""
    return memory_pb2.MemoryRef(id=memory_id)


def rich_status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Return the whole status of a failed call; every failure has one."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type] # an AioRpcError has what it reads
    assert status is not None
    return status


def details(error: grpc.aio.AioRpcError) -> dict[str, Message]:
    """Return a failed call's details by the name of their type."""
    kinds = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
        error_details_pb2.ResourceInfo,
        error_details_pb2.QuotaFailure,
    )
    found: dict[str, Message] = {}
    for packed in rich_status(error).details:
        for kind in kinds:
            if packed.Is(kind.DESCRIPTOR):
                found[kind.__name__] = message = kind()
                packed.Unpack(message)
    return found


def bad_fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Return the paths that a failed call's BadRequest names."""
    bad = details(error)["BadRequest"]
    assert isinstance(bad, error_details_pb2.BadRequest)
    return [violation.field for violation in bad.field_violations]
