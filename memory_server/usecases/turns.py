"""Letting other calls have their turn in the middle of much work that waits for nothing."""

import asyncio


class Turns:
    """Counts steps of work.

    Args:
        most: After so many steps others have their turn.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0

    async def take(self, count: int) -> None:
        """Say that so many steps were done."""
        self._count += count
        if self._count >= self._most:
            self._count = 0
            await asyncio.sleep(0)
