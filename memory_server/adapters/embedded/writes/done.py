"""What became of a write."""

from typing import NamedTuple

from memory_server.domain.memory import MemoryId, Receipt
from memory_server.ports import Change

NO_MEMORY = MemoryId("")
"""Id in the receipt of a write that concerns no single memory."""


class TakesLong(Exception):
    """A write has more to do than may be done on the loop: its transaction is to be rolled back, and done elsewhere."""


class Done(NamedTuple):
    """A write that was carried out: its receipt, and what it changed for the index and for watchers."""

    receipt: Receipt
    changes: tuple[Change, ...] = ()


def counted(commit_seq: int, count: int, changes: tuple[Change, ...] = ()) -> Done:
    """Return the outcome of a write that changed several things.

    None takes no commit: an idle server does not write.
    """
    last_seq = commit_seq if count else commit_seq - 1
    return Done(Receipt("", NO_MEMORY, last_seq, version=count, is_removed=True), changes)


def unseen(commit_seq: int, count: int) -> Done:
    """Return the outcome of a write that no reader can tell of: it takes no commit either."""
    return Done(Receipt("", NO_MEMORY, commit_seq - 1, version=count))
