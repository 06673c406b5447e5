"""The server dies at chosen places of what it does with many memories at once: upkeep, erasure, restore."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from memory_server.__main__ import EXIT_NOT_EMPTY
from soma.memory.v1 import (
    admin_service_pb2,
    lifecycle_service_pb2,
    memory_pb2,
    memory_service_pb2,
    namespace_service_pb2,
)
from tests.support.embeddings_server import an_embeddings_server
from tests.support.server_process import ServerProcess
from tests.support.waiting import PATIENCE_S
from tests.support.wire import Wire, ref

KILLED = -9
DIMENSIONS = 64
SECRET = "canary-5e1f"
COUNT = 60


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Wire]:
    """Serve in an orderly way, and stop."""
    server = ServerProcess(folder, embedding_dimensions=DIMENSIONS, **settings)
    await asyncio.to_thread(server.start)
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield Wire(channel, "n")
    finally:
        await asyncio.to_thread(server.stop)


def a_weak_server(folder: Path, at: str, after: str, **settings: Any) -> ServerProcess:
    """Return a server that kills itself."""
    return ServerProcess(
        folder,
        module="tests.support.killing_server",
        environment={"KILL_AT": at, "KILL_AFTER": after},
        embedding_dimensions=DIMENSIONS,
        **settings,
    )


@asynccontextmanager
async def dying(folder: Path, at: str, after: str) -> AsyncIterator[Wire]:
    """Serve until the process kills itself, which the block brings about."""
    server = a_weak_server(folder, at, after)
    await asyncio.to_thread(server.start)
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield Wire(channel, "n")
    assert await asyncio.to_thread(server.ended) == KILLED


def files_with(folder: Path, word: str) -> list[str]:
    """Return the names of the files that hold a word."""
    files = [one for one in folder.rglob("*") if one.is_file()]
    return [one.name for one in files if word.encode() in one.read_bytes()]


async def furnish(wire: Wire) -> None:
    """Store memories about a subject, with versions and links, and others."""
    about = {"who": memory_pb2.MetadataValue(text="ann")}
    for number in range(COUNT):
        await wire.store({"text": f"{SECRET} one"}, id=f"ann-{number}", metadata=about)
        await wire.store({"text": f"{SECRET} two"}, id=f"ann-{number}", metadata=about)
        await wire.store({"text": f"other {number}"}, id=f"bob-{number}")
        await wire.link(f"bob-{number}", f"ann-{number}")


@pytest.mark.parametrize("place", ["delete:40", "commit:0", "committed:0"])
async def test_an_erasure_is_whole_or_not_begun(place: str, tmp_path: Path) -> None:
    """Wherever it dies; what was erased stays erased and is in no file, what is left is erased by doing it again."""
    folder = tmp_path / "data"
    async with serving(folder) as wire:
        await furnish(wire)
    value = memory_pb2.MetadataValue(text="ann")
    subject = lifecycle_service_pb2.EraseSubjectRequest(metadata_key="who", value=value)
    async with dying(folder, place, "DELETE FROM memory ") as wire:
        with pytest.raises(grpc.aio.AioRpcError):
            await wire.lifecycle.EraseSubject(subject)
    is_done = place.startswith("committed")
    async with serving(folder) as wire:
        left = set(await wire.ids())
        assert len(left) == (COUNT if is_done else 2 * COUNT)
        assert not is_done or not files_with(folder, SECRET)
        receipt = (await wire.lifecycle.EraseSubject(subject)).receipt
        assert (receipt.memory_count, receipt.link_count) == (0 if is_done else COUNT,) * 2
        verify = lifecycle_service_pb2.VerifyErasureRequest(receipt=receipt, subject=subject)
        assert (await wire.lifecycle.VerifyErasure(verify)).remaining_count == 0
    async with serving(folder) as wire:
        assert set(await wire.ids()) == {f"bob-{number}" for number in range(COUNT)}
        assert not (await wire.recall(SECRET, mode=3)).results
        assert (await wire.recall("other", mode=3)).results
    assert not files_with(folder, SECRET)


@pytest.mark.parametrize("place", ["insert:30", "commit:0", "committed:0"])
async def test_decay_goes_on_where_it_died(place: str, tmp_path: Path) -> None:
    """Every memory is there, whole or reduced; in the end all are, and what they lost is in no version."""
    folder = tmp_path / "data"
    policy = namespace_service_pb2.NamespacePolicy(
        score_decay={"threshold": -1e9, "keep_fields": ["kept"]}
    )
    async with serving(folder) as wire:
        for number in range(COUNT):
            await wire.store({"kept": number, "text": SECRET}, id=f"m{number}")
        await wire.namespaces.UpdateNamespace(
            namespace_service_pb2.UpdateNamespaceRequest(namespace="n", policy=policy)
        )
    weak = a_weak_server(folder, place, "DELETE FROM memory_version", decay_every_s=1)
    assert await asyncio.to_thread(weak.run) == KILLED
    async with serving(folder, decay_every_s=3600) as wire:
        payloads = [json.loads((await wire.get(f"m{n}")).payload_json) for n in range(COUNT)]
        assert [payload["kept"] for payload in payloads] == list(range(COUNT))
        assert {tuple(payload) for payload in payloads} <= {("kept",), ("kept", "text")}
    async with serving(folder, decay_every_s=1) as wire, asyncio.timeout(PATIENCE_S):
        while (await wire.recall(SECRET, mode=3)).results:  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.1)
        assert json.loads((await wire.get("m0")).payload_json) == {"kept": 0}
    assert not files_with(folder, SECRET)


@pytest.mark.parametrize("place", ["delete:0", "commit:1", "committed:1"])
async def test_a_dropped_namespace_stays_dropped(place: str, tmp_path: Path) -> None:
    """However often its sweeping dies: its name is free, another one's memories stay, and all of it is freed."""
    folder = tmp_path / "data"
    async with serving(folder) as wire:
        await furnish(wire)
        other = Wire(wire.channel, "other")
        await other.store({"text": "stays"}, id="stays")
    drop = namespace_service_pb2.DeleteNamespaceRequest(namespace="n")
    async with dying(folder, place, "DELETE FROM memory WHERE +namespace_key") as wire:
        await wire.namespaces.DeleteNamespace(drop)
    async with serving(folder) as wire, asyncio.timeout(PATIENCE_S):
        other = Wire(wire.channel, "other")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await wire.get("bob-0")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        await wire.store({"text": "new"}, id="bob-0")
        while _rows(folder) > 2:  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.1)
        assert (await wire.get("bob-0")).version == 1
        assert await other.ids() == ["stays"]
    assert not files_with(folder, SECRET)


