"""What group commit gains at the store itself: `python -m tests.bench.grouping`.

As many callers as a busy server has hand single writes to the embedded store, without a server, a wire or an index:
once in groups, and once with groups of one write, each with an fsync of its own. Both in one process, in turns, on
stores of their own.
"""

import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memory_server.adapters.embedded import committer
from memory_server.adapters.embedded.store import EmbeddedStore
from memory_server.domain.memory import MemoryId, MemoryKind, MemoryRecord
from memory_server.ports import RequestKey, StoreWrite
from tests.bench import data
from tests.bench.measuring import spread
from tests.support.memories import NOW_US, SCOPE
from tests.support.stores import open_embedded

CALLERS = 64
SECONDS = 2.0
REPEATS = 5


def measure(seconds: float = SECONDS, repeats: int = REPEATS) -> dict[str, Any]:
    """Return the writes a second in groups and one by one, and their ratio within each turn."""
    return asyncio.run(_measured(seconds, repeats))


async def _measured(seconds: float, repeats: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="soma-bench-") as name:
        grouped = await open_embedded(Path(name) / "grouped")
        each = await open_embedded(Path(name) / "each")
        writes = _writes()
        turns: list[tuple[float, float]] = []
        # The first turn does not count.
        for _ in range(repeats + 1):
            together = await _rate(grouped, writes, seconds)
            with _groups_of(1):
                alone = await _rate(each, writes, seconds)
            turns.append((together, alone))
        await grouped.close()
        await each.close()
    del turns[0]
    return {
        "name": "store port in groups, over an fsync for each write",
        "callers": CALLERS,
        "ratio": spread([together / alone for together, alone in turns]),
        "rate": spread([together for together, _ in turns]),
        "ceiling": spread([alone for _, alone in turns]),
    }


async def _rate(store: EmbeddedStore, writes: Iterator[StoreWrite], seconds: float) -> float:
    done, started = 0, time.perf_counter()
    until = started + seconds

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < until:
            [outcome] = await store.commit([next(writes)])
            if isinstance(outcome, Exception):
                raise outcome
            done += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return done / (time.perf_counter() - started)


def _writes() -> Iterator[StoreWrite]:
    texts = data.Texts(7)
    vector = data.clustered(1, seed=3)[0].astype("<f4").tobytes()
    some = [texts.text() for _ in range(1000)]
    for number, text in enumerate(itertools.cycle(some)):
        payload = json.dumps({"text": text, "number": number}).encode()
        record = MemoryRecord(
            MemoryId(""), 0, 0, MemoryKind.EPISODIC, payload, text, 1.0, {}, NOW_US, None, NOW_US, NOW_US, None,
            vector, "model",
        )  # fmt: skip
        request = RequestKey(f"request-{number}", b"digest")
        yield StoreWrite(SCOPE, "", MemoryId(f"memory-{number}"), record, NOW_US, request)


@contextmanager
def _groups_of(most: int) -> Iterator[None]:
    before = committer.MAX_GROUP_WRITES
    committer.MAX_GROUP_WRITES = most
    try:
        yield
    finally:
        committer.MAX_GROUP_WRITES = before


def main() -> int:
    """Measure, and say it."""
    sys.stdout.write(json.dumps(measure()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
