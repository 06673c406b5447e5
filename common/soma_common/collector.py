"""How often Python looks for cycles among its objects; all else is freed by counts of references, at once.

A look goes over every container that may be in a cycle, and by default one follows every 700 new ones. A process that
makes hundreds for each call, and lets go of nearly all of them by counts, looks thousands of times in vain: a tenth of
its time.
"""

import gc

THRESHOLDS = (10_000, 10, 20)
"""See `gc.set_threshold`. A look at so many new objects takes some 5 ms, which calls have to wait for."""


def look_not_at_all() -> None:
    """Let a start look for no cycles: what it makes is to stay."""
    gc.disable()


def look_seldom() -> None:
    """Look seldom from now on, and never again at what there is now; to be called when a start is over."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
