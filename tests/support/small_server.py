"""A small honest memory server within the process: the real stubs over a dict.

It keeps what the client's tests need of the contract: versions, request ids, pages, rich errors, a
server that sheds load. It has no durability and recalls by counting common words; what the real
server promises is tested with the real server.
"""

# ruff: noqa: N802 - the RPCs are named by the protos

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from soma.memory.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    link_service_pb2,
    link_service_pb2_grpc,
    memory_pb2,
    memory_service_pb2,
    memory_service_pb2_grpc,
    namespace_service_pb2,
    namespace_service_pb2_grpc,
    recall_service_pb2,
    recall_service_pb2_grpc,
)

DOMAIN = "small.test"
MAX_PAYLOAD_BYTES = 1000
MAX_BATCH_ITEMS = 50


class Refusal(Exception):
    """A status to answer with."""

    def __init__(self, code: int, message: str, *details: Message) -> None:
        super().__init__(message)
        packed = [AnyMessage() for _ in details]
        for box, detail in zip(packed, details, strict=True):
            box.Pack(detail)
        self.status = status_pb2.Status(code=code, message=message, details=packed)


@dataclass
class SmallServer:
    """The state: memories by namespace and id, answers by request id, links, refusals to come."""

    address: str = ""
    memories: dict[tuple[str, str], memory_pb2.Memory] = field(default_factory=dict)
    answers: dict[str, tuple[bytes, memory_service_pb2.StoreResponse]] = field(default_factory=dict)
    links: list[tuple[str, memory_pb2.MemoryLink]] = field(default_factory=list)
    seen: list[tuple[str, Message]] = field(default_factory=list)
    refusals: deque[Refusal] = field(default_factory=deque)
    """Answers to the next calls, in their order, before the server does its work again."""
    commits: Iterator[int] = field(default_factory=lambda: itertools.count(1))


@contextmanager
def small_server() -> Iterator[SmallServer]:
    """Serve on a free port until the block ends."""
    state = SmallServer()
    server = grpc.server(ThreadPoolExecutor(8))
    servicer: Any = _Servicer(state)
    memory_service_pb2_grpc.add_MemoryServiceServicer_to_server(servicer, server)
    recall_service_pb2_grpc.add_RecallServiceServicer_to_server(servicer, server)
    link_service_pb2_grpc.add_LinkServiceServicer_to_server(servicer, server)
    namespace_service_pb2_grpc.add_NamespaceServiceServicer_to_server(servicer, server)
    admin_service_pb2_grpc.add_AdminServiceServicer_to_server(servicer, server)
    healthy = health.HealthServicer()
    healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    host = "127.0.0.1"
    state.address = f"{host}:{server.add_insecure_port(f'{host}:0')}"
    server.start()
    try:
        yield state
    finally:
        server.stop(0).wait()


def bad_request(*violations: tuple[str, str]) -> Refusal:
    """Return the refusal of a request with bad fields."""
    fields = [
        error_details_pb2.BadRequest.FieldViolation(field=path, description=text)
        for path, text in violations
    ]
    return Refusal(
        code_pb2.INVALID_ARGUMENT,
        "the request is not valid",
        error_details_pb2.ErrorInfo(reason="INVALID_INPUT", domain=DOMAIN),
        error_details_pb2.BadRequest(field_violations=fields),
    )


def overloaded(retry_after_s: float) -> Refusal:
    """Return the refusal of a server that sheds load."""
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromNanoseconds(round(retry_after_s * 1e9))
    info = error_details_pb2.ErrorInfo(reason="OVERLOADED", domain=DOMAIN)
    return Refusal(code_pb2.RESOURCE_EXHAUSTED, "too many calls at once", info, retry)


