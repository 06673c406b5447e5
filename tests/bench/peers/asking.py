"""What the load script of each side does alike; it runs in the peer's own environment, with numpy and nothing of ours.

A script stores everything, tells how fast, and then takes orders from standard input, one JSON a line: `{"what":
"recall", "seconds": 3}`. It answers each with a line: calls per second, median and 99th percentile in milliseconds, and
how many calls failed.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TEAMS = 100


@dataclass(frozen=True)
class Data:
    """The same for each side; `queries` are those whose answers are compared with brute force."""

    vectors: Any
    queries: Any
    texts: list[str]

    def vector_of(self, text: str) -> list[float]:
        """Return the vector of a text as a made one names it: `<number> ...`, or `query <number>`."""
        first, second = text.split(maxsplit=2)[:2]
        row = self.queries[int(second)] if first == "query" else self.vectors[int(first)]
        return [float(value) for value in row]


def load(path: str) -> Data:
    """Read the data; every text begins with its number."""
    kept = np.load(path)
    texts = [f"{number} {text}" for number, text in enumerate(kept["texts"])]
    return Data(kept["vectors"], kept["queries"], texts)


def team(number: int) -> str:
    """Return the metadata value that a memory is filtered by."""
    return f"team-{number % TEAMS}"


ASKED_NUMBER = 7
ASKED_TEAM = team(ASKED_NUMBER)


def tell(document: Mapping[str, Any]) -> None:
    """Answer with one line."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _orders() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def _rate(latencies: list[float], errors: int, took: float) -> dict[str, float]:
    latencies.sort()
    count = len(latencies)
    return {
        "rate": count / took,
        "p50_ms": 1000 * latencies[count // 2] if count else 0.0,
        "p99_ms": 1000 * latencies[int(0.99 * count)] if count else 0.0,
        "errors": errors,
    }


def answer_from_threads(acts: Mapping[str, Callable[[int], object]], callers: int) -> None:
    """Carry out orders with so many threads; an act is told the number of its call."""
    for order in _orders():
        act, until = acts[order["what"]], time.perf_counter() + order["seconds"]
        latencies: list[float] = []
        errors = [0] * callers

        def ask(
            caller: int,
            act: Callable[[int], object] = act,
            until: float = until,
            latencies: list[float] = latencies,
            errors: list[int] = errors,
        ) -> None:
            number = caller
            while (before := time.perf_counter()) < until:
                try:
                    act(number)
                except Exception:  # noqa: BLE001 - a peer's own; it is counted
                    errors[caller] += 1
                else:
                    latencies.append(time.perf_counter() - before)
                number += callers

        started = time.perf_counter()
        threads = [threading.Thread(target=ask, args=(caller,)) for caller in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tell(_rate(latencies, sum(errors), time.perf_counter() - started))


async def answer_from_tasks(
    acts: Mapping[str, Callable[[int], Awaitable[object]]], callers: int
) -> None:
    """Carry out orders with so many tasks of one event loop."""
    orders = _orders()
    while (order := await asyncio.to_thread(next, orders, None)) is not None:
        tell(await _from_tasks(acts[order["what"]], callers, order["seconds"]))


async def _from_tasks(
    act: Callable[[int], Awaitable[object]], callers: int, seconds: float
) -> dict[str, float]:
    latencies: list[float] = []
    errors = 0
    started = time.perf_counter()

    async def ask(caller: int) -> None:
        nonlocal errors
        number = caller
        while (before := time.perf_counter()) < started + seconds:
            try:
                await act(number)
            except Exception:  # noqa: BLE001 - a peer's own; it is counted
                errors += 1
            else:
                latencies.append(time.perf_counter() - before)
            number += callers

    await asyncio.gather(*(ask(caller) for caller in range(callers)))
    return _rate(latencies, errors, time.perf_counter() - started)


def arguments() -> tuple[Path, Data, int]:
    """Return what every script is given: a folder of its own, the data, the number of callers."""
    return Path(sys.argv[1]), load(sys.argv[2]), int(sys.argv[3])
