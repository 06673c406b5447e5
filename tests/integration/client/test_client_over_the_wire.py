"""Both clients over a real connection: answers, pages, errors, retries, deadlines."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from soma_dev.ports import free_port
from somamemory import (
    AsyncMemoryClient,
    ClientClosed,
    DeadlineExceeded,
    Draft,
    InvalidArgument,
    MemoryClient,
    NotFound,
    Overloaded,
    RequestIdReused,
    Unavailable,
    VersionConflict,
)
from tests.support.server_process import HOST
from tests.support.small_server import SmallServer, bad_request, overloaded, small_server


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with small_server() as running:
        yield running


@pytest.fixture
def client(server: SmallServer) -> Iterator[MemoryClient]:
    with MemoryClient(server.address, timeout_s=5) as opened:
        yield opened


def test_what_is_stored_is_read_back_as_it_was(client: MemoryClient) -> None:
    """Payload, metadata, coordinate and importance come back equal."""
    receipt = client.store(
        {"text": "tea"}, id="a", coordinate=[1, 2.5], metadata={"n": 1}, importance=2
    )

    memory = client.get([1, 2.5])

    assert (receipt.id, receipt.version, receipt.replayed) == ("a", 1, False)
    assert memory.payload == {"text": "tea"}
    assert memory.payload_json == b'{"text":"tea"}'
    assert (memory.coordinate, memory.metadata, memory.importance) == ((1.0, 2.5), {"n": 1}, 2.0)
    assert memory.event_time is not None
    assert memory.event_time.tzinfo is not None


def test_the_rest_of_the_calls_work(client: MemoryClient) -> None:
    """Recall, link, walk, count, name and delete, each over the wire."""
    client.store_batch(
        [Draft(payload={}, id="a", text="green tea"), Draft(payload={}, id="b", text="x")]
    )
    client.link("a", "b", weight=2.0, metadata={"why": "test"})

    recalled = client.recall("tea", explain=True)
    walk = client.neighbors("a")

    assert [hit.memory.id for hit in recalled] == ["a"]
    assert recalled[0].parts is not None
    assert [(each.memory.id, each.link.weight) for each in walk.neighbors] == [("b", 2.0)]
    assert client.stats().memory_count == 2
    assert list(client.list_namespaces()) == ["default"]
    assert client.server_info().authentication == "none"
    assert client.is_serving()
    assert client.delete("b").id == "b"
    assert len(list(client.list_memories())) == 1


async def test_the_async_client_does_the_same(server: SmallServer) -> None:
    """The client for asyncio gives the same values and the same errors."""
    async with AsyncMemoryClient(server.address, timeout_s=5) as client:
        await client.store_batch(Draft(payload={"i": i}, id=f"m{i}") for i in range(7))
        ids = [memory.id async for memory in client.list_memories(page_size=3)]
        both = await asyncio.gather(client.get("m1"), client.get("m2"))
        with pytest.raises(NotFound):
            await client.get("none")

    assert sorted(ids) == [f"m{i}" for i in range(7)]
    assert [memory.payload["i"] for memory in both] == [1, 2]


def test_an_iterator_asks_for_pages_only_as_it_goes(
    client: MemoryClient, server: SmallServer
) -> None:
    """All pages are brought, and none that nobody wants."""
    client.store_batch([Draft(payload={}, id=f"m{i}") for i in range(7)])

    first = next(iter(client.list_memories(page_size=3)))
    asked_for_one = sum(name == "List" for name, _ in server.seen)
    everything = [memory.id for memory in client.list_memories(page_size=3)]

    assert asked_for_one == 1
    assert first.id in everything
    assert len(set(everything)) == 7


def test_errors_carry_what_the_server_said(client: MemoryClient) -> None:
    """The class says what to do; resource, version and violations are attributes."""
    client.store({}, id="a", request_id="r")

    with pytest.raises(NotFound) as missing:
        client.get("none")
    with pytest.raises(VersionConflict) as moved:
        client.store({}, id="a", expected_version=7)
    with pytest.raises(RequestIdReused):
        client.store({"other": 1}, id="a", request_id="r")
    with pytest.raises(InvalidArgument) as bad:
        client.store({"long": "x" * 2000})

    assert missing.value.details.resource is not None
    assert missing.value.details.resource.name == "none"
    assert moved.value.current_version == 1
    assert [each.field for each in bad.value.violations] == ["memory.payload_json"]


def test_a_call_that_was_shed_is_made_again_with_the_same_request_id(
    client: MemoryClient, server: SmallServer
) -> None:
    """The server asked to wait twice; the third try has the request id of the first."""
    server.refusals.extend([overloaded(0.01), overloaded(0.01)])

    client.store({}, id="a")

    tries = [request for name, request in server.seen if name == "Store"]
    assert len(tries) == 3
    assert len({request.request_id for request in tries}) == 1  # type: ignore[attr-defined]


def test_a_call_that_is_shed_for_longer_than_its_deadline_fails_at_once(
    client: MemoryClient, server: SmallServer
) -> None:
    """Waiting that cannot help is not done; the error says how long it would be."""
    server.refusals.append(overloaded(60))

    with pytest.raises(Overloaded) as caught:
        client.store({})

    assert caught.value.retry_after_s == 60


def test_a_refused_request_is_not_repeated(client: MemoryClient, server: SmallServer) -> None:
    """What is wrong stays wrong: it is sent once."""
    server.refusals.append(bad_request(("a", "b")))

    with pytest.raises(InvalidArgument):
        client.get("x")

    assert [name for name, _ in server.seen] == ["Get"]


def test_no_server_is_an_error_within_the_deadline() -> None:
    """A port where nobody listens is Unavailable, or the end of the time that was given."""
    with (
        MemoryClient(f"{HOST}:{free_port()}", timeout_s=0.5) as client,
        pytest.raises((Unavailable, DeadlineExceeded)),
    ):
        client.get("x")


def test_a_client_may_be_shared_by_threads(client: MemoryClient) -> None:
    """Threads store over one connection, and every memory is there."""
    threads = [
        threading.Thread(target=lambda n=n: [client.store({}, id=f"{n}-{i}") for i in range(10)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert client.stats().memory_count == 40


def test_another_timeout_is_a_view_over_the_same_connection(
    client: MemoryClient, server: SmallServer
) -> None:
    """`with_timeout` changes the patience of the view, and nothing of the first client."""
    server.refusals.extend([overloaded(0.3), overloaded(0.3)])
    hurried = client.with_timeout(0.1)

    with pytest.raises(Overloaded):
        hurried.get("x")
    with pytest.raises(NotFound):
        client.get("x")


def test_a_closed_client_says_so(server: SmallServer) -> None:
    """Calls, streams and views of it raise an error of this package, whatever they would have done."""
    client = MemoryClient(server.address)
    view = client.with_timeout(1)
    client.close()

    for call in (
        lambda: client.store({}),
        lambda: view.get("x"),
        lambda: next(client.list_memories()),
        lambda: next(client.watch()),
        lambda: next(client.store_stream([Draft(payload={})], stream_id="s")),
    ):
        with pytest.raises(ClientClosed):
            call()


async def test_a_closed_async_client_says_so(server: SmallServer) -> None:
    """The same on an event loop."""
    client = AsyncMemoryClient(server.address)
    await client.close()

    with pytest.raises(ClientClosed):
        await client.get("x")
    with pytest.raises(ClientClosed):
        await anext(client.watch())
    with pytest.raises(ClientClosed):
        await anext(client.store_stream([Draft(payload={})], stream_id="s"))
