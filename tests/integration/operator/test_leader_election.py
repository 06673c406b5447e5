"""Of several operators one acts, and another takes over."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from soma_operator.core.kinds import LEASE, SERVICE_ACCOUNT
from tests.support.kube_api import KubeApi, Room
from tests.support.operator_process import OperatorProcess
from tests.support.operator_rooms import SYSTEM, an_operator

LEASE_S = 5.0

LONG_LEASE_S = 300.0
"""Nobody waits for its end: who leads within a test's patience was given the Lease."""


@pytest.fixture
def pair(
    operator_kubeconfig: Path, tmp_path: Path
) -> Iterator[tuple[OperatorProcess, OperatorProcess]]:
    """One that leads, and one that waits and follows soon."""
    with a_pair(operator_kubeconfig, tmp_path, LEASE_S) as (one, two):
        yield one, two


@contextmanager
def a_pair(
    kubeconfig: Path, folder: Path, lease_s: float
) -> Iterator[tuple[OperatorProcess, OperatorProcess]]:
    one = an_operator(kubeconfig, folder, "one", lease_duration_s=lease_s)
    two = an_operator(kubeconfig, folder, "two", lease_duration_s=lease_s)
    with one:
        one.wait_leading()
        with two:
            two.wait_ready()
            yield one, two


def holder(api: KubeApi) -> str:
    return str(api.get(LEASE, SYSTEM, "soma-operator")["spec"]["holderIdentity"])


def test_one_acts_and_both_are_ready(
    api: KubeApi, pair: tuple[OperatorProcess, OperatorProcess], room: Room
) -> None:
    """The follower is ready and writes nothing."""
    one, two = pair

    room.make()
    room.run()

    assert holder(api) == "one"
    assert "soma_operator_is_leader 0.0" in two.page("/metrics")[1]
    assert one.log("applied a child")
    assert not two.log("applied a child")


def test_an_orderly_end_hands_over_at_once(
    api: KubeApi, operator_kubeconfig: Path, tmp_path: Path, room: Room
) -> None:
    """Who is asked to stop gives the Lease back: the next one does not wait for it to run out."""
    with a_pair(operator_kubeconfig, tmp_path, LONG_LEASE_S) as (one, two):
        assert one.stop() == 0
        assert holder(api) in ("", "two")
        two.wait_leading()
        room.make()
        room.run()
        assert two.stop() == 0

    assert holder(api) == ""


def test_a_killed_leader_is_followed(
    api: KubeApi, pair: tuple[OperatorProcess, OperatorProcess], room: Room
) -> None:
    """In the middle of a roll-out the leader is killed; the follower finishes it."""
    one, two = pair
    room.make()
    room.child(SERVICE_ACCOUNT)

    one.kill()
    two.wait_leading()
    room.run()

    assert holder(api) == "two"


def test_a_frozen_leader_ends_when_it_wakes(
    api: KubeApi, pair: tuple[OperatorProcess, OperatorProcess], room: Room
) -> None:
    """A leader that slept longer than its Lease writes nothing more, and ends its process."""
    one, two = pair
    one.signal(signal.SIGSTOP)
    two.wait_leading()
    room.make()
    room.child(SERVICE_ACCOUNT)
    written = len(one.log("applied a child"))

    one.signal(signal.SIGCONT)

    assert one.wait() == 1
    assert len(one.log("applied a child")) == written
    assert one.log("lost the lease")
    assert holder(api) == "two"
