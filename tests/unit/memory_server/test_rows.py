"""What is kept of values as rows."""

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_server.adapters.embedded import rows
from memory_server.domain.memory import MemoryId, Receipt


@given(st.text(), st.integers(), st.integers(), st.booleans(), st.booleans())
def test_a_receipt_is_replayed_as_it_was(
    memory_id: str, seq: int, version: int, is_embedded: bool, is_removed: bool
) -> None:
    """Whatever the id is, what is kept for a retry gives the same receipt."""
    receipt = Receipt("r", MemoryId(memory_id), seq, version, is_embedded, is_removed)

    stored = rows.receipt_json(receipt)

    assert rows.replayed_receipt("r", stored) == receipt._replace(is_replayed=True)


VALUES = st.text() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.text(), VALUES))
def test_metadata_is_kept_as_json_with_its_types(metadata: dict[str, str | bool | float]) -> None:
    """As the library writes it; True, 1.0 and "1" stay three values."""
    stored = rows.metadata_json(metadata)

    assert stored == json.dumps(metadata, sort_keys=True)
    kept = rows.metadata_of_json(stored)
    assert [(name, type(value), value) for name, value in kept.items()] == [
        (name, type(value), value) for name, value in sorted(metadata.items())
    ]


@pytest.mark.parametrize("value", [None, {1}, (1.0,), b"x"])
def test_what_is_no_value_is_not_kept(value: object) -> None:
    """Rather an error for one caller than a row that nobody can read."""
    with pytest.raises(TypeError):
        rows.metadata_json(cast("Any", {"a": value}))
