"""Queries and their answers."""

from memory_server.domain.ranking import ScoreParts
from memory_server.transport.codec.encoded import EncodedMemories
from memory_server.transport.codec.filters import filter_of
from memory_server.transport.codec.values import coordinate, optional_float, time_us
from memory_server.transport.codec.wire import DoubleField, MessageField
from memory_server.usecases.recall import (
    FieldMatch,
    RecallAnswer,
    RecallHit,
    RecallMode,
    RecallQuery,
)
from soma.memory.v1 import recall_service_pb2

_MODES = {
    recall_service_pb2.RECALL_MODE_UNSPECIFIED: RecallMode.HYBRID,
    recall_service_pb2.RECALL_MODE_HYBRID: RecallMode.HYBRID,
    recall_service_pb2.RECALL_MODE_VECTOR: RecallMode.VECTOR,
    recall_service_pb2.RECALL_MODE_KEYWORD: RecallMode.KEYWORD,
}

_RESULTS = MessageField(recall_service_pb2.RecallResponse, "results")
_MEMORY = MessageField(recall_service_pb2.RecallResult, "memory")
_SCORE = DoubleField(recall_service_pb2.RecallResult, "score")
_PARTS = MessageField(recall_service_pb2.RecallResult, "parts")


def recall_query(message: recall_service_pb2.RecallRequest) -> RecallQuery:
    """Return what a RecallRequest asks for."""
    named = message.WhichOneof("query")
    return RecallQuery(
        text=message.text if named == "text" else None,
        vector=message.vector if named == "vector" else None,
        coordinate=coordinate(message.coordinate) if named == "coordinate" else None,
        mode=_MODES.get(message.mode),
        top_k=message.top_k,
        given=filter_of(message.filter),
        min_score=optional_float(message, "min_score"),
        min_commit_seq=message.min_commit_seq,
        field_match=_field_match(message.field_match) if named == "field_match" else None,
        as_of_us=time_us(message, "as_of"),
        context=message.context,
        page_token=message.page_token,
        explain=message.explain,
    )


def _field_match(message: recall_service_pb2.FieldMatch) -> FieldMatch:
    return FieldMatch(message.term, message.substring, message.case_sensitive)


def put_answer(
    target: recall_service_pb2.RecallResponse,
    namespace: str,
    answer: RecallAnswer,
    encoded: EncodedMemories,
    *,
    explain: bool,
) -> None:
    """Write the answer of a recall into an empty message."""
    if answer.degraded:
        target.completeness = recall_service_pb2.COMPLETENESS_DEGRADED
    elif answer.is_exact:
        target.completeness = recall_service_pb2.COMPLETENESS_EXACT
    else:
        target.completeness = recall_service_pb2.COMPLETENESS_APPROXIMATE
    target.degraded.extend(answer.degraded)
    target.commit_seq = answer.commit_seq
    target.truncated = answer.is_truncated
    target.next_page_token = answer.next_token
    results = [_result(namespace, hit, encoded, explain=explain) for hit in answer.hits]
    target.MergeFromString(b"".join(results))


def _result(namespace: str, hit: RecallHit, encoded: EncodedMemories, *, explain: bool) -> bytes:
    """Return a result as a field of a response, on the wire."""
    result = _MEMORY.of(encoded.bytes_of(namespace, hit.record)) + _SCORE.of(hit.score)
    if explain:
        result += _PARTS.of(_parts(hit.parts).SerializeToString())
    return _RESULTS.of(result)


def _parts(parts: ScoreParts) -> recall_service_pb2.ScoreParts:
    return recall_service_pb2.ScoreParts(
        keyword=parts.keyword,
        vector=parts.vector,
        links=parts.links,
        coordinate_distance=parts.distance,
        recency=parts.recency,
        importance=parts.importance,
        context=parts.context,
        named_time=parts.named_time,
    )
