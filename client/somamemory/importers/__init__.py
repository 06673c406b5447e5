"""Readers of foreign and own files: each turns bytes into drafts with a stable id and a place.

How to add a format: write a module with a `read` function, name it in `files.FORMATS`, and give its
file-name endings in `files.ENDINGS`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from somamemory.model import Draft


@dataclass(frozen=True, slots=True)
class Found:
    """One memory that was read, and where: `file:line`."""

    draft: Draft
    place: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of a file that is no memory, where it is, and why."""

    place: str
    problem: str


class Reader(Protocol):
    """Reads one file.

    Guarantees: every byte of the file ends in a `Found` or an `Unreadable`; the same bytes under the
    same name give the same drafts with the same ids.
    """

    def __call__(self, file: BinaryIO, name: str) -> Iterator[Found | Unreadable]:
        """Yield what the file holds, in its order."""
        ...
