"""Pages of a recall: what earlier ones have shown is left out of the next.

A page cannot begin at a number: how many candidates there are, and with them what sessions and neighbours give, differs
from page to page, so that a memory may move over the border. So a token names what was shown.
"""

from collections.abc import Iterable
from hashlib import blake2b

from memory_server.domain.memory import MemoryRecord

_DIGEST_BYTES = 8

Shown = frozenset[bytes]
"""Digests of the ids of memories that earlier pages have shown."""

NOTHING_SHOWN: Shown = frozenset()


def digest(record: MemoryRecord) -> bytes:
    """Return what stands for a memory in a token."""
    return blake2b(record.id.encode(), digest_size=_DIGEST_BYTES).digest()


def packed(shown: Shown, more: Iterable[MemoryRecord]) -> bytes:
    """Return the position of the page after those that have shown these."""
    return b"".join([*shown, *map(digest, more)])


def shown_of(position: bytes) -> Shown:
    """Return what `packed` was given."""
    starts = range(0, len(position), _DIGEST_BYTES)
    return frozenset(position[start : start + _DIGEST_BYTES] for start in starts)
