"""Which memories have which words: an inverted list over the slots of one partition.

Words are numbered as they come. Each has the ascending slots that have it; nearly every word stands in a memory once,
and what repeats is kept apart as (slot, count). What was there when the partition was loaded or compacted is one array
in the order of the words; what came since is a small array for each word.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.columns import Arrays
from memory_server.kernels.words import enter

_Array32 = npt.NDArray[np.uint32]

Repeats: TypeAlias = "tuple[array[int], array[float]]"
"""The slots in which a word stands more than once, ascending, and how often."""

Lists: TypeAlias = (
    "tuple[dict[str, int], array[int], npt.NDArray[np.int64], _Array32, list[array[int] | None], dict[int, Repeats],"
    " _Array32, _Array32]"
)
"""See `kernels.keywords`."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Postings in the order of the words: the slots of word n are those from `starts[n]` to `starts[n + 1]`."""

    starts: npt.NDArray[np.int64]
    slots: _Array32

    @classmethod
    def empty(cls) -> "Sealed":
        """Return the postings of no word."""
        return cls(np.zeros(1, np.int64), np.empty(0, np.uint32))


class Postings:
    """The words of a partition."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        """Number of each word, in their order."""
        self._frequencies = array("I")
        """Live memories that have the word, by its number."""
        self._sealed = Sealed.empty()
        self._fresh: list[array[int] | None] = []
        self._repeats: dict[int, Repeats] = {}
        """By word: the slots in which it stands more than once, and how often."""
        self._words = array("I")
        self._ends = array("I")
        """The other way round: the words of each slot, one slot after the other, and where those of a slot end."""

    def add(self, slot: int, words: list[str]) -> list[str]:
        """Take a memory in; return the words that are new."""
        own, repeats, new = enter(self.numbers, words, slot, self._fresh, self._frequencies)
        self._words.frombytes(own)
        self._ends.append(len(self._words))
        for number, count in repeats:
            self._repeat(number, slot, count)
        return new

    def _repeat(self, number: int, slot: int, count: float) -> None:
        known = self._repeats.get(number)
        if known is None:
            known = self._repeats[number] = (array("I"), array("f"))
        slots, counts = known
        counts.append(count)
        slots.append(slot)

    def remove(self, slot: int) -> None:
        """Let a memory's words no longer count; it stays among their slots until the partition is compacted."""
        start = self._ends[slot - 1] if slot else 0
        for number in self._words[start : self._ends[slot]]:
            self._frequencies[number] -= 1

    def frequency(self, word: str) -> int:
        """Return how many memories have the word."""
        number = self.numbers.get(word)
        return 0 if number is None else self._frequencies[number]

    @property
    def lists(self) -> Lists:
        """What `kernels.keywords` looks words up in; to be let go before the next addition."""
        sealed = self._sealed
        return (
            self.numbers,
            self._frequencies,
            sealed.starts,
            sealed.slots,
            self._fresh,
            self._repeats,
            np.frombuffer(self._words, np.uint32),
            np.frombuffer(self._ends, np.uint32),
        )

    def sealed(self, new_slots: npt.NDArray[np.int64], count: int) -> "Postings":
        """Return the same postings in one array, with the slots renumbered; may run in a thread beside additions.

        Args:
            new_slots: New number of each slot; -1: left out.
            count: Slots from here on are left out, too: they came after the work began.
        """
        # `tobytes` copies in one step, whatever the loop appends meanwhile.
        ends = np.frombuffer(self._ends.tobytes(), np.uint32)[:count].astype(np.int64)
        words = list(self.numbers)
        numbers = np.frombuffer(self._words.tobytes(), np.uint32)[: ends[-1] if count else 0]
        slots = new_slots[np.repeat(np.arange(count), np.diff(ends, prepend=0))]
        numbers, slots = numbers[slots >= 0], slots[slots >= 0]
        # Words of removed memories are forgotten with them.
        kept, places = np.unique(numbers, return_inverse=True)
        made = Postings()
        made.numbers = {words[old]: new for new, old in enumerate(kept.tolist())}
        made._seal(places, slots, int((new_slots >= 0).sum()))
        for new, old in enumerate(kept.tolist()):
            for slot, times in self._repeats_of(old, count):
                if new_slots[slot] >= 0:
                    made._repeat(new, int(new_slots[slot]), times)
        return made

    def _repeats_of(self, number: int, count: int) -> Iterator[tuple[int, float]]:
        """Yield (slot, times) of a word in the first `count` slots."""
        slots, counts = self._repeats.get(number, ((), ()))
        # The counts are appended first: each slot that is seen here has one.
        return ((s, c) for s, c in zip(list(slots), counts, strict=False) if s < count)

    def _seal(
        self, numbers: npt.NDArray[np.integer[Any]], slots: npt.NDArray[np.int64], count: int
    ) -> None:
        """Fill this with pairs of word and slot, in the order of the slots."""
        frequencies = np.bincount(numbers, minlength=len(self.numbers))
        order = np.argsort(numbers, kind="stable")
        starts = np.concatenate([[0], np.cumsum(frequencies)])
        self._sealed = Sealed(starts, slots[order].astype(np.uint32))
        self._frequencies = array("I", frequencies.astype(np.uint32).tobytes())
        self._fresh = [None] * len(frequencies)
        self._words = array("I", numbers.astype(np.uint32).tobytes())
        ends = np.cumsum(np.bincount(slots, minlength=count))
        self._ends = array("I", ends.astype(np.uint32).tobytes())

    def arrays(self) -> Arrays:
        """Return what `loaded` takes; only after `sealed`."""
        repeats = [
            (number, slot, int(count))
            for number, (slots, counts) in self._repeats.items()
            for slot, count in zip(slots, counts, strict=True)
        ]
        return {
            "starts": self._sealed.starts,
            "slots": self._sealed.slots,
            "words": np.frombuffer(self._words, np.uint32),
            "ends": np.frombuffer(self._ends, np.uint32),
            "repeats": np.array(repeats, np.uint32).reshape(-1, 3),
            "texts": np.frombuffer("\n".join(self.numbers).encode(), np.uint8),
        }

    @classmethod
    def loaded(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Postings":
        """Return the postings of arrays; the greatest of them stays where it is."""
        made = cls()
        texts = arrays["texts"].tobytes().decode()
        made.numbers = {
            word: number for number, word in enumerate(texts.split("\n") if texts else [])
        }
        starts = arrays["starts"]
        made._sealed = Sealed(starts, arrays["slots"])
        made._frequencies = array("I", np.diff(starts).astype(np.uint32).tobytes())
        made._fresh = [None] * len(made.numbers)
        made._words = array("I", arrays["words"].tobytes())
        made._ends = array("I", arrays["ends"].tobytes())
        for number, slot, count in arrays["repeats"].tolist():
            made._repeat(number, slot, count)
        return made