def _rows(folder: Path) -> int:
    connection = sqlite3.connect(f"file:{folder / 'memory.sqlite3'}?mode=ro", uri=True)
    try:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM memory) + (SELECT count(*) FROM memory_version)"
            " + (SELECT count(*) FROM link)"
        )
        return int(found.fetchone()[0])
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("place", "after"),
    [
        ("insert:20", "INSERT OR REPLACE INTO beside_embedding"),
        ("committed:0", "INSERT OR REPLACE INTO beside_embedding"),
        ("update:20", "UPDATE memory SET embedding"),
        ("committed:0", "UPDATE memory SET embedding"),
    ],
)
async def test_a_change_of_model_goes_on_where_it_died(
    place: str, after: str, tmp_path: Path
) -> None:
    """While it embeds beside, and while it moves what is ready: nothing is lost, and in the end all is of one model."""
    folder = tmp_path / "data"
    async with an_embeddings_server(DIMENSIONS) as api:
        common = {"embedder": "openai", "embedder_url": api.url, "embedder_previous_model": "first"}
        async with serving(folder, **common, embedder_model="first") as wire:
            for number in range(COUNT):
                await wire.store({"text": f"green tea number {number}"}, id=f"m{number}")
        weak = a_weak_server(folder, place, after, **common, embedder_model="second")
        assert await asyncio.to_thread(weak.run) == KILLED
        async with serving(folder, **common, embedder_model="second") as wire:
            assert len(await wire.ids()) == COUNT
            async with asyncio.timeout(PATIENCE_S):
                while await _model(wire) != "second-64":  # noqa: ASYNC110 - only the server knows
                    await asyncio.sleep(0.1)
            found = (await wire.recall("green tea", mode=2, top_k=2 * COUNT)).results
            assert len(found) == COUNT
            assert {(await wire.get(f"m{n}")).version for n in range(COUNT)} == {1}


