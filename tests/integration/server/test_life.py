"""The server as a process: health, reflection, metrics, limits, draining, damaged and full folders."""

import asyncio
import stat
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from soma.memory.v1 import memory_pb2, memory_service_pb2
from somafractalmemory import memory_pb2 as predecessor_pb2
from somafractalmemory import memory_pb2_grpc as predecessor_grpc
from somamemory import MemoryClient
from tests.support.server_process import ServerProcess, ServerStartError
from tests.support.wire import Wire, bad_fields, details


def fetch(server: ServerProcess, path: str) -> tuple[int, str]:
    """Return status and body of a page."""
    try:
        with urllib.request.urlopen(f"http://{server.http_address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def wait_until(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait until something holds; the assertion that follows tells when it never did."""
    until = time.monotonic() + timeout_s
    while not await asyncio.to_thread(holds) and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def test_health_is_told_for_every_service(wire: Wire) -> None:
    """The server as a whole and each service by its name; an unknown one is not found."""
    for name in ("", "soma.memory.v1.MemoryService", "somafractalmemory.MemoryService"):
        answer = await wire.health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.health.Check(health_pb2.HealthCheckRequest(service="absent"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(("host", "fronts"), [("::1", 0), ("::1", 1), ("[::1]", 2)])
def test_a_server_listens_on_ipv6(tmp_path: Path, host: str, fronts: int) -> None:
    """Both ports, with the address as people write it: with brackets or without."""
    with ServerProcess(tmp_path / "data", host=host, front_processes=fronts) as server:
        with MemoryClient(server.address) as client:
            assert client.store({"text": "x"}).version == 1
        assert fetch(server, "/readyz")[0] == 200
        assert f'"grpc_address": "[::1]:{server.grpc_port}"' in server.log()


def test_reflection_names_every_service(shared_server: ServerProcess) -> None:
    """A client without our files learns the whole API."""
    with grpc.insecure_channel(shared_server.address) as channel:
        services = set(ProtoReflectionDescriptorDatabase(channel).get_services())

    assert {
        f"soma.memory.v1.{name}Service"
        for name in ("Memory", "Recall", "Link", "Namespace", "Admin")
    } < services
    assert {"grpc.health.v1.Health", "somafractalmemory.MemoryService"} < services


def test_the_http_port_has_probes_and_metrics_only(shared_server: ServerProcess) -> None:
    """Three pages, and nothing else."""
    assert fetch(shared_server, "/healthz")[0] == 200
    assert fetch(shared_server, "/readyz") == (200, '{"status": "ready"}')
    status, metrics = fetch(shared_server, "/metrics")
    assert status == 200
    assert "soma_server_commit_seq" in metrics
    assert 'soma_server_info{env="dev"' in metrics
    assert fetch(shared_server, "/")[0] == 404


def test_the_predecessors_clients_connect_unchanged(shared_server: ServerProcess) -> None:
    """Recall gives coordinates and payloads, an overwrite replaces, delete deletes, errors are typed."""
    with grpc.insecure_channel(shared_server.address) as channel:
        stub = predecessor_grpc.MemoryServiceStub(channel)

        def coordinate(*values: float) -> predecessor_pb2.Coordinate:
            return predecessor_pb2.Coordinate(values=values)

        def store(payload: str, *values: float, kind: str = "episodic") -> str:
            memory = predecessor_pb2.Memory(
                coord=coordinate(*values), payload_json=payload, memory_type=kind
            )
            return str(stub.Store(predecessor_pb2.StoreRequest(memory=memory)).id)

        first = store('{"n": 1}', 1.0, 1.0)
        assert store('{"n": 2}', 1.0, 1.0) == first
        store('{"n": 3}', 5.0, 5.0, kind="semantic")
        near = stub.Recall(predecessor_pb2.RetrieveRequest(query=coordinate(1.0, 1.0)))
        assert [(list(m.coord.values), m.payload_json, m.memory_type) for m in near.memories] == [
            ([1.0, 1.0], '{"n": 2}', "episodic"), ([5.0, 5.0], '{"n": 3}', "semantic")]  # fmt: skip
        assert stub.Delete(predecessor_pb2.DeleteRequest(coord=coordinate(1.0, 1.0))).ok
        assert stub.Delete(predecessor_pb2.DeleteRequest(coord=coordinate(1.0, 1.0))).ok
        near = stub.Recall(
            predecessor_pb2.RetrieveRequest(query=coordinate(1.0, 1.0), memory_type="episodic")
        )
        assert len(near.memories) == 0
        assert stub.Health(empty_pb2.Empty()).status == "ok"
        with pytest.raises(grpc.RpcError) as caught:
            store("no json", float("nan"))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_too_many_calls_are_refused_early_while_health_answers(tmp_path: Path) -> None:
    """Each of many calls at once succeeds or is told when to retry; nothing else happens."""
    with ServerProcess(tmp_path / "data", max_concurrent_rpcs=4) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            calls = [wire.store({"n": number}, id=str(number)) for number in range(300)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            health = await wire.health.Check(health_pb2.HealthCheckRequest(), timeout=2)
            refused = [error for error in outcomes if isinstance(error, grpc.aio.AioRpcError)]
            stored = [answer.id for answer in outcomes if not isinstance(answer, BaseException)]
            kept = [(await wire.get(memory_id)).id for memory_id in stored]

    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert len(refused) + len(stored) == 300
    assert refused
    assert stored
    assert kept == stored
    assert {error.code() for error in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all("RetryInfo" in details(error) for error in refused)


async def test_sigterm_finishes_accepted_calls(tmp_path: Path) -> None:
    """Under load, no acknowledged memory is lost, and the process ends by itself with 0."""
    acknowledged: list[str] = []
    ends: list[grpc.StatusCode] = []
    with ServerProcess(tmp_path / "data") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")

            async def write(writer: int) -> None:
                for number in range(100_000):
                    try:
                        answer = await wire.store({"n": number}, id=f"{writer}-{number}")
                    except grpc.aio.AioRpcError as error:
                        ends.append(error.code())
                        return
                    acknowledged.append(answer.id)

            writers = [asyncio.create_task(write(writer)) for writer in range(8)]
            await asyncio.sleep(0.5)
            assert await asyncio.to_thread(server.stop) == 0
            await asyncio.wait_for(asyncio.gather(*writers), 10)
        server.start()
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            kept = [(await wire.get(memory_id)).id for memory_id in acknowledged]

    assert set(ends) == {grpc.StatusCode.UNAVAILABLE}
    assert len(ends) == 8
    assert acknowledged
    assert kept == acknowledged


def test_one_folder_has_one_server(tmp_path: Path) -> None:
    """The second is refused with the mend; the first goes on."""
    with ServerProcess(tmp_path / "data") as first:
        second = ServerProcess(tmp_path / "data")
        with pytest.raises(ServerStartError):
            second.start()

        assert "another server has this data folder open" in second.log()
        assert fetch(first, "/readyz")[0] == 200


def test_a_successor_waits_for_the_folder(tmp_path: Path) -> None:
    """A server that may wait starts when the one before it has ended, and has everything it acknowledged."""
    first = ServerProcess(tmp_path / "data").start()
    successor = ServerProcess(tmp_path / "data", lock_wait_s=20)
    with ThreadPoolExecutor(1) as threads:
        starting = threads.submit(successor.start)
        until = time.monotonic() + 10
        while "waiting for another server" not in successor.log() and time.monotonic() < until:
            time.sleep(0.05)
        assert not starting.done()
        first.stop()
        starting.result(timeout=20)
    assert successor.stop() == 0


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "memory.sqlite3").write_bytes(b"not a database" * 999), "is damaged"),
        (lambda folder: (folder / "LOCK").mkdir(), "cannot be written"),
    ],
)  # fmt: skip
def test_a_folder_that_can_not_be_used_is_refused_with_the_mend(
    tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    """The server ends with an error a person understands, and touches nothing."""
    folder = tmp_path / "data"
    folder.mkdir()
    damage(folder)
    server = ServerProcess(folder)

    with pytest.raises(ServerStartError):
        server.start()
    assert said in server.log()
    assert "Traceback" not in server.log()


def test_another_dimension_is_refused(tmp_path: Path) -> None:
    """A store keeps the dimension it was made with."""
    with ServerProcess(tmp_path / "data", embedding_dimensions=128):
        pass
    server = ServerProcess(tmp_path / "data", embedding_dimensions=256)

    with pytest.raises(ServerStartError):
        server.start()
    assert "another dimension" in server.log()


def test_bad_settings_are_named(tmp_path: Path) -> None:
    """All of them, by their variables."""
    server = ServerProcess(tmp_path / "data", drain_s=-1, synchronous="OFF")

    with pytest.raises(ServerStartError):
        server.start()
    assert "SOMA_DRAIN_S:" in server.log()
    assert "SOMA_SYNCHRONOUS:" in server.log()


@pytest.mark.parametrize(("made", "mode"), [(None, 0o700), (0o750, 0o750)])
def test_nobody_else_may_look_into_a_new_data_folder(
    tmp_path: Path, made: int | None, mode: int
) -> None:
    """It holds all tenants' memories; one that its owner has made stays as it is."""
    folder = tmp_path / "data"
    if made is not None:
        folder.mkdir()
        folder.chmod(made)

    with ServerProcess(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == mode


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB; needs root, as the node does."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_refuses_writes_and_serves_reads(small_disk: Path) -> None:
    """Nothing acknowledged is lost, readiness says why, and room again means service again."""
    with ServerProcess(small_disk / "data") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            stored: list[str] = []

            async def fill() -> None:
                for number in range(1000):
                    payload = {"n": number, "x": "y" * 20_000}
                    stored.append((await wire.store(payload, text=f"number{number}")).id)

            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await fill()
            await wait_until(lambda: fetch(server, "/readyz")[0] == 503)
            not_ready = fetch(server, "/readyz")
            kept = [(await wire.get(memory_id)).id for memory_id in stored]
            found = await wire.recall("number3")

            grow = ["mount", "-o", "remount,size=64m", str(small_disk)]
            await asyncio.to_thread(subprocess.run, grow, check=True)
            await wait_until(lambda: fetch(server, "/readyz")[0] == 200)
            again = await wire.store({"n": "after"})

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not_ready[0] == 503
    assert "disk is full" in not_ready[1]
    assert kept == stored
    assert found.results[0].memory.id == stored[3]
    assert again.id


async def test_a_read_only_volume_is_refused_with_the_mend(small_disk: Path) -> None:
    """The server says so instead of serving what it cannot keep; writable again, everything is there."""
    server = ServerProcess(small_disk, embedder="none")
    with server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            await Wire(channel, "n").store({"n": 1}, id="kept")
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    await asyncio.to_thread(subprocess.run, remount, check=True)
    with pytest.raises(ServerStartError):
        server.start()
    refusal = server.log().splitlines()[-1]
    remount[2] = "remount,rw"
    await asyncio.to_thread(subprocess.run, remount, check=True)
    with server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            kept = await Wire(channel, "n").get("kept")

    assert "the data folder cannot be written" in refusal
    assert "Read-only file system" in refusal
    assert kept.payload_json == b'{"n": 1}'


async def test_a_damaged_file_is_told_and_not_served_as_if_it_were_well(tmp_path: Path) -> None:
    """DATA_LOSS for whom it meets, readiness says what to do, and a new start refuses instead of serving the rest."""
    server = ServerProcess(tmp_path / "data", embedder="none")
    with server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            for number in range(300):
                await wire.store({"n": number, "x": "y" * 2000}, id=f"m{number}")
            wal = tmp_path / "data" / "memory.sqlite3-wal"
            await wait_until(lambda: wal.stat().st_size == 0)  # everything is in the file itself
            with (tmp_path / "data" / "memory.sqlite3").open("r+b") as file:
                size = file.seek(0, 2)
                file.seek(size // 4)
                file.write(b"\xa5" * (size - size // 4))
            codes = set()
            for number in range(300):
                try:
                    await wire.get(f"m{number}")
                except grpc.aio.AioRpcError as error:
                    codes.add(error.code())
            await wait_until(lambda: fetch(server, "/readyz")[0] == 503)
            not_ready = fetch(server, "/readyz")
    with pytest.raises(ServerStartError):
        server.start()

    assert codes == {grpc.StatusCode.DATA_LOSS}
    assert "restore it from a backup" in not_ready[1]
    assert "restore it from a backup" in server.log().splitlines()[-1]


async def test_what_was_deleted_is_gone_from_the_disk(tmp_path: Path) -> None:
    """No file of the store holds the deleted payload, its text or its metadata a few seconds later."""
    canary = "canary-7f3a91"
    with ServerProcess(tmp_path / "data") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            for number in range(50):
                await wire.store({"text": f"ordinary {number}"})
            await wire.store({"text": f"secret {canary}"}, id="x", request_id="r1")
            await wire.store({"text": f"again {canary}"}, id="x", request_id="r2")
            await wire.delete("x")
            await wait_until(lambda: not _files_with(tmp_path / "data", canary))
            left = _files_with(tmp_path / "data", canary)

    assert left == []
    assert canary not in server.log()


def _files_with(folder: Path, text: str) -> list[str]:
    return [path.name for path in folder.iterdir() if text.encode() in path.read_bytes()]


async def test_a_message_that_is_too_large_is_refused(wire: Wire) -> None:
    """By the channel, before it is read into memory."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.store({"x": "y" * 9_000_000})

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_batch_that_is_too_long_is_refused_whole(wire: Wire) -> None:
    """None of it was taken."""
    item = memory_service_pb2.StoreItem(memory=memory_pb2.MemoryDraft(payload_json=b"{}"))
    request = memory_service_pb2.StoreBatchRequest(namespace=wire.namespace, items=[item] * 1001)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wire.memory.StoreBatch(request)

    assert bad_fields(caught.value) == ["items"]
