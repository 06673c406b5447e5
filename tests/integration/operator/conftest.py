"""A real API server with the chart on it, a namespace for each test, an operator for each file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from soma_dev.control_plane import ControlPlane
from tests.support.kube_api import KubeApi, Room
from tests.support.operator_process import OperatorProcess
from tests.support.operator_rooms import a_room, an_operator, install, kubeconfig_of_the_operator


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> KubeApi:
    """The administrator, on an API server with the chart's CRD and rights."""
    return install(control_plane)


@pytest.fixture(scope="session")
def operator_kubeconfig(api: KubeApi, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Access with the rights that the chart gives the operator, and no more."""
    return kubeconfig_of_the_operator(api, tmp_path_factory.mktemp("access") / "config")


@pytest.fixture
def room(api: KubeApi) -> Iterator[Room]:
    """A namespace for one test; operators of later tests have nothing to do in it."""
    room = a_room(api)
    yield room
    room.clear()


@pytest.fixture(scope="module")
def operator(
    operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """An operator that serves all namespaces."""
    with an_operator(operator_kubeconfig, tmp_path_factory.mktemp("operator")) as process:
        yield process.wait_leading()
