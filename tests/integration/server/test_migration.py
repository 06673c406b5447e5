"""A store that an older release made, opened by this one."""

import json
import sqlite3
import struct
from pathlib import Path
from typing import Any

import grpc
import pytest

from memory_server.adapters.embedded.database import open_database
from memory_server.domain.memory import MemoryDraft
from memory_server.domain.requests import first_store_digest
from soma.memory.v1 import memory_pb2, memory_service_pb2, namespace_service_pb2
from tests.support.server_process import ServerProcess
from tests.support.wire import Wire, ref

SCHEMA_1 = Path(__file__).parents[2] / "support/stores_of_old/schema_1.sql"


def a_store_of_schema_1(folder: Path) -> None:
    """Make a store as the release before versions and policies did: two memories, a link, a request id."""
    folder.mkdir()
    connection = sqlite3.connect(folder / "memory.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMA_1.read_text())
    facts = {"commit_seq": "3", "embedding_dimensions": "256", "page_key": "ab" * 32}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())
    connection.execute("INSERT INTO namespace VALUES (1, 'default', 'n', 5, 3)")
    for seq, name in ((1, "aster"), (2, "birch")):
        payload = json.dumps({"text": f"old {name}"}).encode()
        connection.execute(
            "INSERT INTO memory VALUES (?, 1, ?, 1, 1, ?, ?, 1.0, '{}', 5, NULL, 5, 5, NULL, x'', '')",
            (seq, name, payload, f"old {name}"),
        )
    connection.execute("INSERT INTO link VALUES (1, 'aster', 'birch', 'likes', 0.5, '{}', 1, 3)")
    connection.execute("PRAGMA user_version = 1")
    connection.close()


async def test_an_old_store_is_opened_and_grows(tmp_path: Path) -> None:
    """Everything is there, counts are right, and the new features work on the old memories."""
    a_store_of_schema_1(tmp_path / "data")
    with ServerProcess(tmp_path / "data") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            wire = Wire(channel, "n")
            assert set(await wire.ids()) == {"aster", "birch"}
            assert (await wire.recall("old aster", mode=3)).results[0].memory.id == "aster"
            stats = await wire.namespaces.GetStats(
                namespace_service_pb2.GetStatsRequest(namespace="n")
            )
            assert (stats.memory_count, stats.link_count) == (2, 1)
            assert (await wire.store({"text": "new aster"}, id="aster")).receipt.version == 2
            request = memory_service_pb2.GetRequest(namespace="n", ref=ref("aster"), version=1)
            assert (await wire.memory.Get(request)).memory.text == "old aster"
            quota = namespace_service_pb2.UpdateNamespaceRequest(
                namespace="n", policy={"quota_memories": 2}
            )
            await wire.namespaces.UpdateNamespace(quota)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await wire.store({"text": "one too many"})
        server.stop()
        server.start()
        async with grpc.aio.insecure_channel(server.address) as channel:
            assert (await Wire(channel, "n").get("aster")).text == "new aster"
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_old_store_gets_the_schema_of_a_new_one(tmp_path: Path) -> None:
    """The same tables with the same columns, and the same indexes."""
    a_store_of_schema_1(tmp_path / "old")
    schemas = []
    for name in ("old", "new"):
        database = open_database(tmp_path / name, synchronous="OFF", dimensions=256)
        connection = database.connect()
        columns = connection.execute(
            "SELECT made.type, made.name, part.name FROM sqlite_master AS made"
            " LEFT JOIN pragma_table_xinfo(made.name) AS part WHERE made.sql <> ''"
        )
        schemas.append(set(columns.fetchall()))
        connection.close()
        database.release()

    assert schemas[0] == schemas[1]


async def test_a_store_that_an_old_release_answered_is_known_again(tmp_path: Path) -> None:
    """A retry may come after an upgrade; another memory under the same request id is still refused."""
    drafted = MemoryDraft(
        b'{"text": "tea"}',
        metadata={"a": 1.5, "b": True},
        embedding=struct.pack("<256f", *[1] * 256),
    )
    values = {
        "a": memory_pb2.MetadataValue(number=1.5),
        "b": memory_pb2.MetadataValue(flag=True),
    }
    more: dict[str, Any] = {"request_id": "r1", "metadata": values, "embedding": drafted.embedding}
    with ServerProcess(tmp_path / "data") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            first = await Wire(channel, "n").store({"text": "tea"}, **more)
        server.stop()
        connection = sqlite3.connect(tmp_path / "data" / "memory.sqlite3", isolation_level=None)
        kept = first_store_digest("n", drafted, None)
        connection.execute("UPDATE request SET body_digest = ?", (kept,))
        connection.close()
        server.start()
        async with grpc.aio.insecure_channel(server.address) as channel:
            again = await Wire(channel, "n").store({"text": "tea"}, **more)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await Wire(channel, "n").store({"text": "tea!"}, **more)

    assert again.receipt.replayed
    assert again.id == first.id
    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
