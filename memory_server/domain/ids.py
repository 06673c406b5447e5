"""Ids that the server makes."""

from collections.abc import Callable

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Randomness = Callable[[int], bytes]
"""Gives that many random bytes; injected, so that tests repeat."""


def new_ulid(now_us: int, randomness: Randomness) -> str:
    """Return a ULID: 26 characters that sort by time, 48 bits of milliseconds and 80 of randomness.

    Source: the ULID specification, github.com/ulid/spec.
    """
    number = (now_us // 1000) << 80 | int.from_bytes(randomness(10), "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
