"""The two threads that search: the one that is asked, and one that helps it where there is much to do.

A search runs in kernels, which let go of the interpreter's lock: while the helper searches for the later questions,
what was found for the first ones is ranked and sent. So a search may still be under way when something is to be
changed; `Hands.settle` comes before every change.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from threading import Thread
from typing import TypeAlias

from memory_server.adapters.cores import usable_cores
from memory_server.adapters.embedded.index.columns import Mask, Slots
from memory_server.domain.ranking import Scores
from memory_server.kernels.keywords import Occurrences
from memory_server.kernels.search import Search
from memory_server.kernels.shared import Helper, Shared
from memory_server.kernels.vectors import Nearest
from memory_server.ports import Seqs

Part: TypeAlias = tuple[Collection[Nearest], Sequence[Search]]
"""What is done by one thread at once: vector legs, and the searches that they are of."""

Known: TypeAlias = tuple[Scores, Scores, Slots, Scores, Slots, Mask]
"""By place: score by words, cosine, time, importance, session, and whether it asks something; see `Candidates`."""

Result: TypeAlias = tuple[Seqs, Known, Slots | None, bool]
"""The commits that were found, what is known of each, `Candidates.beside`, and whether all were compared."""

LEAST_SHARED = 12
"""So many searches are shared at least. Below, waking a thread and reading each row for fewer queries at once take what
the second core gives."""

SEARCHES_OF_PART = 2


class Running:
    """Searches that are under way.

    Args:
        shared: All of them.
        own: Where this thread adds words up.
    """

    def __init__(self, shared: Shared, own: Occurrences) -> None:
        self._shared = shared
        self._own = own
        self._finished: list[Result | Exception] = []
        self._next = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing of it reads the index any more."""
        return self._next == len(self._shared)

    def results(self) -> Iterator[Result]:
        """Yield what each search has found, in their order."""
        place = 0
        while place < len(self._finished) or not self.is_over:
            if place == len(self._finished):
                self._finish_one()
                continue
            found = self._finished[place]
            if isinstance(found, Exception):
                raise found
            yield found
            place += 1

    def settle(self) -> None:
        """Finish all; what fails is told by `results`."""
        while not self.is_over:
            self._finish_one()

    def _finish_one(self) -> None:
        part, self._next = self._next, self._next + 1
        try:
            self._finished += self._shared.finish(part, self._own)
        except Exception as error:  # noqa: BLE001 - raised where the results are asked for
            self._finished.append(error)


class Hands:
    """What searches need beside the index: for each thread, a place where words are added up."""

    def __init__(self) -> None:
        self.own = Occurrences()
        self._helper: tuple[Helper, Thread] | None = None
        self._running: list[Running] = []

    def part_size(self, searches: int) -> int:
        """Return how many of some searches make a part."""
        return SEARCHES_OF_PART if searches >= LEAST_SHARED and _cores() > 1 else searches

    def begin(self, parts: Sequence[Part], slots: int) -> Running:
        """Begin to search.

        Args:
            parts: One: it is done here. Several: whichever thread is free takes the next.
            slots: How many there are.
        """
        shared = Shared(parts, slots)
        running = Running(shared, self.own)
        if len(parts) > 1:
            self._called().post(shared)
            self._running = [each for each in self._running if not each.is_over]
            self._running.append(running)
        else:
            running.settle()
        return running

    def settle(self) -> None:
        """Finish what is under way: something is about to change."""
        running, self._running = self._running, []
        for each in running:
            each.settle()

    def close(self) -> None:
        """Let the helper go."""
        self.settle()
        if self._helper is not None:
            helper, thread = self._helper
            helper.stop()
            thread.join()
            self._helper = None

    def _called(self) -> Helper:
        if self._helper is None:
            helper = Helper()
            # A daemon: an index that nobody closes does not keep the process.
            thread = Thread(target=helper.run, name="search", daemon=True)
            thread.start()
            self._helper = (helper, thread)
        return self._helper[0]


@cache
def _cores() -> int:
    """Return how many there are; looked for once, as an index is made for every moment that is asked for."""
    return usable_cores()
