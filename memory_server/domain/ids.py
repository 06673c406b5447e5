"""Ids that the server makes."""

from collections.abc import Callable

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
"""Two characters for each 10 bits: half as many steps as one for each 5."""

_SHIFTS = tuple(range(110, -1, -10))
_RANDOM_BITS = 80
_LOW_BITS = (1 << _RANDOM_BITS - 1) - 1

Randomness = Callable[[int], bytes]
"""Gives that many random bytes; injected, so that tests repeat."""


def new_ulid(now_us: int, randomness: Randomness) -> str:
    """Return a ULID: 26 characters that sort by time, 48 bits of milliseconds and 80 of randomness.

    Source: the ULID specification, github.com/ulid/spec.
    """
    return new_ulids(1, now_us, randomness)[0]


def new_ulids(count: int, now_us: int, randomness: Randomness) -> list[str]:
    """Return ULIDs that sort in their order: each further one is greater by 1, as the specification has it.

    The highest random bit is left 0, so that no count overflows into the time.
    """
    random = int.from_bytes(randomness(10), "big") & _LOW_BITS
    first = (now_us // 1000) << _RANDOM_BITS | random
    made: list[str] = []
    head, beginning = -1, ""
    for number in range(first, first + count):
        # Nearly all of a batch differ in the last two characters only.
        if number >> 10 != head:
            head = number >> 10
            beginning = "".join([_PAIRS[head >> shift & 1023] for shift in _SHIFTS])
        made.append(beginning + _PAIRS[number & 1023])
    return made
