"""Requests of a stream that were sent and not answered yet: what is sent again after the connection broke."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

AT_ONCE = 64
"""Requests that may be unanswered: it bounds what is kept to be sent again."""


class Unanswered:
    """Feeds one stream after the other; gRPC reads a feed in a thread of its own."""

    def __init__(self, requests: Iterable[Any]) -> None:
        self._requests = iter(requests)
        self._sent: deque[Any] = deque()
        self._changed = threading.Condition()
        self._feed = 0
        self.failure: Exception | None = None
        """Why the caller's iterator gave no more."""

    def feed(self) -> Iterator[Any]:
        """Yield what was not answered, then what follows; only the newest feed yields anything."""
        with self._changed:
            self._feed += 1
            mine, again = self._feed, list(self._sent)
        yield from again
        while (request := self._next(mine)) is not None:
            yield request

    def answered(self) -> None:
        """Note that the oldest request was answered."""
        with self._changed:
            self._sent.popleft()
            self._changed.notify_all()

    def stop(self) -> None:
        """End the feed that is read now."""
        with self._changed:
            self._feed += 1
            self._changed.notify_all()

    def _next(self, feed: int) -> Any | None:
        # The lock is held while the caller's iterator makes a request: two feeds never read it at once.
        with self._changed:
            self._changed.wait_for(lambda: self._feed != feed or len(self._sent) < AT_ONCE)
            if self._feed != feed:
                return None
            request = self._made()
            if request is not None:
                self._sent.append(request)
            return request

    def _made(self) -> Any | None:
        try:
            return next(self._requests, None)
        except Exception as error:  # noqa: BLE001
            self.failure = error
            return None


class AsyncUnanswered:
    """The same on one event loop, where nobody reads while another does."""

    def __init__(self, requests: Iterable[Any]) -> None:
        self._requests = iter(requests)
        self._sent: deque[Any] = deque()
        self._room = asyncio.Event()
        self._feed = 0
        self.failure: Exception | None = None
        """Why the caller's iterator gave no more."""

    async def feed(self) -> AsyncIterator[Any]:
        """Yield what was not answered, then what follows; only the newest feed yields anything."""
        self._feed += 1
        mine = self._feed
        for request in list(self._sent):
            yield request
        while self._feed == mine:
            if len(self._sent) >= AT_ONCE:
                self._room.clear()
                await self._room.wait()
                continue
            try:
                request = next(self._requests, None)
            except Exception as error:  # noqa: BLE001 - raised where the caller reads
                self.failure = error
                return
            if request is None:
                return
            self._sent.append(request)
            yield request

    def answered(self) -> None:
        """Note that the oldest request was answered."""
        self._sent.popleft()
        self._room.set()
