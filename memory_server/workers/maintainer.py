"""Keeps the store and the index in shape: removes what has to go, lets memories decay, counts accesses, frees space.

One task for all: a round takes its steps one after the other, in small commits, so that callers' writes go on between.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from memory_server.domain.steady_clock import SteadyClock
from memory_server.usecases import erase, lifecycle
from memory_server.usecases.engine import Engine
from soma_common.errors import SomaError

log = logging.getLogger(__name__)

EVERY_S = 0.25
"""Between two looks at the tail. A burst of stores is searched exactly for this long at least."""

Observe = Callable[[str, int], None]
"""Told what was done to how many memories: `expired`, `evicted`, `decayed`, `swept`, `counted`."""


@dataclass(slots=True)
class _Job:
    """One kind of upkeep: how often, and whether it waits while the clock is in doubt."""

    name: str
    every_s: float
    once: Callable[[Engine], Awaitable[int]]
    needs_clock: bool
    due_s: float = 0.0
    is_drained: bool = True
    """Whether a round goes on until nothing is left. Counts are no hurry: a scan of everything must not become a write
    of everything."""


def _jobs(decay_every_s: float) -> list[_Job]:
    return [
        _Job("expired", 30.0, lifecycle.expire_once, needs_clock=True),
        _Job("evicted", 1.0, lifecycle.evict_once, needs_clock=False),
        _Job("swept", 1.0, lifecycle.sweep_once, needs_clock=False),
        _Job("scrubbed", 1.0, erase.finish_scrub, needs_clock=False),
        _Job("counted", 5.0, lifecycle.write_accesses, needs_clock=False, is_drained=False),
        _Job("decayed", decay_every_s, lifecycle.decay, needs_clock=True, due_s=decay_every_s),
    ]


async def run(
    engine: Engine,
    *,
    decay_every_s: float,
    observe: Observe,
    monotonic_ns: Callable[[], int] = time.monotonic_ns,
) -> None:
    """Work until cancelled; then write down what was counted."""
    jobs = _jobs(decay_every_s)
    clock = SteadyClock(engine.clock.now_us(), monotonic_ns() // 1000)
    is_doubted = False
    try:
        while True:
            await engine.index.maintain()
            is_steady = clock.may_act(engine.clock.now_us(), monotonic_ns() // 1000)
            if is_doubted == is_steady:
                is_doubted = not is_steady
                log.warning("the clock jumped" if is_doubted else "the clock is believed again")
            for job in jobs:
                job.due_s -= EVERY_S
                if job.due_s <= 0 and (is_steady or not job.needs_clock):
                    job.due_s = job.every_s
                    await _do(engine, job, observe)
            await asyncio.sleep(EVERY_S)
    finally:
        await _write_all_accesses(engine)


async def _do(engine: Engine, job: _Job, observe: Observe) -> None:
    total = 0
    try:
        while count := await job.once(engine):
            total += count
            observe(job.name, count)
            if not job.is_drained:
                break
    except SomaError as error:
        # What has expired is hidden from every caller already, and the rest can wait; the next round tries again.
        log.warning("upkeep failed", extra={"job": job.name, "reason": error.reason})
    except Exception:  # the outermost edge of this task
        # A bug: the callers' work goes on, and so does the other upkeep.
        log.exception("upkeep failed", extra={"job": job.name})
    if total and job.name != "counted":
        log.info("upkeep", extra={"job": job.name, "count": total})


async def _write_all_accesses(engine: Engine) -> None:
    try:
        while await lifecycle.write_accesses(engine):
            pass
    except SomaError as error:
        log.warning("upkeep failed", extra={"job": "counted", "reason": error.reason})
