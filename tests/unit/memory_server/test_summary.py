"""Summing up: what is taken, in which order, within which size; and what belongs together."""

from hypothesis import given
from hypothesis import strategies as st

from memory_server.domain.conversations import conversations
from memory_server.domain.summary import summary
from tests.support.memories import NOW_US, a_record

MINUTE_US = 60 * 1_000_000


def test_sentences_about_the_common_thing_are_taken_in_their_order() -> None:
    """What is said once beside the thing is left out when there is no room."""
    texts = ["Anna moved to Oslo. It rains.", "The flat in Oslo is small.", "Hm."]
    assert summary(texts, 50) == "Anna moved to Oslo.\nThe flat in Oslo is small."


@given(st.lists(st.text(max_size=80), max_size=8), st.integers(1, 200))
def test_a_summary_is_made_of_what_is_there_and_fits(texts: list[str], most: int) -> None:
    """Nothing is invented, nothing is said twice."""
    made = summary(texts, most)
    assert len(made.encode("utf-8", "replace")) <= most
    lines = made.split("\n") if made else []
    assert len(set(lines)) == len(lines)
    # A line that was cut to fit stands alone; any other is a whole part of a text.
    assert len(lines) < 2 or all(any(line in text for text in texts) for line in lines)


def test_sessions_and_silences_part_conversations() -> None:
    """A session holds together whatever lies between; without one, half an hour of silence ends it."""
    given_ = [
        ("a", 0, {}),
        ("b", 10, {}),
        ("s1", 20, {"session": "s"}),
        ("c", 60, {}),
        ("s2", 500, {"session": "s"}),
    ]
    records = [
        a_record(
            id=name, event_time_us=NOW_US + minute * MINUTE_US, metadata=metadata, commit_seq=n
        )
        for n, (name, minute, metadata) in enumerate(given_)
    ]
    found = conversations(reversed(records))
    assert [[one.id for one in each.episodes] for each in found] == [
        ["a", "b"],
        ["s1", "s2"],
        ["c"],
    ]
