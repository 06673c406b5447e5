"""One server for the tests that do not stop it, and stubs of its services."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from tests.support import edge
from tests.support.server_process import ServerProcess
from tests.support.wire import Wire

SMALL_PAYLOAD_BYTES = 64 * 1024


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a small payload limit; tests keep apart by their namespaces."""
    folder: Path = tmp_path_factory.mktemp("shared") / "data"
    with ServerProcess(folder, max_payload_bytes=SMALL_PAYLOAD_BYTES) as server:
        yield server


@pytest.fixture
async def wire(shared_server: ServerProcess) -> AsyncIterator[Wire]:
    """Stubs of the shared server, and a namespace that nobody else uses."""
    async with grpc.aio.insecure_channel(shared_server.address) as channel:
        yield Wire(channel, namespace=f"test-{uuid.uuid4().hex[:8]}")


@pytest.fixture(params=[0, 1], ids=["own port", "front process"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What uses this holds for the port of the process and for that of a front process."""
    monkeypatch.setattr(edge, "FRONT_PROCESSES", request.param)
