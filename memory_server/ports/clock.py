"""What tells the time."""

from typing import Protocol


class Clock(Protocol):
    """Tells the time; injected, so that tests can turn it."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch, UTC."""
        ...
