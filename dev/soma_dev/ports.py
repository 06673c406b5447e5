"""Ports of this machine for servers of tests, demos and measurements."""

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from secrets import randbelow

from soma_dev.problem import Problem

LOOPBACK = "127.0.0.1"

_FIRST, _COUNT = 10_240, 19_000
"""Below the node ports of a cluster, and below what the system gives to outgoing connections: one of those would take
one between our choice and the server's start."""

_MOST_TRIES = 10_000


class _Claims:
    """Ports that were given to somebody here, in this process or in another one that is alive."""

    def __init__(self) -> None:
        path = Path(tempfile.gettempdir()) / f"soma-ports-{os.getuid()}"
        self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._owner = os.getpid()
        self._ours: set[int] = set()

    def take(self, port: int) -> bool:
        """Claim a port; return whether it was free."""
        if self._owner != os.getpid():
            # Locks are not inherited: what was claimed before the fork is not ours.
            self._owner, self._ours = os.getpid(), set()
        if port in self._ours:
            return False
        try:
            # One byte for each port; the kernel lets go of it with the process.
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        self._ours.add(port)
        return True


_claims = _Claims()


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that nobody listens on, and that nobody else who asks here gets while this process lives.

    Raises:
        Problem: There is none.
    """
    for _ in range(_MOST_TRIES):
        port = _FIRST + randbelow(_COUNT)
        if _claims.take(port) and _is_free(host, port):
            return port
    raise Problem(f"no port of {host} is free", mend="see `ss -ltn` for who listens on all of them")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
