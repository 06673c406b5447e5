"""Starts front processes. Imports next to nothing, so that they come up while the engine imports the rest."""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

PROGRAM: Final = Path(__file__).with_name("soma-front")
"""Built of the folder `front` of the checkout."""


class Launched(NamedTuple):
    """A front process that waits for its first frame.

    Attributes:
        process: To be waited for when its link has ended. It ends with this process, or when `link` is closed.
        link: Our end of the socket pair between us.
    """

    process: "subprocess.Popen[bytes]"
    link: socket.socket


def launch_all(count: int) -> list[Launched]:
    """Start this many front processes."""
    return [launch() for _ in range(count)]


def launch() -> Launched:
    """Start a front process; from the main thread: the kernel ends the process with the thread that started it."""
    ours, theirs = socket.socketpair()
    with theirs:
        return Launched(_started(theirs.fileno()), ours)


def _started(link_fd: int) -> "subprocess.Popen[bytes]":
    # It inherits that these are blocked, and never hears of a terminal's Ctrl-C, which goes to all processes.
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        return subprocess.Popen(
            [PROGRAM, "--link", str(link_fd)],
            pass_fds=[link_fd],
            stdin=subprocess.DEVNULL,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
