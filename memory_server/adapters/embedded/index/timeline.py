"""The episodes of one partition in the order of their events: what came just before and just after.

Episodes of one session follow each other in it; those that name no session follow each other by time alone.
"""

from array import array
from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from memory_server.adapters.embedded.index.columns import Slots


class _Track:
    """One session: times and slots, in order."""

    __slots__ = ("slots", "times_us")

    def __init__(self) -> None:
        self.times_us = array("q")
        self.slots = array("I")

    def place(self, time_us: int, slot: int) -> int:
        times, slots = self.times_us, self.slots
        return bisect_left(
            range(len(slots)), (time_us, slot), key=lambda place: (times[place], slots[place])
        )


class Timeline:
    """Episodic memories by session, event time and commit."""

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}

    def add(self, session: int, time_us: int, slot: int) -> tuple[int, int]:
        """Take an episode in, nearly always at the end; return the slots just before and just after it, or -1."""
        track = self._tracks.get(session)
        if track is None:
            track = self._tracks[session] = _Track()
        times, slots = track.times_us, track.slots
        if not times or time_us >= times[-1]:
            times.append(time_us)
            slots.append(slot)
            return (slots[-2] if len(slots) > 1 else -1), -1
        place = track.place(time_us, slot)
        times.insert(place, time_us)
        slots.insert(place, slot)
        return (slots[place - 1] if place else -1), slots[place + 1]

    def remove(self, session: int, time_us: int, slot: int) -> None:
        """Drop an episode."""
        track = self._tracks[session]
        place = track.place(time_us, slot)
        del track.times_us[place], track.slots[place]
        if not track.slots:
            del self._tracks[session]

    @classmethod
    def of(cls, sessions: npt.NDArray[np.int32], times_us: Slots, slots: Slots) -> "Timeline":
        """Return the timeline of episodes that are in order already, session by session."""
        made = cls()
        starts = np.flatnonzero(np.diff(sessions, prepend=-1)).tolist()
        for start, stop in zip(starts, [*starts[1:], len(sessions)][: len(starts)], strict=True):
            track = made._tracks[int(sessions[start])] = _Track()
            track.times_us = array("q", times_us[start:stop].tobytes())
            track.slots = array("I", slots[start:stop].astype(np.uint32).tobytes())
        return made
