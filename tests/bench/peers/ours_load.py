"""This server, asked by its own client from tasks of one event loop; see `asking`.

Usage: FOLDER DATA CALLERS ADDRESS EMPTY_ADDRESS. At the second address an empty server answers recalls of the same
size.
"""

import asyncio
import itertools
import sys
import time
from importlib.metadata import version

from somamemory import AsyncMemoryClient, Draft, Filter
from somamemory.model import Vector
from tests.bench.peers import asking

BATCH = 500
AT_ONCE = 4
"""As the peer that can take several batches at once is given them."""

SETTLE_S = 3.0
"""After a load the maintainer builds the inverted file; it looks every quarter of a second."""


async def main() -> None:
    """Store everything in batches, answer orders; `empty` is for the empty server."""
    _, data, callers = asking.arguments()
    addresses = sys.argv[4:6]
    async with (
        AsyncMemoryClient(addresses[0], timeout_s=60) as client,
        AsyncMemoryClient(addresses[1], timeout_s=60) as empty,
    ):
        count = len(data.texts)
        firsts = iter(range(0, count, BATCH))

        async def fill() -> None:
            for first in firsts:
                some = range(first, min(first + BATCH, count))
                await client.store_batch([draft(data, number, str(number)) for number in some])

        started = time.perf_counter()
        await asyncio.gather(*(fill() for _ in range(AT_ONCE)))
        stored = count / (time.perf_counter() - started)
        await asyncio.sleep(SETTLE_S)
        only = Filter(metadata={"team": asking.ASKED_TEAM})
        queries = list(data.queries)
        asking.tell(
            {
                "name": f"somamemory {version('somamemory')}",
                "stored": stored,
                "found": [await recall(client, query, None) for query in queries],
                "filtered": [await recall(client, query, only) for query in queries],
            }
        )
        fresh = itertools.count(count)

        async def store(number: int) -> None:
            one = draft(data, number % count, str(next(fresh)))
            await client.store(
                one.payload, id=one.id, embedding=one.embedding, metadata=one.metadata
            )

        await asking.answer_from_tasks(
            {
                "recall": lambda n: recall(client, queries[n % len(queries)], None),
                "filtered": lambda n: recall(client, queries[n % len(queries)], only),
                "store": store,
                "empty": lambda n: empty.recall(vector=queries[n % len(queries)], top_k=10),
            },
            callers,
        )


def draft(data: asking.Data, number: int, name: str) -> Draft:
    """Return one memory as it is stored."""
    return Draft(
        payload={"text": data.texts[number]},
        id=name,
        embedding=data.vectors[number],
        metadata={"team": asking.team(number)},
    )


async def recall(client: AsyncMemoryClient, query: Vector, given: Filter | None) -> list[int]:
    """Return the numbers of the ten nearest."""
    found = await client.recall(vector=query, top_k=10, filter=given)
    return [int(hit.memory.id) for hit in found]


if __name__ == "__main__":
    asyncio.run(main())
