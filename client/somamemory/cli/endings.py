"""How a command ends that is told to: by an exception, so that what it began is tidied up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""Of a cluster that stops a pod, and of a terminal that is closed. Ctrl-C is an exception by itself."""

_BY_SIGNAL = 128
"""Exit codes of what a signal ended begin there, as those of shells do."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let signals end what runs within as an exit does; those that are ignored stay so.

    A signal's own way of ending leaves parts of copies behind, on disks and in buckets; and the first process of a
    container has none, so that it would be waited for in vain.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Signals are for the main thread alone.
        return
    ours = [one for one in SIGNALS if signal.getsignal(one) is signal.SIG_DFL]
    for one in ours:
        signal.signal(one, _end)
    try:
        yield
    finally:
        for one in ours:
            signal.signal(one, signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_BY_SIGNAL + number)
