"""Start and stop: signals."""

import asyncio
import signal


def stop_event_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets; to be called inside the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
