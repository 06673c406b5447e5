"""Whether the clock on the wall can be believed when it says that memories are old enough to lose something."""

from dataclasses import dataclass

TOLERANCE_US = 5 * 60 * 1_000_000
"""Deviation from the monotonic clock that counts as a jump: more than any slew that keeps clocks right."""

PATIENCE_US = 15 * 60 * 1_000_000
"""After this long of the new time, it is the time. An operator who sets a clock wrongly sees it before."""


@dataclass(slots=True)
class SteadyClock:
    """Compares wall time with monotonic time, both in microseconds.

    Memories are hidden by their expiry whatever the clock does, and come back with it; what cannot be brought back
    waits while the clock is in doubt.
    """

    wall_us: int
    monotonic_us: int
    _doubted_since_us: int | None = None

    def may_act(self, wall_us: int, monotonic_us: int) -> bool:
        """Tell whether what cannot be undone may be done now."""
        expected_us = self.wall_us + (monotonic_us - self.monotonic_us)
        if abs(wall_us - expected_us) <= TOLERANCE_US:
            self._doubted_since_us = None
            return True
        if self._doubted_since_us is None:
            self._doubted_since_us = monotonic_us
        if monotonic_us - self._doubted_since_us < PATIENCE_US:
            return False
        self.wall_us, self.monotonic_us = wall_us, monotonic_us
        self._doubted_since_us = None
        return True
