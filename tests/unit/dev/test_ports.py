"""Ports for servers: nobody gets one that somebody else has, or was given."""

import itertools
import socket
import subprocess
import sys

import pytest

from soma_dev import ports
from soma_dev.problem import Problem


def test_no_port_is_given_twice() -> None:
    """A server may start long after its port was chosen."""
    given = [ports.free_port() for _ in range(200)]

    assert len(set(given)) == len(given)


PROGRAM = """
import itertools
from soma_dev import ports
ports.randbelow = lambda count, dice=itertools.count(): next(dice) % count
print(ports.free_port(), flush=True)
input()
"""


def test_processes_beside_each_other_get_different_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though both roll the same dice: what one was given, the other is not, while the first one lives."""
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        dice = itertools.count(theirs - ports._FIRST)
        monkeypatch.setattr(ports, "randbelow", lambda count: next(dice) % count)
        ours = ports.free_port()
        other.communicate("\n")

    assert ours > theirs


def test_a_port_that_somebody_listens_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever it is."""
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        taken = server.getsockname()[1]
        monkeypatch.setattr(ports, "_FIRST", taken)
        monkeypatch.setattr(ports, "_COUNT", 1)

        with pytest.raises(Problem):
            ports.free_port()
