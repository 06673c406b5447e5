"""What is remembered of words."""

from collections.abc import Sequence

from memory_server.adapters.remembered import Remembered


def a_memory(most: int = 8, longest: int = 5) -> tuple[Remembered[int], list[str]]:
    """Return a memory of the lengths of words, and the words it asked for."""
    asked: list[str] = []

    def find(words: Sequence[str]) -> list[int]:
        asked.extend(words)
        return [len(word) for word in words]

    return Remembered(find, most=most, longest=longest), asked


def test_words_are_asked_for_once() -> None:
    """The same word twice in a question, or in two questions, is one to find."""
    remembered, asked = a_memory()

    assert remembered.of(["a", "bb", "a"]) == [1, 2, 1]
    assert remembered.of(["bb", "ccc"]) == [2, 3]
    assert sorted(asked) == ["a", "bb", "ccc"]
    assert remembered.known(["a", "d"]) == ([1, None], {"d"})


def test_what_is_asked_for_again_stays() -> None:
    """However many words come, few are kept; those of every question are among them."""
    remembered, asked = a_memory()
    for number in range(50):
        remembered.of(["x", f"w{number}"])
        assert len(remembered) <= 8

    assert asked.count("x") == 1
    assert remembered.known(["w0", "w49"]) == ([None, 3], {"w0"})


def test_long_words_are_not_kept() -> None:
    """They are found anew each time."""
    remembered, asked = a_memory(longest=5)

    assert remembered.of(["123456", "12345"]) == remembered.of(["123456", "12345"]) == [6, 5]
    assert sorted(asked) == ["12345", "123456", "123456"]


def test_many_words_at_once_push_nothing_out() -> None:
    """A question of more words than are kept leaves what was known."""
    remembered, _ = a_memory(most=8)
    remembered.of(["a", "b"])

    assert remembered.of([f"w{number}" for number in range(9)]) == [2] * 9
    assert remembered.known(["a", "b", "w0"]) == ([1, 1, None], {"w0"})
