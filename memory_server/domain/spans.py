"""Spans of time."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

NEVER_US = -(1 << 62)
ALWAYS_US = 1 << 62
"""Before and after any time of a memory, microseconds."""


class Span(NamedTuple):
    """Microseconds since the epoch: from one time on, and before another."""

    from_us: int
    until_us: int

    def holds(self, time_us: int) -> bool:
        """Tell whether a time lies in it."""
        return self.from_us <= time_us < self.until_us


FEW = 8
"""So many spans are looked at one after the other in the time that a search for each number takes."""


def within(times_us: npt.NDArray[np.int64], spans: Sequence[Span]) -> npt.NDArray[np.bool_]:
    """Return which times lie in one of some spans, which are ascending and apart from each other."""
    found: npt.NDArray[np.bool_] = np.zeros(len(times_us), np.bool_)
    if len(spans) > FEW:
        starts, ends = np.array(spans, np.int64).T
        last = starts.searchsorted(times_us, "right") - 1
        found |= (last >= 0) & (times_us < ends[last])
        return found
    for span in spans:
        found |= (times_us >= span.from_us) & (times_us < span.until_us)
    return found
