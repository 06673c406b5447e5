"""Cuts what is sent into messages that a server takes."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def grouped(
    items: Iterable[Item],
    size_of: Callable[[Item], int],
    *,
    most_items: int,
    most_bytes: int,
    are_apart: Callable[[Item, Item], bool] = lambda _before, _after: False,
) -> Iterator[list[Item]]:
    """Yield items in groups, in their order; one that is too large for any group is one of its own.

    A group that has all its items does not wait for the one after it.

    Args:
        items: What is sent.
        size_of: Tells what an item takes, bytes.
        most_items: Items of a group.
        most_bytes: Bytes of a group.
        are_apart: Tells whether an item and the one after it must not be in one group.
    """
    group: list[Item] = []
    size = 0
    for item in items:
        more = size_of(item)
        if group and (size + more > most_bytes or are_apart(group[-1], item)):
            yield group
            group, size = [], 0
        group.append(item)
        size += more
        if len(group) >= most_items:
            yield group
            group, size = [], 0
    if group:
        yield group
