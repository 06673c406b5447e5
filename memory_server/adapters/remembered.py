"""What was found out about words that were met lately: most of the words of a text were in the texts before it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from memory_server.kernels.words import known_of

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """Values by word, in two generations: when the young one is full, the old one is forgotten whole.

    Several threads may ask.

    Args:
        find: Returns the values of words, which nobody else knows, in their order.
        most: How many words are kept at most, beside those that one question brings.
        longest: Longer words are not kept.
        are_numbers_known: The value of a number is itself. They are what is met for the first time most often.
    """

    def __init__(
        self,
        find: Callable[[Sequence[str]], Sequence[Value]],
        *,
        most: int,
        longest: int,
        are_numbers_known: bool = False,
    ) -> None:
        self._find = find
        self._are_numbers_known = are_numbers_known
        self._most_young = most // 2
        self._longest = longest
        self._young: dict[str, Value] = {}
        self._old: dict[str, Value] = {}

    def known(self, words: list[str]) -> tuple[list[Value | None], set[str] | None]:
        """Return what is known of each word, and the words of which nothing is, if any."""
        return known_of(words, self._young, self._old, self._are_numbers_known)

    def of(self, words: list[str]) -> list[Value]:
        """Return the value of each word."""
        known, missing = self.known(words)
        if missing:
            return filled(words, known, self.learn(missing))
        return known  # type: ignore[return-value] # none of them is None

    def learn(self, words: Iterable[str]) -> dict[str, Value]:
        """Find the values of words and return them; each word once."""
        asked = list(words)
        learnt = dict(zip(asked, self._find(asked), strict=True))
        kept = {word: value for word, value in learnt.items() if len(word) <= self._longest}
        if len(kept) > self._most_young:
            # The words of a whole index: they would push out those that are asked for.
            return learnt
        if len(self._young) + len(kept) > self._most_young:
            self._young, self._old = {}, self._young
        self._young.update(kept)
        return learnt

    def __len__(self) -> int:
        """Return how many words are kept."""
        return len(self._young) + len(self._old)


def filled(
    words: Sequence[str], known: list[Value | None], learnt: dict[str, Value]
) -> list[Value]:
    """Return what is known of each word, or was learnt since; the gaps of `known` are filled in their places."""
    place = -1
    # Mostly one word of a text is new: whatever is known already is not looked at here.
    for _ in range(known.count(None)):
        place = known.index(None, place + 1)
        known[place] = learnt[words[place]]
    return known  # type: ignore[return-value] # none of them is None any more
