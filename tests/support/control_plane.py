"""The real API server that tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from soma_dev.control_plane import ControlPlane
from soma_dev.control_plane import control_plane as run_control_plane

__all__ = ["ControlPlane", "control_plane"]


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Run etcd, the API server and the controllers that clean up, for the whole session.

    Nothing plays Deployments here: a test writes their status itself, where it needs one.
    """
    folder: Path = tmp_path_factory.mktemp("control-plane")
    with run_control_plane(folder) as running:
        yield running
