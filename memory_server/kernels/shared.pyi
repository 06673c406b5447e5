"""Searches that two threads share, part by part: the one that asks, and a helper.

The helper waits, takes and works without the interpreter's lock, which the one that asks would else have to wait for.
"""

from collections.abc import Collection, Sequence

from memory_server.kernels.keywords import Occurrences
from memory_server.kernels.search import Found, Search
from memory_server.kernels.vectors import Nearest

class Shared:
    """Searches, in parts.

    Args:
        parts: What a thread does at once: vector legs, and the searches that they are of.
        slots: How many slots there are.
    """

    def __init__(
        self, parts: Sequence[tuple[Collection[Nearest], Sequence[Search]]], slots: int
    ) -> None: ...
    def __len__(self) -> int:
        """Return how many parts there are."""

    def finish(self, part: int, occurrences: Occurrences) -> list[Found]:
        """Return what the searches of a part have found, and let them go; to be asked once for each.

        While the helper is at it, this thread does further parts.

        Raises:
            IndexError: There is no such part, or a slot or a row of it is beyond what there is.
        """

class Helper:
    """A second thread for parts; `run` is what it does."""

    def post(self, shared: Shared) -> None:
        """Let it do parts of this; all of them are to be finished before what they read changes."""

    def run(self) -> None:
        """Do what is posted, until it is stopped."""

    def stop(self) -> None:
        """Let `run` return; nothing may be posted after."""
