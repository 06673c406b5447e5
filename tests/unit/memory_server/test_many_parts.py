"""Messages of more parts than there may be: they are refused, and nobody looks at each part before."""

import pytest
from google.protobuf import field_mask_pb2

from memory_server.domain import limits, validation
from memory_server.domain.validation import Violations
from memory_server.transport.codec.filters import filter_of
from memory_server.transport.codec.lifecycle import consolidation_order
from memory_server.transport.codec.links import path_query
from memory_server.transport.codec.memories import memory_draft, update_command
from memory_server.transport.codec.namespaces import policy_of
from memory_server.transport.codec.values import few
from soma.memory.v1 import (
    lifecycle_service_pb2,
    link_service_pb2,
    memory_pb2,
    memory_service_pb2,
    namespace_service_pb2,
)
from soma_common.errors import InvalidInput

MANY = 30_000


def test_what_there_may_be_is_taken_whole() -> None:
    """And of more, one too many."""
    assert few([1, 2, 3], 3) == [1, 2, 3]
    assert few([1, 2, 3, 4, 5], 3) == [1, 2, 3, 4]


def test_filters() -> None:
    """Tests, values of a test, and kinds."""
    tests = [memory_pb2.MetadataTest(key="k")] * MANY
    given = filter_of(memory_pb2.Filter(metadata=tests))
    assert len(given.metadata) == limits.MAX_FILTER_TESTS + 1
    values = memory_pb2.MetadataValues(values=[memory_pb2.MetadataValue(flag=True)] * MANY)
    (test,) = filter_of(
        memory_pb2.Filter(metadata=[memory_pb2.MetadataTest(key="k", any_of=values)])
    ).metadata
    assert test.any_of is not None
    assert len(test.any_of) == limits.MAX_FILTER_VALUES + 1


@pytest.mark.parametrize("kinds", [[1] * MANY + [2], range(3, MANY)])
def test_kinds_are_refused_however_many_are_the_same(kinds: list[int]) -> None:
    """A filter that was cut would let other memories pass."""
    found = Violations()
    message = memory_pb2.Filter()
    message.kinds.extend(kinds)  # type: ignore[arg-type]
    validation.check_filter(found, filter_of(message))
    assert 1 <= len(found.found) <= 3


def test_metadata() -> None:
    """Of a memory."""
    draft = memory_pb2.MemoryDraft()
    for number in range(MANY):
        draft.metadata[str(number)].flag = True
    assert len(memory_draft(draft).metadata) == limits.MAX_METADATA_ITEMS + 1


def test_masks() -> None:
    """Of an update."""
    mask = field_mask_pb2.FieldMask(paths=["text"] * MANY)
    command = update_command(memory_service_pb2.UpdateRequest(update_mask=mask))
    assert len(command.paths) == limits.MAX_MASK_PATHS + 1
    with pytest.raises(InvalidInput):
        validation.check_mask(Violations(), command.paths)


def test_types_of_links_and_rules_of_decay() -> None:
    """Each of their lists."""
    query = path_query(link_service_pb2.FindPathRequest(types=["a"] * MANY))
    assert len(query.ways.types) == limits.MAX_FILTER_TESTS + 1
    level = namespace_service_pb2.DecayLevel(age_s=1, drop_fields=["a"] * MANY)
    score = namespace_service_pb2.ScoreDecay(keep_fields=["a"] * MANY)
    policy = policy_of(
        namespace_service_pb2.NamespacePolicy(decay_levels=[level] * 99, score_decay=score)
    )
    assert len(policy.decay_levels) == limits.MAX_DECAY_LEVELS + 1
    assert len(policy.decay_levels[0].drop_fields) == limits.MAX_DECAY_FIELDS + 1
    assert policy.score_decay is not None
    assert len(policy.score_decay.keep_fields) == limits.MAX_DECAY_FIELDS + 1


def test_sources_of_summaries() -> None:
    """All together."""
    sources = [memory_pb2.MemoryRef(id="a")] * 1000
    summaries = [lifecycle_service_pb2.Summary(sources=sources)] * 30
    order = consolidation_order(lifecycle_service_pb2.ConsolidateRequest(summaries=summaries))
    assert sum(len(one.sources) for one in order.summaries) == limits.MAX_ALL_SOURCES + 1
