"""The net below the watches: every resource is looked at again now and then, and a deaf watch is found out."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from soma_common.errors import SomaError
from soma_operator.core.observed import ObjectKey
from soma_operator.ports import Watches
from soma_operator.queue import WorkQueue

_log = logging.getLogger(__name__)


class Resync:
    """Adds every resource to the queue at intervals.

    Args:
        listed: Reads all resources with their resource versions, past the watches.
    """

    def __init__(
        self,
        listed: Callable[[], Awaitable[dict[ObjectKey, str]]],
        watches: Watches,
        queue: WorkQueue,
        *,
        interval_s: float,
    ) -> None:
        self._listed = listed
        self._watches = watches
        self._queue = queue
        self._interval_s = interval_s
        self._before: dict[ObjectKey, str] = {}
        self._deaf_to: str | None = None

    async def run(self) -> None:
        """Resync until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.resync()
            except SomaError as error:
                _log.warning(
                    "failed to resync", extra={"reason": error.reason, "facts": error.facts}
                )

    async def resync(self) -> None:
        """Add every resource to the queue, and compare the list with what the watch told.

        A change that the previous list showed already, and that the watch has not told since, will never be told: the
        connection is alive and silent (pitfall 2).
        """
        listed = await self._listed()
        for key in listed:
            self._queue.add(key)
        missed = sorted(
            key
            for key, version in listed.items()
            if self._before.get(key) == version and self._watches.seen.get(key) != version
        )
        self._deaf_to = f"the watch missed changes of {missed[0]}" if missed else None
        self._before = listed

    def problem(self) -> str | None:
        """Return what the watch missed."""
        return self._deaf_to
