"""The episodes of one partition in the order of their events: what came just before and just after."""

import bisect
from collections.abc import Iterator

from memory_server.domain.ranking import EPISODE_GAP_US


class Timeline:
    """Episodic memories by event time, then by commit."""

    def __init__(self) -> None:
        self._events: list[tuple[int, int]] = []

    def add(self, event_time_us: int, seq: int) -> None:
        """Take an episode in; nearly always at the end."""
        bisect.insort(self._events, (event_time_us, seq))

    def remove(self, event_time_us: int, seq: int) -> None:
        """Drop an episode."""
        place = bisect.bisect_left(self._events, (event_time_us, seq))
        del self._events[place]

    def adjacent(self, event_time_us: int, seq: int) -> Iterator[int]:
        """Yield the commits of the episodes just before and just after, if they belong to the same stretch of time."""
        place = bisect.bisect_left(self._events, (event_time_us, seq))
        for other in (place - 1, place + 1):
            if 0 <= other < len(self._events):
                other_time_us, other_seq = self._events[other]
                if abs(other_time_us - event_time_us) <= EPISODE_GAP_US:
                    yield other_seq