class _Servicer:
    """The RPCs; every public name is one. Those that it lacks are UNIMPLEMENTED."""

    def __init__(self, state: SmallServer) -> None:
        self._state = state

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        found = vars(_Servicer)[name].__get__(self) if name in vars(_Servicer) else _missing
        state = object.__getattribute__(self, "_state")

        def answer(request: Message, context: grpc.ServicerContext) -> Any:
            state.seen.append((name, request))
            try:
                if state.refusals:
                    raise state.refusals.popleft()
                return found(request)
            except Refusal as refusal:
                context.abort_with_status(rpc_status.to_status(refusal.status))

        return answer

    def Store(self, request: memory_service_pb2.StoreRequest) -> Message:
        return self._store(request.namespace, request)

    def StoreBatch(self, request: memory_service_pb2.StoreBatchRequest) -> Message:
        results = []
        for item in request.items:
            try:
                stored = self._store(request.namespace, item)
                results.append(memory_service_pb2.StoreBatchResult(stored=stored))
            except Refusal as refusal:
                results.append(memory_service_pb2.StoreBatchResult(error=refusal.status))
        return memory_service_pb2.StoreBatchResponse(results=results)

    def Get(self, request: memory_service_pb2.GetRequest) -> Message:
        return memory_service_pb2.GetResponse(memory=self._find(request.namespace, request.ref))

    def Delete(self, request: memory_service_pb2.DeleteRequest) -> Message:
        found = self._find(request.namespace, request.ref)
        del self._state.memories[request.namespace, found.id]
        for key, (_, answer) in list(self._state.answers.items()):
            if answer.id == found.id:
                del self._state.answers[key]
        receipt = self._receipt(request.request_id, found.version, memory_pb2.INDEX_STATE_REMOVED)
        return memory_service_pb2.DeleteResponse(id=found.id, receipt=receipt)

    def List(self, request: memory_service_pb2.ListRequest) -> Message:
        found = [m for m in self._of(request.namespace) if _passes(m, request.filter)]
        found.sort(key=lambda m: (m.event_time.ToNanoseconds(), m.id), reverse=True)
        start, size = int(request.page_token or 0), request.page_size or 50
        end = start + size
        return memory_service_pb2.ListResponse(
            memories=found[start:end], next_page_token=str(end) if end < len(found) else ""
        )

    def Recall(self, request: recall_service_pb2.RecallRequest) -> Message:
        words = set(request.text.lower().split())
        found = [
            recall_service_pb2.RecallResult(
                memory=each,
                score=len(words & set(each.text.lower().split())) / max(1, len(words)),
                parts=recall_service_pb2.ScoreParts(keyword=1.0) if request.explain else None,
            )
            for each in self._of(request.namespace)
            if _passes(each, request.filter)
        ]
        found = sorted((r for r in found if r.score > 0), key=lambda r: (-r.score, r.memory.id))
        return recall_service_pb2.RecallResponse(
            results=found[: request.top_k or 10],
            completeness=recall_service_pb2.COMPLETENESS_EXACT,
            commit_seq=7,
        )

    def Link(self, request: link_service_pb2.LinkRequest) -> Message:
        link = memory_pb2.MemoryLink(
            from_id=self._find(request.namespace, request.from_ref).id,
            to_id=self._find(request.namespace, request.to_ref).id,
            type=request.type or "related",
            weight=request.weight if request.HasField("weight") else 1.0,
            metadata=request.metadata,
            version=1,
        )
        self._state.links.append((request.namespace, link))
        receipt = self._receipt(request.request_id, 1, memory_pb2.INDEX_STATE_SEARCHABLE)
        return link_service_pb2.LinkResponse(receipt=receipt)

    def Neighbors(self, request: link_service_pb2.NeighborsRequest) -> Message:
        start = self._find(request.namespace, request.ref)
        found = [
            link_service_pb2.Neighbor(
                memory=self._state.memories[namespace, link.to_id], distance=1, link=link
            )
            for namespace, link in self._state.links
            if namespace == request.namespace and link.from_id == start.id
        ]
        return link_service_pb2.NeighborsResponse(neighbors=found)

    def GetStats(self, request: namespace_service_pb2.GetStatsRequest) -> Message:
        found = self._of(request.namespace)
        return namespace_service_pb2.GetStatsResponse(
            memory_count=len(found),
            episodic_count=sum(m.kind == memory_pb2.MEMORY_KIND_EPISODIC for m in found),
            semantic_count=sum(m.kind == memory_pb2.MEMORY_KIND_SEMANTIC for m in found),
            payload_bytes=sum(len(m.payload_json) for m in found),
        )

    def ListNamespaces(self, request: namespace_service_pb2.ListNamespacesRequest) -> Message:
        names = sorted({namespace for namespace, _ in self._state.memories})
        start = int(request.page_token or 0)
        end = start + (request.page_size or 50)
        return namespace_service_pb2.ListNamespacesResponse(
            namespaces=names[start:end], next_page_token=str(end) if end < len(names) else ""
        )

    def GetServerInfo(self, request: admin_service_pb2.GetServerInfoRequest) -> Message:
        limits = admin_service_pb2.Limits(
            max_message_bytes=64 * 1024,
            max_payload_bytes=MAX_PAYLOAD_BYTES,
            max_batch_items=MAX_BATCH_ITEMS,
        )
        return admin_service_pb2.GetServerInfoResponse(
            version="small", store="in_memory", limits=limits, authentication="none"
        )

    def _of(self, namespace: str) -> list[memory_pb2.Memory]:
        return [m for (where, _), m in self._state.memories.items() if where == namespace]

    def _find(self, namespace: str, ref: memory_pb2.MemoryRef) -> memory_pb2.Memory:
        for memory in self._of(namespace):
            if memory.id == ref.id or (
                ref.HasField("coordinate") and memory.coordinate == ref.coordinate
            ):
                return memory
        name = ref.id or str(list(ref.coordinate.values))
        raise Refusal(
            code_pb2.NOT_FOUND,
            "there is no such memory",
            error_details_pb2.ErrorInfo(reason="NOT_FOUND", domain=DOMAIN),
            error_details_pb2.ResourceInfo(resource_type="memory", resource_name=name),
        )

    def _store(self, namespace: str, asked: Any) -> memory_service_pb2.StoreResponse:
        draft, body = asked.memory, asked.memory.SerializeToString(deterministic=True)
        if asked.request_id in self._state.answers:
            return self._replay(asked.request_id, body)
        if len(draft.payload_json) > MAX_PAYLOAD_BYTES:
            raise bad_request(("memory.payload_json", f"at most {MAX_PAYLOAD_BYTES} bytes"))
        memory_id = draft.id or f"made-{len(self._state.memories)}"
        before = self._state.memories.get((namespace, memory_id))
        version = before.version if before else 0
        if asked.HasField("expected_version") and asked.expected_version != version:
            self._conflict(version)
        receipt = self._receipt(asked.request_id, version + 1, memory_pb2.INDEX_STATE_SEARCHABLE)
        self._state.memories[namespace, memory_id] = _kept(namespace, memory_id, draft, receipt)
        response = memory_service_pb2.StoreResponse(id=memory_id, receipt=receipt)
        self._state.answers[asked.request_id] = (body, response)
        return response

    def _replay(self, request_id: str, body: bytes) -> memory_service_pb2.StoreResponse:
        known, answer = self._state.answers[request_id]
        if known != body:
            info = error_details_pb2.ErrorInfo(reason="REQUEST_ID_REUSED", domain=DOMAIN)
            raise Refusal(code_pb2.ALREADY_EXISTS, "the request id was used before", info)
        again = memory_service_pb2.StoreResponse()
        again.CopyFrom(answer)
        again.receipt.replayed = True
        return again

    def _conflict(self, version: int) -> NoReturn:
        info = error_details_pb2.ErrorInfo(
            reason="VERSION_CONFLICT", domain=DOMAIN, metadata={"current_version": str(version)}
        )
        raise Refusal(code_pb2.ABORTED, "the memory changed since it was read", info)

    def _receipt(self, request_id: str, version: int, state: Any) -> memory_pb2.Receipt:
        return memory_pb2.Receipt(
            request_id=request_id,
            commit_seq=next(self._state.commits),
            version=version,
            durability=memory_pb2.DURABILITY_FSYNCED,
            index_state=state,
        )


