"""Questions and their answers."""

from soma.memory.v1 import recall_service_pb2
from somamemory import model
from somamemory.codec.memories import memory
from somamemory.codec.values import enum_member


def recalled(wire: recall_service_pb2.RecallResponse) -> model.Recalled:
    """Return the answer to a query."""
    return model.Recalled(
        hits=tuple(_hit(result) for result in wire.results),
        completeness=enum_member(
            wire.completeness, recall_service_pb2.Completeness, "COMPLETENESS", model.Completeness
        ),
        degraded=tuple(wire.degraded),
        commit_seq=wire.commit_seq,
        next_page_token=wire.next_page_token,
    )


def field_match(ours: model.FieldMatch) -> recall_service_pb2.FieldMatch:
    """Return a search for a string inside payloads."""
    return recall_service_pb2.FieldMatch(
        term=ours.term, substring=ours.substring, case_sensitive=ours.case_sensitive
    )


def _hit(wire: recall_service_pb2.RecallResult) -> model.RecallHit:
    return model.RecallHit(
        memory=memory(wire.memory),
        score=wire.score,
        parts=_parts(wire.parts) if wire.HasField("parts") else None,
    )


def _parts(wire: recall_service_pb2.ScoreParts) -> model.ScoreParts:
    return model.ScoreParts(
        keyword=wire.keyword,
        vector=wire.vector,
        links=wire.links,
        coordinate_distance=wire.coordinate_distance,
        recency=wire.recency,
        importance=wire.importance,
        context=wire.context,
        named_time=wire.named_time,
    )
