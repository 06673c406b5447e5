"""The connection breaks when the server answers: the caller is told the truth about what happened."""

from collections.abc import Callable, Iterator

import pytest

from somamemory import AlreadyExists, AsyncMemoryClient, MemoryClient, Unavailable
from tests.support.server_process import HOST, ServerProcess
from tests.support.tcp_proxy import TcpProxy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("lost") / "data") as running:
        yield running


@pytest.fixture
def proxy(server: ServerProcess) -> Iterator[TcpProxy]:
    with TcpProxy(server.grpc_port) as running:
        yield running


@pytest.fixture
def client(proxy: TcpProxy) -> Iterator[MemoryClient]:
    with MemoryClient(f"{HOST}:{proxy.port}") as opened:
        yield opened


@pytest.mark.parametrize(
    "write",
    [
        lambda client, name: client.erase_subject("about", "dan", namespace=name),
        lambda client, name: client.purge(namespace=name, everything=True),
        lambda client, name: client.share(f"{name}-2", namespace=name),
        lambda client, name: client.create_namespace(f"{name}-2"),
        lambda client, name: client.delete_namespace(name),
        lambda client, name: list(client.import_memories([], namespace=name)),
    ],
    ids=["erase", "purge", "share", "create", "delete", "import"],
)
def test_a_write_that_cannot_be_repeated_says_that_it_may_have_happened(
    write: Callable[[MemoryClient, str], object],
    client: MemoryClient,
    proxy: TcpProxy,
    request: pytest.FixtureRequest,
) -> None:
    """It is made once, and the error does not pass for an answer."""
    name = request.node.callspec.id
    client.store({"text": "dan"}, namespace=name, metadata={"about": "dan"})
    proxy.lose_an_answer()

    with pytest.raises(Unavailable, match="may have happened"):
        write(client, name)

    assert not proxy.is_losing


async def test_the_async_client_says_so_too(proxy: TcpProxy) -> None:
    """What was lost was done: a second time finds it there."""
    async with AsyncMemoryClient(f"{HOST}:{proxy.port}") as client:
        await client.is_serving()
        proxy.lose_an_answer()

        with pytest.raises(Unavailable, match="may have happened"):
            await client.create_namespace("async")
        with pytest.raises(AlreadyExists):
            await client.create_namespace("async")


def test_reads_and_writes_with_request_ids_are_repeated(
    client: MemoryClient, proxy: TcpProxy
) -> None:
    """A lost answer is asked for again; a write that was repeated happened once."""
    proxy.lose_an_answer()
    receipt = client.store({"text": "tea"}, id="tea", namespace="repeated")
    proxy.lose_an_answer()
    memory = client.get("tea", namespace="repeated")

    assert not proxy.is_losing
    assert receipt.replayed
    assert (receipt.version, memory.version) == (1, 1)