def _missing(_request: Message) -> NoReturn:
    raise Refusal(code_pb2.UNIMPLEMENTED, "the small server lacks this call")


def _kept(
    namespace: str, memory_id: str, draft: memory_pb2.MemoryDraft, receipt: memory_pb2.Receipt
) -> memory_pb2.Memory:
    memory = memory_pb2.Memory(
        namespace=namespace,
        id=memory_id,
        kind=draft.kind,
        payload_json=draft.payload_json,
        text=draft.text or draft.payload_json.decode(),
        importance=draft.importance if draft.HasField("importance") else 1.0,
        metadata=draft.metadata,
        version=receipt.version,
        commit_seq=receipt.commit_seq,
        embedding_model="caller" if draft.embedding else "",
    )
    if draft.HasField("event_time"):
        memory.event_time.CopyFrom(draft.event_time)
    else:
        memory.event_time.GetCurrentTime()
    if draft.HasField("coordinate"):
        memory.coordinate.CopyFrom(draft.coordinate)
    if draft.HasField("expire_time"):
        memory.expire_time.CopyFrom(draft.expire_time)
    return memory


def _passes(memory: memory_pb2.Memory, filter: memory_pb2.Filter) -> bool:
    equal = (
        memory.metadata.get(test.key) == test.equals
        for test in filter.metadata
        if test.HasField("equals")
    )
    return (not filter.kinds or memory.kind in filter.kinds) and all(equal)
