"""Waiting for what a server does in the background."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE_S = 30.0


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until it holds; a test that waits for nothing fails by its time."""
    async with asyncio.timeout(PATIENCE_S):
        # The server tells nobody: only asking again finds out.
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.1)