async def _model(wire: Wire) -> str:
    info = await wire.admin.GetServerInfo(admin_service_pb2.GetServerInfoRequest())
    return info.embedding_model


async def _copy_of(folder: Path) -> Path:
    """Return a backup of a new store with two versions of a memory."""
    async with serving(folder / "data") as wire:
        await wire.store({"text": "first"}, id="a")
        await wire.store({"text": "second"}, id="a")
        parts = [part async for part in wire.admin.Backup(admin_service_pb2.BackupRequest())]
    copy = folder / "copy"
    copy.write_bytes(b"".join(part.data for part in parts))
    return copy


@pytest.mark.parametrize("place", ["copied", "link", "linked"])
async def test_a_restore_that_died_is_done_again_and_never_half(place: str, tmp_path: Path) -> None:
    """A server does not put an empty store in the place of what was being restored; done again, it is whole."""
    copy, folder = await _copy_of(tmp_path), tmp_path / "restored"
    weak = ServerProcess(
        folder, module="tests.support.killing_server", environment={"KILL_AT": f"{place}:0"}
    )
    again = ServerProcess(folder, embedding_dimensions=DIMENSIONS)

    assert await asyncio.to_thread(weak.run, "restore", str(copy)) == KILLED
    if place != "linked":
        assert await asyncio.to_thread(again.run) == 1
        assert "a restore into the data folder was not finished" in again.log()
        assert not (folder / "memory.sqlite3").exists()
    assert await asyncio.to_thread(again.run, "restore", str(copy)) == 0
    assert await asyncio.to_thread(again.run, "restore", str(copy)) == EXIT_NOT_EMPTY

    async with serving(folder) as wire:
        assert (await wire.get("a")).version == 2
        past = memory_service_pb2.GetRequest(namespace="n", ref=ref("a"), version=1)
        assert json.loads((await wire.memory.Get(past)).memory.payload_json) == {"text": "first"}
    assert not (folder / "memory.part").exists()


async def test_a_restore_takes_over_nothing_of_a_store_that_is_gone(tmp_path: Path) -> None:
    """Neither its log nor its index: where only the store's file was taken away, the copy alone is served."""
    copy, folder = await _copy_of(tmp_path), tmp_path / "data"
    server = ServerProcess(folder, embedding_dimensions=DIMENSIONS)
    await asyncio.to_thread(server.start)
    async with grpc.aio.insecure_channel(server.address) as channel:
        wire = Wire(channel, "n")
        await wire.store({"text": "later"}, id="b")
        await wire.store({"text": "later"}, id="a")
    await asyncio.to_thread(server.kill)
    (folder / "memory.sqlite3").unlink()
    assert (folder / "memory.sqlite3-wal").stat().st_size

    assert await asyncio.to_thread(server.run, "restore", str(copy)) == 0
    async with serving(folder) as wire:
        assert await wire.ids() == ["a"]
        found = (await wire.recall("second", mode=3)).results
        assert [(hit.memory.id, hit.memory.version) for hit in found] == [("a", 2)]


async def test_a_copy_that_was_being_sent_is_not_left_behind(tmp_path: Path) -> None:
    """It would hold what is erased later, and room."""
    folder = tmp_path / "data"
    server = ServerProcess(folder, embedding_dimensions=DIMENSIONS)
    await asyncio.to_thread(server.start)
    async with grpc.aio.insecure_channel(server.address) as channel:
        wire = Wire(channel, "n")
        for number in range(8):
            await wire.store({"text": "x" * 1_000_000}, id=f"m{number}")
        backup = wire.admin.Backup(admin_service_pb2.BackupRequest())
        await backup.read()
        await asyncio.to_thread(server.kill)
    assert list(folder.glob("backup-*"))
    async with serving(folder):
        assert not list(folder.glob("backup-*"))
