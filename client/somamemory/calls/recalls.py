"""Calls of RecallService."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from soma.memory.v1 import recall_service_pb2 as pb
from somamemory import codec, model
from somamemory.calls.base import LONG, Call, Exchange, call, read_rpc
from somamemory.errors import SomaMemoryError, invalid
from somamemory.model import DEFAULT_NAMESPACE
from somamemory.status import error_of_status

_SERVICE = "RecallService"

RECALL = read_rpc(_SERVICE, "Recall", pb.RecallRequest, pb.RecallResponse)
RECALL_BATCH = read_rpc(
    _SERVICE, "RecallBatch", pb.RecallBatchRequest, pb.RecallBatchResponse, LONG
)
RECALL_STREAM = read_rpc(_SERVICE, "RecallStream", pb.RecallStreamRequest, pb.RecallStreamResponse)
RANGE_SEARCH = read_rpc(_SERVICE, "RangeSearch", pb.RangeSearchRequest, pb.RangeSearchResponse)

METHODS = (RECALL, RECALL_BATCH, RECALL_STREAM, RANGE_SEARCH)


@dataclass(frozen=True, kw_only=True)
class Query:
    """A question; see `recall` for each field."""

    text: str | None = None
    vector: model.Vector | None = None
    coordinate: Sequence[float] | None = None
    match: model.FieldMatch | None = None
    namespace: str = DEFAULT_NAMESPACE
    top_k: int = 10
    mode: str = model.RecallMode.HYBRID
    filter: model.Filter | None = None
    min_score: float | None = None
    min_commit_seq: int = 0
    explain: bool = False
    as_of: datetime | None = None
    context: str = ""


def recall(  # noqa: PLR0913 - one parameter for each thing a question can say
    text: str | None = None,
    *,
    vector: model.Vector | None = None,
    coordinate: Sequence[float] | None = None,
    match: model.FieldMatch | None = None,
    namespace: str = DEFAULT_NAMESPACE,
    top_k: int = 10,
    mode: str = model.RecallMode.HYBRID,
    filter: model.Filter | None = None,
    min_score: float | None = None,
    min_commit_seq: int = 0,
    explain: bool = False,
    as_of: datetime | None = None,
    context: str = "",
    page_token: str = "",
) -> Call[model.Recalled]:
    """Find the memories that answer a query best.

    Args:
        text: Words, a question, a sentence. Give exactly one of text, vector, coordinate and match.
        vector: An embedding to compare with.
        coordinate: Find the memories nearest to it.
        match: Find the memories of which a string in the payload matches, newest event first.
        namespace: The caller's partition.
        top_k: How many at most, 1 to 1,000.
        mode: `hybrid`, `vector` or `keyword`; for text.
        filter: Which memories are looked at; applied before the best are chosen, never relaxed.
        min_score: Leave out what scores below.
        min_commit_seq: Answer only from a state that includes this commit.
        explain: Return the parts of each score.
        as_of: Answer from what the server knew at this moment.
        context: What the caller is about, such as the last turns: it lifts results that fit it.
        page_token: `next_page_token` of the answer before, given with the same question.

    Returns:
        The hits, best first, and how much was looked at.
    """
    query = Query(
        text=text, vector=vector, coordinate=coordinate, match=match, namespace=namespace, top_k=top_k,
        mode=mode, filter=filter, min_score=min_score, min_commit_seq=min_commit_seq, explain=explain,
        as_of=as_of, context=context,
    )  # fmt: skip
    request = _request(query)
    request.page_token = page_token
    return call(RECALL, request, codec.recalled)


def recall_batch(queries: Iterable[Query]) -> Call[list[model.Recalled | SomaMemoryError]]:
    """Ask up to 100 questions in one call.

    Returns:
        For each question, in their order, its answer or why it was refused.
    """
    request = pb.RecallBatchRequest(queries=[_request(query) for query in queries])

    def read(response: pb.RecallBatchResponse) -> list[model.Recalled | SomaMemoryError]:
        return [_outcome(outcome) for outcome in response.outcomes]

    return call(RECALL_BATCH, request, read)


def recall_stream(queries: Iterable[Query]) -> Exchange[model.Recalled | SomaMemoryError]:
    """Ask any number of questions as they come, several times as many a second as by single calls.

    Returns:
        An iterator over the answers in the order of the questions, an error in the place of each refused one.
    """
    requests = (
        pb.RecallStreamRequest(sequence=sequence, query=_request(query))
        for sequence, query in enumerate(queries)
    )
    return Exchange(
        RECALL_STREAM, requests, lambda response: (_outcome(response.outcome),), is_resumable=True
    )


def range_search(
    min: Sequence[float],
    max: Sequence[float],
    *,
    namespace: str = DEFAULT_NAMESPACE,
    filter: model.Filter | None = None,
    page_size: int = 0,
) -> Call[model.Page[model.Memory]]:
    """Iterate over the memories whose coordinates lie in a box, ends included, in the order of their last writes."""
    request = pb.RangeSearchRequest(
        namespace=namespace,
        min=codec.coordinate(min),
        max=codec.coordinate(max),
        filter=codec.filter_of(filter),
        page_size=page_size,
    )

    def read(response: pb.RangeSearchResponse) -> model.Page[model.Memory]:
        items = tuple(codec.memory(each) for each in response.memories)
        return model.Page(items, response.next_page_token)

    return call(RANGE_SEARCH, request, read)


def _request(query: Query) -> pb.RecallRequest:
    questions = (query.text, query.vector, query.coordinate, query.match)
    if sum(given is not None for given in questions) != 1:
        raise invalid("query", "give exactly one of text, vector, coordinate and match")
    request = pb.RecallRequest(
        namespace=query.namespace,
        mode=codec.enum_number(query.mode, pb.RecallMode, "RECALL_MODE", "mode"),
        top_k=query.top_k,
        filter=codec.filter_of(query.filter),
        min_score=query.min_score,
        min_commit_seq=query.min_commit_seq,
        explain=query.explain,
        context=query.context,
    )
    if query.as_of is not None:
        request.as_of.CopyFrom(codec.timestamp(query.as_of, "as_of"))
    if query.text is not None:
        request.text = query.text
    elif query.vector is not None:
        request.vector = codec.embedding_bytes(query.vector)
    elif query.coordinate is not None:
        request.coordinate.CopyFrom(codec.coordinate(query.coordinate))
    elif query.match is not None:
        request.field_match.CopyFrom(codec.field_match(query.match))
    return request


def _outcome(outcome: pb.RecallOutcome) -> model.Recalled | SomaMemoryError:
    if outcome.WhichOneof("outcome") == "response":
        return codec.recalled(outcome.response)
    return error_of_status(outcome.error)
