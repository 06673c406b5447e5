"""RecallService: finding memories."""

from collections.abc import AsyncGenerator, AsyncIterator

from memory_server.domain.limits import MAX_RECALL_BATCH, MAX_RESPONSE_BYTES
from memory_server.domain.memory import Scope
from memory_server.domain.validation import Violations
from memory_server.transport.auth import AccessScope, Principal
from memory_server.transport.codec.encoded import EncodedMemories
from memory_server.transport.codec.filters import filter_of
from memory_server.transport.codec.recalls import recall_message, recall_query
from memory_server.transport.codec.values import coordinate
from memory_server.transport.methods import AnyMethod, BidiStream, Method
from memory_server.transport.status_map import status_of
from memory_server.transport.streams import pipelined
from memory_server.usecases import recall
from memory_server.usecases.engine import Engine
from soma.memory.v1 import recall_service_pb2 as pb
from soma_common.errors import QuotaExceeded, SomaError

UNANSWERED_QUERIES = 16
"""Queries of one stream that are worked on at once."""


_NO_ROOM = pb.RecallOutcome(
    error=status_of(
        QuotaExceeded(
            "the answers before this one are as much as one message can carry; ask again",
            subject="size of an answer",
        )
    )
)


class RecallServicer:
    """Every method of RecallService."""

    def __init__(self, engine: Engine, encoded: EncodedMemories) -> None:
        self._engine = engine
        self._encoded = encoded

    def methods(self) -> dict[str, AnyMethod]:
        """Return what answers each method."""
        scope = AccessScope.READ
        return {
            "Recall": Method(pb.RecallRequest, self.recall, scope),
            "RecallBatch": Method(pb.RecallBatchRequest, self.recall_batch, scope),
            "RecallStream": BidiStream(pb.RecallStreamRequest, self.recall_stream, scope),
            "RangeSearch": Method(pb.RangeSearchRequest, self.range_search, scope),
        }

    async def recall(self, request: pb.RecallRequest, caller: Principal) -> pb.RecallResponse:
        """Answer Recall."""
        scope = Scope(caller.tenant, request.namespace)
        answer = await recall.recall(self._engine, scope, recall_query(request))
        return recall_message(request.namespace, answer, self._encoded, explain=request.explain)

    async def recall_batch(
        self, request: pb.RecallBatchRequest, caller: Principal
    ) -> pb.RecallBatchResponse:
        """Answer RecallBatch."""
        found = Violations()
        is_right = 1 <= len(request.queries) <= MAX_RECALL_BATCH
        found.require(is_right, "queries", f"must have 1 to {MAX_RECALL_BATCH} queries")
        found.raise_if_any()
        outcomes: list[pb.RecallOutcome] = []
        size = 0
        for query in request.queries:
            outcome = await self._outcome(query, caller) if size < MAX_RESPONSE_BYTES else _NO_ROOM
            if outcomes and size + outcome.ByteSize() > MAX_RESPONSE_BYTES:
                outcome = _NO_ROOM
            size += outcome.ByteSize()
            outcomes.append(outcome)
        return pb.RecallBatchResponse(outcomes=outcomes)

    async def recall_stream(
        self, requests: AsyncIterator[pb.RecallStreamRequest], caller: Principal
    ) -> AsyncGenerator[pb.RecallStreamResponse, None]:
        """Answer RecallStream."""

        async def answer(request: pb.RecallStreamRequest) -> pb.RecallStreamResponse:
            outcome = await self._outcome(request.query, caller)
            return pb.RecallStreamResponse(sequence=request.sequence, outcome=outcome)

        async for response in pipelined(requests, answer, limit=UNANSWERED_QUERIES):
            yield response

    async def range_search(
        self, request: pb.RangeSearchRequest, caller: Principal
    ) -> pb.RangeSearchResponse:
        """Answer RangeSearch."""
        page = await recall.range_search(
            self._engine,
            Scope(caller.tenant, request.namespace),
            coordinate(request.min),
            coordinate(request.max),
            filter_of(request.filter),
            page_size=request.page_size,
            token=request.page_token,
        )
        response = pb.RangeSearchResponse(next_page_token=page.next_token)
        for record in page.records:
            self._encoded.put(response.memories.add(), request.namespace, record)
        return response

    async def _outcome(self, query: pb.RecallRequest, caller: Principal) -> pb.RecallOutcome:
        try:
            return pb.RecallOutcome(response=await self.recall(query, caller))
        except SomaError as error:
            return pb.RecallOutcome(error=status_of(error))
