"""Measure the streams: `python -m tests.bench.streams`.

Recall by stream against single calls of the same server; storing by stream against SQLite alone, which keeps the same
payloads and texts with the same durability in transactions of as many rows. Each in turns in one run.
"""

import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from soma.memory.v1 import (
    memory_pb2,
    memory_service_pb2,
    memory_service_pb2_grpc,
    recall_service_pb2,
    recall_service_pb2_grpc,
)
from somamemory import MemoryClient
from tests.bench import data, report
from tests.support.server_process import ROOT, ServerProcess

RESULT = ROOT / "docs/benchmarks/streams.json"
CORPUS = 10_000
SECONDS = 3.0
REPEATS = 3
CALLERS = 16
IN_FLIGHT = 16
"""Queries that one stream has under way."""

Rate = Callable[[], Awaitable[float]]


class Recalls:
    """Recall over one server, by single calls and by streams, with as many queries under way."""

    def __init__(self, channel: grpc.aio.Channel, queries: list[str]) -> None:
        self._stub = recall_service_pb2_grpc.RecallServiceStub(channel)
        self._requests = [
            recall_service_pb2.RecallRequest(namespace=data.CORPUS, text=query, top_k=10)
            for query in queries
        ]

    async def single(self) -> float:
        """Return calls a second."""
        done, until = 0, time.perf_counter() + SECONDS

        async def caller(number: int) -> None:
            nonlocal done
            while time.perf_counter() < until:
                await self._stub.Recall(self._requests[(done + number) % len(self._requests)])
                done += 1

        await asyncio.gather(*(caller(number) for number in range(CALLERS)))
        return done / SECONDS

    async def stream(self) -> float:
        """Return queries a second."""
        done, until = 0, time.perf_counter() + SECONDS
        room = asyncio.Semaphore(IN_FLIGHT)

        async def asked() -> AsyncIterator[recall_service_pb2.RecallStreamRequest]:
            sequence = 0
            while time.perf_counter() < until:
                await room.acquire()
                query = self._requests[sequence % len(self._requests)]
                yield recall_service_pb2.RecallStreamRequest(sequence=sequence, query=query)
                sequence += 1

        async for _answer in self._stub.RecallStream(asked()):
            done += 1
            room.release()
        return done / SECONDS


class Stores:
    """Storing by streams of batches, and SQLite alone."""

    def __init__(self, channel: grpc.aio.Channel, texts: list[str], folder: Path) -> None:
        self._stub = memory_service_pb2_grpc.MemoryServiceStub(channel)
        self._drafts = [
            memory_pb2.MemoryDraft(payload_json=json.dumps({"text": text}).encode(), text=text)
            for text in texts
        ]
        self._folder = folder
        self._runs = 0

    def _batch(self, sequence: int) -> list[memory_pb2.MemoryDraft]:
        first = sequence * data.BATCH_ITEMS % (len(self._drafts) - data.BATCH_ITEMS)
        return self._drafts[first : first + data.BATCH_ITEMS]

    async def stream(self) -> float:
        """Return memories a second, over four streams."""
        until = time.perf_counter() + SECONDS
        self._runs += 1

        async def one(number: int) -> int:
            room, done = asyncio.Semaphore(4), 0

            async def messages() -> AsyncIterator[memory_service_pb2.StoreStreamRequest]:
                sequence = 0
                while time.perf_counter() < until:
                    await room.acquire()
                    items = [
                        memory_service_pb2.StoreItem(memory=draft)
                        for draft in self._batch(sequence)
                    ]
                    yield memory_service_pb2.StoreStreamRequest(
                        namespace=f"stored-{number}", sequence=sequence, items=items
                    )
                    sequence += 1

            async for answer in self._stub.StoreStream(messages()):
                assert not answer.HasField("error")
                done += len(answer.results)
                room.release()
            return done

        started = time.perf_counter()
        total = sum(await asyncio.gather(*(one(number) for number in range(4))))
        return total / (time.perf_counter() - started)

    async def sqlite(self) -> float:
        """Return rows a second that SQLite takes by itself, with one fsync for each batch."""
        return await asyncio.to_thread(self._sqlite)

    def _sqlite(self) -> float:
        path = self._folder / f"ceiling-{self._runs}.sqlite3"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text)")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS memory (id INTEGER PRIMARY KEY, payload BLOB, text TEXT, vector BLOB)"
        )
        vector = bytes(4 * data.DIMENSIONS)
        started, sequence = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS:
            batch = self._batch(sequence)
            connection.execute("BEGIN")
            rows = [(draft.payload_json, draft.text, vector) for draft in batch]
            connection.executemany(
                "INSERT INTO memory (payload, text, vector) VALUES (?, ?, ?)", rows
            )
            connection.executemany(
                "INSERT INTO words (text) VALUES (?)", [(row[1],) for row in rows]
            )
            connection.execute("COMMIT")
            sequence += 1
        took = time.perf_counter() - started
        connection.close()
        return sequence * data.BATCH_ITEMS / took


async def measured(name: str, ours: Rate, theirs: Rate) -> dict[str, Any]:
    """Measure in turns, after one turn that does not count; the ratio is taken within each turn."""
    await ours()
    await theirs()
    turns = [(await ours(), await theirs()) for _ in range(REPEATS)]
    ratios = sorted(mine / other for mine, other in turns)
    result = {
        "name": name,
        "ratio": {
            "median": round(statistics.median(ratios), 3),
            "min": round(ratios[0], 3),
            "max": round(ratios[-1], 3),
        },
        "rate": round(statistics.median(turn[0] for turn in turns)),
        "ceiling": round(statistics.median(turn[1] for turn in turns)),
    }
    sys.stdout.write(f"{json.dumps(result)}\n")
    return result


async def run() -> list[dict[str, Any]]:
    """Measure everything."""
    texts = data.Texts(7)
    memories = data.corpus(texts, CORPUS)
    with tempfile.TemporaryDirectory(prefix="soma-bench-") as name:
        folder = Path(name)
        with ServerProcess(folder / "data") as server:
            with MemoryClient(server.address, timeout_s=60) as client:
                for start in range(0, CORPUS, 500):
                    client.store_batch(memories[start : start + 500], namespace=data.CORPUS)
            queries = [texts.query(memory.text) for memory in memories[:500]]
            async with grpc.aio.insecure_channel(server.address) as channel:
                recalls = Recalls(channel, queries)
                stores = Stores(channel, [memory.text for memory in memories], folder)
                return [
                    await measured(
                        "recall by stream, over single calls", recalls.stream, recalls.single
                    ),
                    await measured(
                        "store by stream, over SQLite with FTS5", stores.stream, stores.sqlite
                    ),
                ]


def main() -> int:
    """Measure, keep the JSON, and write the page anew."""
    RESULT.write_text(json.dumps({"streams": asyncio.run(run())}, indent=1) + "\n")
    (RESULT.parents[1] / "benchmarks.md").write_text(report.render(RESULT.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
