"""The answer of a recall as a message."""

from hypothesis import given
from hypothesis import strategies as st

from memory_server.domain.ranking import ScoreParts
from memory_server.transport.codec.encoded import EncodedMemories
from memory_server.transport.codec.memories import put_memory
from memory_server.transport.codec.recalls import put_answer
from memory_server.usecases.recall import RecallAnswer, RecallHit
from soma.memory.v1 import recall_service_pb2 as pb
from tests.support.memories import a_record

SIZES = st.one_of(st.integers(0, 300), st.sampled_from([16_383, 16_384, 2_100_000]))
"""Of texts: their lengths take one byte and several on the wire."""

SHARES = st.floats(0, 1)

HITS = st.builds(
    RecallHit,
    st.builds(
        lambda size, commit_seq: a_record(text="x" * size, commit_seq=commit_seq),
        SIZES,
        st.integers(1, 9),
    ),
    SHARES,
    st.builds(ScoreParts, *[SHARES] * len(ScoreParts._fields)),
)


@given(st.lists(HITS, max_size=5), st.booleans())
def test_an_answer_is_the_message_that_protobuf_would_make(
    hits: list[RecallHit], explain: bool
) -> None:
    """However its results are put together; one that is read back holds the same."""
    made = pb.RecallOutcome()
    answer = RecallAnswer(hits, 7, is_exact=True, degraded=(), next_token="more")

    put_answer(made.response, "a", answer, EncodedMemories(), explain=explain)

    wished = pb.RecallOutcome()
    response = wished.response
    response.commit_seq, response.next_page_token = 7, "more"
    response.completeness = pb.COMPLETENESS_EXACT
    for hit in hits:
        result = response.results.add(score=hit.score)
        put_memory(result.memory, "a", hit.record)
        if explain:
            parts = hit.parts._asdict()
            result.parts.coordinate_distance = parts.pop("distance")
            for name, value in parts.items():
                setattr(result.parts, name, value)
    assert made == wished
    assert pb.RecallOutcome.FromString(made.SerializeToString()) == wished
