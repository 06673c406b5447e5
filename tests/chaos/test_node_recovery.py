"""A native node that was ended uncleanly is started anew, and nothing of the dead one is left."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator

import pytest

from soma_dev import debian, processes
from soma_dev.cluster.native import cgroups, node, remains
from soma_dev.cluster.native.layout import MARKER, Layout, layout
from soma_dev.cluster.native.provider import Native
from soma_dev.shell import run

NAME = "chaos"


def kill_services(target: Layout) -> None:
    """End every process of the node but its containers."""
    for one in processes.with_environment(MARKER, target.identity):
        os.kill(one.pid, signal.SIGKILL)


def kill_half(target: Layout) -> None:
    """End every second process of the node."""
    for one in processes.with_environment(MARKER, target.identity)[::2]:
        os.kill(one.pid, signal.SIGKILL)


def forget_records(target: Layout) -> None:
    """Lose all that was noted about the processes, while they run."""
    shutil.rmtree(target.state / "processes")


def tear_namespace(target: Layout) -> None:
    """Take the network away."""
    run("ip", "link", "del", target.host_interface)


@pytest.fixture
def target() -> Iterator[Layout]:
    """Run a node of its own."""
    debian.extend_path()
    made = layout(NAME)
    Native(made).up(print)
    yield made
    node.down(made)


@pytest.mark.parametrize("blow", [kill_services, kill_half, forget_records, tear_namespace])
def test_a_broken_node_is_made_anew(target: Layout, blow: Callable[[Layout], None]) -> None:
    """Whatever broke, the next start gives a healthy node."""
    blow(target)
    assert not node.is_healthy(target)

    Native(target).up(print)

    assert node.is_healthy(target)
    assert node.kubectl(target, "get", "nodes", "-o", "name").strip() == "node/node1"


def test_the_end_leaves_nothing(target: Layout) -> None:
    """No process, mount, interface, namespace, cgroup or file of the node stays."""
    node.down(target)

    assert not remains.exist(target)
    assert remains.mounts(target.state) == []
    assert cgroups.members(target.cgroup) == []
    assert target.host_interface not in run("ip", "-brief", "link")


def test_a_stranger_is_left_alone(target: Layout) -> None:
    """A record whose process id now belongs to somebody else ends nobody."""
    stranger = processes.identify(os.getpid())
    assert stranger is not None
    processes.Identity(stranger.pid, 1, stranger.boot).save(target.state / "processes/etcd.json")

    node.down(target)

    assert processes.is_running(stranger)
