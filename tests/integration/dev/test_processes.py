"""A process is never taken for another one, and never outlives its order to end."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from soma_dev import processes
from soma_dev.processes import Identity

Spawn = Callable[..., Identity]


@pytest.fixture
def spawn(tmp_path: Path) -> Spawn:
    """Give what starts a process that ends with the test."""

    def start(*command: str, **environment: str) -> Identity:
        path = {"PATH": os.environ["PATH"], **environment}
        return processes.spawn(
            ["setpriv", "--pdeathsig", "KILL", *command], log=tmp_path / "log", environment=path
        )

    return start


def test_a_process_is_found_and_ended(spawn: Spawn) -> None:
    """It runs until it is stopped; stopping it again does nothing."""
    sleeper = spawn("sleep", "60")
    assert processes.is_running(sleeper)

    assert processes.stop(sleeper)

    assert not processes.is_running(sleeper)
    assert not processes.stop(sleeper)


@pytest.mark.parametrize(
    "change", [{"started": 1}, {"boot": "another"}], ids=["reused id", "restart"]
)
def test_a_stranger_with_the_same_id_is_left_alone(spawn: Spawn, change: dict[str, int]) -> None:
    """A record of a dead process, whose id somebody else has now, ends nobody."""
    stranger = spawn("sleep", "60")
    record = replace(stranger, **change)  # type: ignore[arg-type] # one field of either type

    assert not processes.stop(record)
    assert not processes.kill(record)

    assert processes.is_running(stranger)
    processes.kill(stranger)


def test_who_ignores_the_polite_signal_is_ended_all_the_same(spawn: Spawn, tmp_path: Path) -> None:
    """After the grace there is no choice."""
    deaf = spawn(
        "sh", "-c", f"trap '' TERM; touch {tmp_path}/ready; while true; do sleep 0.05; done"
    )
    while not (tmp_path / "ready").exists():
        pass

    assert processes.stop(deaf, grace_s=0.2)

    assert not processes.is_running(deaf)


def test_a_process_is_known_by_its_marker(spawn: Spawn) -> None:
    """The environment that a process was started with tells whose it is, without any record."""
    marked = spawn("sleep", "60", SOMA_TEST_MARK=f"mine-{os.getpid()}")
    other = spawn("sleep", "60", SOMA_TEST_MARK=f"mine-{os.getpid()}0")

    # A process that is just becoming another program has no environment for a moment.
    while not (found := processes.with_environment("SOMA_TEST_MARK", f"mine-{os.getpid()}")):
        pass

    assert found == [marked]
    for one in (marked, other):
        processes.kill(one)


def test_records_survive_and_torn_ones_count_as_none(spawn: Spawn, tmp_path: Path) -> None:
    """What was saved is loaded; half a file is no record."""
    sleeper = spawn("sleep", "60")
    record = tmp_path / "sleeper.json"

    sleeper.save(record)
    assert processes.load(record) == sleeper
    record.write_text(record.read_text()[:10])

    assert processes.load(record) is None
    assert processes.load(tmp_path / "missing.json") is None
    processes.kill(sleeper)


def test_the_log_holds_both_outputs(spawn: Spawn, tmp_path: Path) -> None:
    """Whatever a process says is found in its log."""
    talker = spawn("sh", "-c", "echo to out; echo to err >&2; exec sleep 60")
    while (tmp_path / "log").read_text().count("\n") < 2:
        pass

    assert (tmp_path / "log").read_text() == "to out\nto err\n"
    processes.kill(talker)
