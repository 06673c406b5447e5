"""Compiled loops over words."""

from array import array
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_server.kernels.words import add_up, cut, enter, known_of


def test_texts_are_cut_between_letters_and_digits() -> None:
    """What is too long is left out; what is not ASCII is refused."""
    assert cut("Hello, a_b 12!", 5) == ["Hello", "a", "b", "12"]
    assert cut("Hello, a_b 12!", 4) == ["a", "b", "12"]
    assert cut("", 4) == cut(" .\x00", 4) == []
    with pytest.raises(ValueError, match="ASCII"):
        cut("é", 4)


def test_what_is_known_becomes_young() -> None:
    """A word that only the old ones have is put among the young."""
    young, old = {"a": 1}, {"a": 2, "b": 3}

    assert known_of(["b", "a", "c", "c"], young, old) == ([3, 1, None, None], {"c"})
    assert young == {"a": 1, "b": 3}
    assert known_of(["b", "a"], young, old) == ([3, 1], None)


def test_a_number_may_stand_for_itself() -> None:
    """Only where that is asked for, and only ASCII digits are one."""
    known, missing = known_of(["007", "7a", "\u0667", "8"], {"8": "eight"}, {}, True)

    assert known == ["007", None, None, "8"]
    assert missing == {"7a", "\u0667"}
    assert known_of(["8"], {"8": "eight"}, {}) == (["eight"], None)


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=90), max_size=12))
def test_slots_are_entered_under_their_words(memories: list[list[str]]) -> None:
    """Each word has the slots that have it, and how many those are; what is new and what repeats is told."""
    numbers: dict[str, int] = {"f": 0}
    lists: list[array[int] | None] = [None]
    frequencies = array("I", [0])
    for slot, words in enumerate(memories):
        before = set(numbers)
        own, repeats, new = enter(numbers, words, slot, lists, frequencies)

        assert new == [word for word in dict.fromkeys(words) if word not in before]
        counts = Counter(numbers[word] for word in words)
        assert np.frombuffer(own, np.uint32).tolist() == sorted(counts)
        assert dict(repeats) == {number: count for number, count in counts.items() if count > 1}

    for word, number in numbers.items():
        expected = [slot for slot, words in enumerate(memories) if word in words]
        assert list(lists[number] or []) == expected
        assert frequencies[number] == len(expected)


def test_new_words_get_the_next_numbers() -> None:
    """Each gets its number, its list and its count with the memory that it came with."""
    numbers, lists, frequencies = {"a": 0}, [array("I", [7])], array("I", [1])

    own, repeats, new = enter(numbers, ["c", "a", "b", "c"], 9, lists, frequencies)  # type: ignore[arg-type] # lists of arrays alone

    assert (numbers, new, repeats) == ({"a": 0, "c": 1, "b": 2}, ["c", "b"], [(1, 2)])
    assert np.frombuffer(own, np.uint32).tolist() == [0, 1, 2]
    assert [list(slots) for slots in lists] == [[7, 9], [9], [9]]
    assert list(frequencies) == [2, 1, 1]


def test_a_number_without_a_place_is_refused() -> None:
    """Nothing is written beyond the end."""
    with pytest.raises(IndexError):
        enter({"a": 1}, ["a"], 0, [None, None], array("I", [0]))
    with pytest.raises(IndexError):
        enter({"a": 1}, ["a"], 0, [None], array("I", [0, 0]))


def test_a_list_of_another_type_is_refused() -> None:
    """What is written into it has 32 bits."""
    slots = array("B", [1])
    with pytest.raises(TypeError, match="32 bits"):
        enter({"a": 0}, ["a"], 7, [slots], array("I", [1]))

    assert slots == array("B", [1])


@given(
    st.lists(st.lists(st.lists(st.integers(0, 49), max_size=6), max_size=6), max_size=4),
    st.sampled_from([1, 7, 64]),
)
def test_sums_are_those_of_numpy(texts: list[list[list[int]]], dimensions: int) -> None:
    """Rows are added one after the other, and the sum is brought to unit length."""
    table = np.random.default_rng(7).standard_normal((50, dimensions)).astype(np.float32)
    totals = np.full((len(texts), dimensions), np.nan, np.float32)

    rows = [[np.array(numbers, np.int32).tobytes() for numbers in words] for words in texts]
    add_up(table, rows, totals)

    for words, total in zip(texts, totals, strict=True):
        expected = np.zeros(dimensions, np.float32)
        for number in (number for numbers in words for number in numbers):
            expected += table[number]
        length = np.float32(np.linalg.norm(expected.astype(np.float64)))
        assert total.tolist() == (expected / length if length else expected).tolist()


def test_rows_and_totals_of_another_size_are_refused() -> None:
    """A number beyond the table, or below it, and totals of another number or length."""
    table, totals = np.zeros((3, 4), np.float32), np.zeros((1, 4), np.float32)

    for number in (3, -1):
        with pytest.raises(IndexError):
            add_up(table, [[np.array([number], np.int32).tobytes()]], totals)
    with pytest.raises(ValueError, match="total"):
        add_up(table, [], totals)
    with pytest.raises(ValueError, match="total"):
        add_up(table, [[]], np.zeros((1, 3), np.float32))
