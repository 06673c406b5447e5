"""The network between operator and API server fails."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from soma_operator.core.kinds import DEPLOYMENT
from tests.support.kube_api import KubeApi, Room, eventually
from tests.support.operator_process import OperatorProcess
from tests.support.operator_rooms import a_room, an_operator
from tests.support.tcp_proxy import TcpProxy

LEASE_S = 6.0


@pytest.fixture
def proxy(api: KubeApi) -> Iterator[TcpProxy]:
    """The way to the API server."""
    with TcpProxy(urlsplit(api.plane.base_url).port or 443) as proxy:
        yield proxy


@pytest.fixture
def operator(
    api: KubeApi, operator_kubeconfig: Path, proxy: TcpProxy, tmp_path: Path
) -> Iterator[OperatorProcess]:
    """An operator that reaches the API server through the proxy only."""
    port = str(urlsplit(api.plane.base_url).port)
    config = tmp_path / "config"
    config.write_text(operator_kubeconfig.read_text().replace(port, str(proxy.port)))
    with an_operator(
        config, tmp_path, lease_duration_s=LEASE_S, resync_s=2, request_timeout_s=2
    ) as process:
        yield process.wait_leading()


def test_a_short_cut_is_survived(room: Room, proxy: TcpProxy, operator: OperatorProcess) -> None:
    """What changed while the connection was broken is brought about when it is back, by the same process."""
    room.make()
    room.run()

    proxy.cut()
    room.edit({"spec": {"image": {"tag": "2.0"}}})
    time.sleep(LEASE_S / 4)
    proxy.mend()

    room.wait_for_image("2.0")
    room.run()
    assert operator.page("/livez")[0] == 200


def test_a_long_cut_ends_the_process(proxy: TcpProxy, operator: OperatorProcess) -> None:
    """Who cannot renew the Lease stops acting before somebody else may start, and ends."""
    proxy.cut()

    assert operator.wait() == 1
    assert operator.log("lost the lease")


def test_silent_watches_are_made_up_for(
    room: Room, proxy: TcpProxy, operator: OperatorProcess
) -> None:
    """Connections that hang without an error lose no change: the list at intervals finds it."""
    room.make()
    room.run()

    proxy.silence()
    room.edit({"spec": {"replicas": 0}}, "mem", DEPLOYMENT)
    time.sleep(LEASE_S / 4)
    proxy.mend()

    eventually(lambda: room.child(DEPLOYMENT)["spec"]["replicas"] == 1 or None)


def test_single_namespaces_are_served_alone(
    api: KubeApi, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    """Told to serve one namespace, the operator leaves the others to themselves."""
    ours, theirs = a_room(api), a_room(api)
    single = an_operator(operator_kubeconfig, tmp_path, watch_namespaces=ours.namespace, resync_s=1)

    with single as process:
        process.wait_leading()
        theirs.make()
        ours.make()
        ours.run()
        time.sleep(2)

    assert theirs.status() == {"observedGeneration": -1}
