"""How much one answer carries."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_server.domain.limits import (
    MAX_METADATA_KEY_BYTES,
    MAX_METADATA_TEXT_BYTES,
    MAX_RESPONSE_BYTES,
)
from memory_server.domain.memory import MemoryRecord
from memory_server.transport.codec.memories import memory_message
from memory_server.usecases.read import fitting
from tests.support.memories import a_record

SHAPES = [
    a_record(),
    a_record(payload_json=b"{" + b" " * 900_000 + b"}"),
    a_record(text="\u65e5" * 20_000, payload_json=b"{}" * 100_000),
    a_record(metadata={"k" * 100 + str(n): "\u00e9" * 512 for n in range(64)}),
    a_record(metadata={f"n{n}": float(n) for n in range(64)}, coordinate=(1.0,) * 64),
]


def wire_bytes(record: MemoryRecord) -> int:
    return memory_message("a-namespace", record).ByteSize()


@settings(max_examples=30)
@given(st.lists(st.sampled_from(SHAPES), max_size=120))
def test_an_answer_is_as_full_as_it_may_be(records: list[MemoryRecord]) -> None:
    """It holds the first records; more would be too much, or would be told to be."""
    page = fitting(records)

    assert page == records[: len(page)]
    assert sum(map(wire_bytes, page)) <= MAX_RESPONSE_BYTES
    if len(page) < len(records):
        spare = 4096 * (len(page) + 1)
        assert sum(map(wire_bytes, records[: len(page) + 1])) > MAX_RESPONSE_BYTES - spare


def test_the_first_record_always_fits() -> None:
    """However large it is: else nobody could read it."""
    large = a_record(payload_json=bytes(MAX_RESPONSE_BYTES))

    assert fitting([large, a_record()]) == [large]


@pytest.mark.parametrize("character", ["x", "\u00e9", "\u65e5", "\U0001f642"])
def test_texts_of_any_script_are_measured_in_bytes(character: str) -> None:
    """The same bytes fit, however few characters they are."""
    size = len(character.encode())
    metadata = {
        f"{n:02}"
        + "k" * (MAX_METADATA_KEY_BYTES - 2): character * (MAX_METADATA_TEXT_BYTES // size)
        for n in range(64)
    }
    record = a_record(metadata=metadata, text=character * (65_536 // size))
    count = MAX_RESPONSE_BYTES // wire_bytes(record)

    assert count - 2 <= len(fitting([record] * (count + 5))) <= count
