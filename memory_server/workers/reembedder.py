"""Embeds what still lacks an embedding of the wanted model; apart from the other upkeep, which must not wait for it."""

import asyncio
import logging
from collections.abc import Callable

from memory_server.usecases.engine import Engine
from memory_server.usecases.reembed import Reembedding
from soma_common.errors import SomaError

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""Between two looks for something to do."""


async def run(engine: Engine, *, observe: Callable[[str, int], None]) -> None:
    """Work until cancelled.

    Args:
        engine: What to work on.
        observe: Told how many memories were `embedded`.
    """
    reembedding = Reembedding()
    while True:
        try:
            while count := await reembedding.once(engine):
                observe("embedded", count)
        except SomaError as error:
            log.warning("upkeep failed", extra={"job": "embedded", "reason": error.reason})
        except Exception:  # the outermost edge of this task: a bug, and the callers' work goes on
            log.exception("upkeep failed", extra={"job": "embedded"})
        await asyncio.sleep(EVERY_S)
