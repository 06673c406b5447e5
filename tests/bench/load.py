"""The load generator, a process of its own: closed loop over raw grpc.aio calls.

It reads one order a line from standard input and answers each with one line of JSON. Requests are
sent as bytes made beforehand, and answers are not parsed: what is measured is the server.
"""

import asyncio
import itertools
import json
import struct
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from somamemory.channel import new_request_id

_CHANNELS = 4
"""One HTTP/2 connection is a bottleneck of its own from about 16 calls at once."""


def write_bodies(path: Path, bodies: list[bytes]) -> None:
    """Keep request bodies in a file for `read_bodies`."""
    path.write_bytes(b"".join(struct.pack("<I", len(body)) + body for body in bodies))


def read_bodies(path: Path) -> list[bytes]:
    """Return the bodies of a file."""
    whole, bodies, at = path.read_bytes(), [], 0
    while at < len(whole):
        (size,) = struct.unpack_from("<I", whole, at)
        bodies.append(whole[at + 4 : at + 4 + size])
        at += 4 + size
    return bodies


async def run(order: dict[str, Any]) -> dict[str, Any]:
    """Call for some seconds with some callers and return rate and latencies."""
    bodies = read_bodies(Path(order["bodies"]))
    endless = _with_request_ids(bodies) if order["has_request_id"] else itertools.cycle(bodies)
    async with _channels(order["address"], min(_CHANNELS, order["callers"])) as channels:
        functions: list[Any] = [channel.unary_unary(order["path"]) for channel in channels]
        await asyncio.gather(*(function(next(endless), timeout=30) for function in functions))
        latencies: list[float] = []
        started = time.perf_counter()
        until = started + order["seconds"]

        async def caller(number: int) -> None:
            call = functions[number % len(functions)]
            while (before := time.perf_counter()) < until:
                await call(next(endless), timeout=30)
                latencies.append(time.perf_counter() - before)

        async with asyncio.TaskGroup() as tasks:
            for number in range(order["callers"]):
                tasks.create_task(caller(number))
        took = time.perf_counter() - started
    latencies.sort()
    return {
        "calls": len(latencies),
        "rate": len(latencies) / took,
        "p50_ms": 1000 * latencies[len(latencies) // 2],
        "p99_ms": 1000 * latencies[int(len(latencies) * 0.99)],
    }


@asynccontextmanager
async def _channels(address: str, count: int) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Open channels that do not share a connection, and close them."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options) for _ in range(count)]
    try:
        yield channels
    finally:
        for channel in channels:
            await channel.close()


def _with_request_ids(bodies: list[bytes]) -> Iterator[bytes]:
    """Give each request an id as our client makes it: in protobuf's encoding, a field may simply be appended."""
    # StoreRequest.request_id = 3, of so many bytes
    field = bytes([3 << 3 | 2, len(new_request_id())])
    for body in itertools.cycle(bodies):
        yield body + field + new_request_id().encode()


def main() -> None:
    """Carry out orders until standard input ends."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asyncio.run(run(json.loads(line)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
