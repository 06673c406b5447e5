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

    assert known_of(["b", "a", "c"], young, old) == [3, 1, None]
    assert young == {"a": 1, "b": 3}


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=12), max_size=12))
def test_slots_are_entered_under_their_words(memories: list[list[str]]) -> None:
    """Each word has the slots that have it, and how many those are; what repeats is told."""
    numbers = {word: number for number, word in enumerate("abcdef")}
    lists: list[array[int] | None] = [None] * 6
    frequencies = array("I", [0] * 6)
    for slot, words in enumerate(memories):
        own, repeats = enter(numbers, words, slot, lists, frequencies)

        counts = Counter(numbers[word] for word in words)
        assert np.frombuffer(own, np.uint32).tolist() == sorted(counts)
        assert dict(repeats) == {number: count for number, count in counts.items() if count > 1}

    for word, number in numbers.items():
        expected = [slot for slot, words in enumerate(memories) if word in words]
        assert list(lists[number] or []) == expected
        assert frequencies[number] == len(expected)


def test_a_word_without_a_number_changes_nothing() -> None:
    """All words are looked up before the first list is touched."""
    lists: list[array[int] | None] = [None]
    frequencies = array("I", [0])

    with pytest.raises(KeyError):
        enter({"a": 0}, ["a", "b"], 0, lists, frequencies)
    assert lists == [None]
    assert frequencies[0] == 0


def test_a_number_without_a_place_is_refused() -> None:
    """Nothing is written beyond the end."""
    with pytest.raises(IndexError):
        enter({"a": 1}, ["a"], 0, [None, None], array("I", [0]))
    with pytest.raises(IndexError):
        enter({"a": 1}, ["a"], 0, [None], array("I", [0, 0]))


@given(st.lists(st.lists(st.integers(0, 49), max_size=6), max_size=6), st.sampled_from([1, 7, 64]))
def test_sums_are_those_of_numpy(words: list[list[int]], dimensions: int) -> None:
    """Rows are added one after the other, and the sum is brought to unit length."""
    table = np.random.default_rng(7).standard_normal((50, dimensions)).astype(np.float32)
    total = np.full(dimensions, np.nan, np.float32)

    add_up(table, [np.array(numbers, np.int32).tobytes() for numbers in words], total)

    expected = np.zeros(dimensions, np.float32)
    for number in (number for numbers in words for number in numbers):
        expected += table[number]
    length = np.float32(np.linalg.norm(expected.astype(np.float64)))
    assert total.tolist() == (expected / length if length else expected).tolist()


def test_rows_and_totals_of_another_size_are_refused() -> None:
    """A number beyond the table, or below it, and a total of another length."""
    table, total = np.zeros((3, 4), np.float32), np.zeros(4, np.float32)

    for number in (3, -1):
        with pytest.raises(IndexError):
            add_up(table, [np.array([number], np.int32).tobytes()], total)
    with pytest.raises(ValueError, match="total"):
        add_up(table, [], total[:3])
