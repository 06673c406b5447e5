"""Waiting for something to become true, with a limit and a clear end."""

import time
from collections.abc import Callable
from typing import TypeVar

from soma_dev.problem import Problem

Found = TypeVar("Found")


def wait_for(
    look: Callable[[], Found | None],
    what: str,
    *,
    timeout_s: float,
    mend: str,
    pause_s: float = 0.1,
) -> Found:
    """Look again and again until something other than None or False is seen, and return it.

    Raises:
        Problem: Nothing was seen in time; names `what` and the mend.
    """
    end = time.monotonic() + timeout_s
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > end:
            raise Problem(f"{what}: nothing after {timeout_s:.0f} s", mend=mend)
        time.sleep(pause_s)
