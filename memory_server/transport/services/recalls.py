"""RecallService: finding memories."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from memory_server.domain.limits import MAX_RECALL_BATCH, MAX_RESPONSE_BYTES
from memory_server.domain.memory import Scope
from memory_server.domain.sizes import portions
from memory_server.domain.validation import Violations
from memory_server.transport.auth import AccessScope, Principal
from memory_server.transport.codec.encoded import EncodedMemories
from memory_server.transport.codec.filters import filter_of
from memory_server.transport.codec.recalls import put_answer, recall_query
from memory_server.transport.codec.values import coordinate
from memory_server.transport.methods import AnyMethod, BidiStream, Method
from memory_server.transport.status_map import status_of
from memory_server.transport.streams import grouped
from memory_server.usecases import recall
from memory_server.usecases.engine import Engine
from memory_server.usecases.recall import RecallAnswer, Recalling, RecallQuery
from memory_server.usecases.recall.together import TOGETHER, RecallTogether
from soma.memory.v1 import recall_service_pb2 as pb
from soma_common.errors import QuotaExceeded, SomaError

MOST_AT_ONCE = 2 * TOGETHER
"""Queries of a batch that are answered at once at most. Two threads search for them, so that other calls wait for them
about as long as for `TOGETHER`."""

MOST_TEXT_AT_ONCE = 128 * 1024
"""Characters of questions and contexts that are answered at once, unless one has more."""

_NO_ROOM = pb.RecallOutcome(
    error=status_of(
        QuotaExceeded(
            "the answers before this one are as much as one message can carry; ask again",
            subject="size of an answer",
        )
    )
)


def _text_size(pair: tuple[pb.RecallRequest, pb.RecallOutcome]) -> int:
    query, _ = pair
    return len(query.text) + len(query.context)


class RecallServicer:
    """Every method of RecallService."""

    def __init__(self, engine: Engine, encoded: EncodedMemories) -> None:
        self._engine = engine
        self._encoded = encoded
        self._together = RecallTogether(engine)

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
        answer = await self._together.recall(scope, recall_query(request))
        response = pb.RecallResponse()
        put_answer(response, request.namespace, answer, self._encoded, explain=request.explain)
        return response

    async def recall_batch(
        self, request: pb.RecallBatchRequest, caller: Principal
    ) -> pb.RecallBatchResponse:
        """Answer RecallBatch."""
        found = Violations()
        is_right = 1 <= len(request.queries) <= MAX_RECALL_BATCH
        found.require(is_right, "queries", f"must have 1 to {MAX_RECALL_BATCH} queries")
        found.raise_if_any()
        response = pb.RecallBatchResponse()
        size = 0
        turns = math.ceil(len(request.queries) / MOST_AT_ONCE)
        size_of_turn = math.ceil(len(request.queries) / turns)
        for start in range(0, len(request.queries), size_of_turn):
            some = request.queries[start : start + size_of_turn]
            outcomes = [response.outcomes.add() for _ in some]
            if size < MAX_RESPONSE_BYTES:
                await self._answer(some, outcomes, caller)
            for outcome in outcomes:
                own_size = outcome.ByteSize()
                if (size and size + own_size > MAX_RESPONSE_BYTES) or not own_size:
                    outcome.CopyFrom(_NO_ROOM)
                    own_size = outcome.ByteSize()
                size += own_size
            # The other calls have waited long enough.
            await asyncio.sleep(0)
        return response

    async def recall_stream(
        self, requests: AsyncIterator[pb.RecallStreamRequest], caller: Principal
    ) -> AsyncGenerator[pb.RecallStreamResponse, None]:
        """Answer RecallStream."""

        async def answer(
            some: Sequence[pb.RecallStreamRequest],
        ) -> Sequence[pb.RecallStreamResponse]:
            responses = [pb.RecallStreamResponse(sequence=each.sequence) for each in some]
            outcomes = [response.outcome for response in responses]
            await self._answer([each.query for each in some], outcomes, caller)
            return responses

        async for response in grouped(requests, answer, limit=TOGETHER):
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

    async def _answer(
        self,
        queries: Sequence[pb.RecallRequest],
        outcomes: Sequence[pb.RecallOutcome],
        caller: Principal,
    ) -> None:
        """Write the answer to each query, or why there is none, into an empty message.

        Of long texts few are answered at once: taking one apart takes a while.
        """
        pairs = zip(queries, outcomes, strict=True)
        for some in portions(pairs, _text_size, MOST_TEXT_AT_ONCE):
            await self._answer_some(some, caller)
            await asyncio.sleep(0)

    async def _answer_some(
        self, pairs: Sequence[tuple[pb.RecallRequest, pb.RecallOutcome]], caller: Principal
    ) -> None:
        asked: list[tuple[Scope, RecallQuery] | SomaError] = []
        for query, _ in pairs:
            try:
                asked.append((Scope(caller.tenant, query.namespace), recall_query(query)))
            except SomaError as error:
                asked.append(error)
        right = [each for each in asked if not isinstance(each, SomaError)]
        recalling = await Recalling.begin(self._engine, right)
        place = 0
        for (query, outcome), each in zip(pairs, asked, strict=True):
            answer: RecallAnswer | SomaError
            if isinstance(each, SomaError):
                answer = each
            else:
                answer, place = await recalling.answer(place), place + 1
            # While this is written, the next ones are searched for.
            if isinstance(answer, SomaError):
                outcome.error.CopyFrom(status_of(answer))
            else:
                put_answer(
                    outcome.response,
                    query.namespace,
                    answer,
                    self._encoded,
                    explain=query.explain,
                )
