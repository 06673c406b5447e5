"""What the server accepts, and that it names everything it does not."""

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_server.domain import validation
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.limits import MAX_NESTING, MAX_TEXT_BYTES, Limits
from memory_server.domain.memory import MemoryDraft
from memory_server.domain.validation import Violations, parse_json
from soma_common.errors import InvalidInput
from tests.support.memories import DIMENSIONS, a_draft

LIMITS = Limits(8 << 20, 1 << 20, 3600, DIMENSIONS)


def bad_fields(draft: MemoryDraft) -> list[str]:
    found = Violations()
    validation.check_draft(found, draft, LIMITS, "memory")
    return [violation.field for violation in found.found]


def test_all_violations_are_named_at_once() -> None:
    """A draft that is wrong everywhere is told everything that is wrong."""
    draft = a_draft(
        id=" x",
        coordinate=(1.0, math.nan, math.inf),
        kind=7,
        payload_json=b"[]",
        text="x" * (MAX_TEXT_BYTES + 1),
        importance=math.inf,
        metadata={"": 1.0, "n": math.nan},
        event_time_us=10**20,
        embedding=b"1234",
    )

    assert bad_fields(draft) == [
        "memory.id",
        "memory.coordinate.values[1]",
        "memory.coordinate.values[2]",
        "memory.kind",
        "memory.event_time",
        "memory.payload_json",
        "memory.text",
        "memory.importance",
        'memory.metadata[""]',
        'memory.metadata["n"]',
        "memory.embedding",
    ]


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b'"text"', b"null", b'{"a": NaN}', b'{"a": -Infinity}', b"\xff{}", b"[" * 90_000],
)  # fmt: skip
def test_a_payload_that_is_no_json_object_is_refused(payload: bytes) -> None:
    """Only a JSON object by the RFC is a payload."""
    assert bad_fields(a_draft(payload_json=payload)) == ["memory.payload_json"]


def test_a_violation_never_shows_the_payload() -> None:
    """An error text names places, not content."""
    found = Violations()
    validation.check_payload(found, "payload_json", b'{"secret": "canary', 1000)

    assert "canary" not in found.found[0].description


@pytest.mark.parametrize("vector", [[0.0] * DIMENSIONS, [math.nan] + [1.0] * (DIMENSIONS - 1)])
def test_a_vector_without_direction_is_refused(vector: list[float]) -> None:
    """Zeros and NaN have no cosine."""
    embedding = struct.pack(f"<{DIMENSIONS}f", *vector)

    assert bad_fields(a_draft(embedding=embedding)) == ["memory.embedding"]


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(),
       lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)))  # fmt: skip
def test_every_json_object_is_a_payload(payload: dict[str, object]) -> None:
    """What json.dumps writes of a dictionary is accepted."""
    assert bad_fields(a_draft(payload_json=json.dumps(payload).encode())) == []


@given(st.text(max_size=300))
def test_names_are_refused_or_survive_the_wire(name: str) -> None:
    """An accepted name is not empty, fits, is trimmed, and can be encoded."""
    found = Violations()
    validation.check_name(found, "namespace", name, 128)

    if not found.found:
        assert 0 < len(name.encode()) <= 128
        assert name == name.strip()


@pytest.mark.parametrize("name", ["a", "a:b", "a_b", "a%", "Ω", "with blank", "a/b"])
def test_names_that_other_systems_confuse_are_fine(name: str) -> None:
    """Separators and wildcards are plain characters here."""
    found = Violations()
    validation.check_name(found, "namespace", name, 128)

    assert found.found == []


def test_a_filter_that_can_not_hold_is_refused() -> None:
    """Every part of a filter is looked at."""
    found = Violations()
    tests = (
        MetadataTest("", any_of=()),
        MetadataTest("a", any_of=(None,)),
        MetadataTest("a", is_range=True),
        MetadataTest("a", is_range=True, minimum=2.0, maximum=1.0),
        MetadataTest("a"),
    )
    validation.check_filter(
        found, Filter(kinds=frozenset({9}), metadata=tests, event_time_from_us=2, event_time_until_us=1)
    )  # fmt: skip

    assert [violation.field for violation in found.found] == [
        "filter.metadata[0].key",
        "filter.metadata[0].any_of",
        "filter.metadata[1].any_of.values[0]",
        "filter.metadata[2].range",
        "filter.metadata[3].range",
        "filter.metadata[4]",
        "filter.kinds[0]",
        "filter.event_time_until",
    ]


def test_a_count_of_zero_means_the_default() -> None:
    """Unset numbers on the wire are 0."""
    found = Violations()

    assert validation.check_count(found, "top_k", 0, default=10, maximum=1000) == 10
    assert found.found == []


@pytest.mark.parametrize("count", [-1, 1001])
def test_a_count_out_of_range_is_refused(count: int) -> None:
    """Negative numbers and numbers over the limit are errors, never silently changed."""
    found = Violations()
    validation.check_count(found, "top_k", count, default=10, maximum=1000)

    with pytest.raises(InvalidInput) as caught:
        found.raise_if_any()
    assert [violation.field for violation in caught.value.violations] == ["top_k"]


@pytest.mark.parametrize("opened", ['{"a":', "["])
def test_nesting_has_a_limit_that_is_the_same_for_everybody(opened: str) -> None:
    """Python's own depends on how deep its caller is; wide payloads are not deep."""
    closed = "}" if opened.startswith("{") else "]"

    def nested(depth: int) -> bytes:
        inner = opened * (depth - 1) + "1" + closed * (depth - 1)
        return f'{{"p": {inner}, "wide": [{", ".join(["[]"] * 1000)}]}}'.encode()

    parse_json(nested(MAX_NESTING))
    for depth in (MAX_NESTING + 1, 900, 100_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(nested(depth))
