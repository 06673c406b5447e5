"""Keeps the store and the index in shape: removes what has expired, moves the fresh tail into the index."""

import asyncio
import logging

from memory_server.ports import ExpireWrite
from memory_server.usecases.engine import Engine
from soma_common.errors import SomaError

log = logging.getLogger(__name__)

EVERY_S = 0.25
"""Between two looks at the tail. A burst of stores is searched exactly for this long at least."""

EXPIRE_EVERY_S = 30.0
EXPIRE_BATCH = 500
"""Removed by one commit, so that it does not hold up the others' writes."""


async def run(engine: Engine) -> None:
    """Work until cancelled."""
    due_s = 0.0
    while True:
        await engine.index.maintain()
        due_s -= EVERY_S
        if due_s <= 0:
            due_s = EXPIRE_EVERY_S
            await _expire_all(engine)
        await asyncio.sleep(EVERY_S)


async def expire_once(engine: Engine) -> int:
    """Remove one batch of expired memories; return how many.

    Raises:
        SomaError: The store does not take the write now.
    """
    write = ExpireWrite(engine.clock.now_us(), EXPIRE_BATCH)
    return (await engine.commit_one(write)).version


async def _expire_all(engine: Engine) -> None:
    try:
        while removed := await expire_once(engine):
            log.info("removed expired memories", extra={"count": removed})
    except SomaError as error:
        # They are hidden from every caller already; the next round tries again.
        log.warning("failed to remove expired memories", extra={"reason": error.reason})
