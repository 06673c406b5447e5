"""Facts of the store that every recall asks for, kept until the next commit."""

from collections.abc import Callable
from typing import Generic, TypeVar

Fact = TypeVar("Fact")

MOST_KEPT = 1024


class UntilCommit(Generic[Fact]):
    """One fact for each namespace; all are forgotten when anything was committed.

    A commit may be in the file a moment before it is told: a fact can be newer than the commit it is kept for, never
    older.

    Args:
        commit_seq: Tells the last commit.
    """

    def __init__(self, commit_seq: Callable[[], int]) -> None:
        self._commit_seq = commit_seq
        self._kept_seq = -1
        self._kept: dict[int, Fact] = {}

    def get(self, namespace_key: int, read: Callable[[int], Fact]) -> Fact:
        """Return the fact of a namespace, reading it unless it is known."""
        commit_seq = self._commit_seq()
        if commit_seq != self._kept_seq or len(self._kept) >= MOST_KEPT:
            self._kept.clear()
            self._kept_seq = commit_seq
        fact = self._kept.get(namespace_key)
        if fact is None:
            fact = self._kept[namespace_key] = read(namespace_key)
        return fact
