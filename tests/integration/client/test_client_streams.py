"""Calls and streams of the client on a bad day: producers that wait, networks that break, limits that are reached."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from somamemory import Draft, MemoryClient, Query, Recalled, Unavailable, channel
from tests.support.server_process import HOST, ServerProcess
from tests.support.tcp_proxy import TcpProxy

T = TypeVar("T")

WITHIN_S = 20.0
"""For what would never come: a busy machine fails no test."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("streams") / "data") as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[MemoryClient]:
    with MemoryClient(server.address) as opened:
        yield opened


def test_an_answer_comes_while_the_producer_waits_for_it(client: MemoryClient) -> None:
    """Each question is asked after the answer to the one before, as in a talk."""
    client.store({"text": "green tea"}, id="tea", namespace="talk")
    asked: queue.Queue[str | None] = queue.Queue()

    def talk() -> list[str]:
        found = []
        asked.put("tea")
        questions = (Query(text=each, namespace="talk") for each in iter(asked.get, None))
        for recalled in client.recall_stream(questions):
            assert isinstance(recalled, Recalled)
            found.append(recalled[0].memory.id)
            asked.put("tea" if len(found) < 3 else None)
        return found

    assert _soon(talk) == ["tea"] * 3


def test_a_stream_is_let_go_while_the_producer_waits(client: MemoryClient) -> None:
    """Breaking out of the loop ends the call at once."""
    never = threading.Event()

    def questions() -> Iterator[Query]:
        yield Query(text="tea", namespace="let-go")
        never.wait()

    client.store({"text": "green tea"}, namespace="let-go")

    assert _soon(lambda: next(iter(client.recall_stream(questions())))) is not None
    never.set()


def test_a_dead_server_is_told_while_the_producer_waits(tmp_path: Path) -> None:
    """The error does not wait for the next question."""
    never = threading.Event()

    def questions() -> Iterator[Query]:
        yield Query(text="tea")
        never.wait()

    with (
        ServerProcess(tmp_path / "data") as server,
        MemoryClient(server.address, timeout_s=1) as client,
    ):
        client.store({"text": "green tea"})
        answers = client.recall_stream(questions())
        _soon(lambda: next(answers))
        server.kill()

        with pytest.raises(Unavailable):
            _soon(lambda: next(answers))
        never.set()


def test_a_stream_that_was_quiet_for_long_goes_on_after_a_break(server: ServerProcess) -> None:
    """A producer may wait for longer than a call may take, and the connection break after that."""
    with (
        TcpProxy(server.grpc_port) as proxy,
        MemoryClient(f"{HOST}:{proxy.port}", timeout_s=2) as client,
    ):

        def drafts() -> Iterator[Draft]:
            yield Draft(payload={"text": "tea"}, id="a")
            time.sleep(2.5)
            proxy.cut()
            proxy.mend()
            yield Draft(payload={"text": "tea"}, id="b")

        stream = client.store_stream(drafts(), stream_id="q", namespace="quiet", message_items=1)
        receipts = list(stream)

    assert [getattr(each, "id", None) for each in receipts] == ["a", "b"]


def test_a_silent_network_ends_the_streams(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who only listens hears that nobody speaks any more; seconds stand for half a minute and for ten seconds."""
    times = ("grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms")
    given = dict(channel.CHANNEL_OPTIONS)
    given.update((name, given[name] // 10) for name in times if name in given)
    monkeypatch.setattr(channel, "CHANNEL_OPTIONS", list(given.items()))

    with (
        TcpProxy(server.grpc_port) as proxy,
        MemoryClient(f"{HOST}:{proxy.port}", timeout_s=1) as client,
    ):
        client.store({"text": "tea"}, namespace="silent")
        changes = client.watch(namespace="silent")
        _soon(lambda: next(changes))
        proxy.silence()

        with pytest.raises(Unavailable):
            _soon(lambda: next(changes))


def test_a_rate_limit_delays_calls_and_streams_and_fails_none(tmp_path: Path) -> None:
    """One request a second is let in: the next calls and the next stream come a little later."""
    drafts = [Draft(payload={"text": "tea"}, id=each) for each in ("a", "b")]
    with (
        ServerProcess(tmp_path / "data", tenant_requests_per_s=1) as server,
        MemoryClient(server.address) as client,
    ):
        for _ in range(3):
            client.store({"text": "tea"}, id="first")
        receipts = list(client.store_stream(drafts, stream_id="s"))

    assert [getattr(each, "id", None) for each in receipts] == ["a", "b"]


def test_large_memories_are_streamed_exported_and_imported(client: MemoryClient) -> None:
    """What the server keeps it takes back: no message of a stream is larger than it reads."""
    drafts = (Draft(payload={"text": "x" * 100_000}, id=f"{n}") for n in range(100))

    receipts = list(client.store_stream(drafts, stream_id="large", namespace="large"))
    exported = client.export_memories(namespace="large")
    *_, progress = client.import_memories(exported, namespace="large-again")

    assert len(receipts) == 100
    assert (progress.stored_count, progress.rejected_count) == (100, 0)


def _soon(call: Callable[[], T]) -> T:
    """Return or raise what a call does; a call that hangs is left behind, and fails the test."""
    ended: queue.Queue[T | Exception] = queue.Queue()

    def run() -> None:
        try:
            ended.put(call())
        except Exception as error:  # noqa: BLE001 - raised by the caller
            ended.put(error)

    threading.Thread(target=run, daemon=True).start()
    outcome = ended.get(timeout=WITHIN_S)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
