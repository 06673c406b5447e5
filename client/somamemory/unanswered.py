"""Requests of a stream that were sent and not answered yet: what is sent again after the connection broke."""

import asyncio
import itertools
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
        self._reading = threading.Lock()
        """Held while the caller's iterator makes a request, for as long as that takes; taken before `_changed`."""
        self._changed = threading.Condition()
        """Guards what follows, and is never held while the caller's code runs: answers do not wait for it."""
        self._sent: deque[Any] = deque()
        self._answered = 0
        self._feed = 0
        self.failure: Exception | None = None
        """Why the caller's iterator gave no more."""

    def feed(self) -> Iterator[Any]:
        """Return what was not answered, then what follows; only the newest feed yields anything."""
        with self._changed:
            self._feed += 1
            return self._from(self._answered, self._feed)

    def answered(self) -> None:
        """Note that the oldest request was answered."""
        with self._changed:
            self._sent.popleft()
            self._answered += 1
            self._changed.notify_all()

    def stop(self) -> None:
        """End the feed that is read now."""
        with self._changed:
            self._feed += 1
            self._changed.notify_all()

    def _from(self, number: int, feed: int) -> Iterator[Any]:
        for each in itertools.count(number):
            if not self._is_there(each, feed):
                with self._reading:
                    # A feed that was read before may have got it in the meantime.
                    if not self._is_there(each, feed):
                        self._read()
            request = self._request(each, feed)
            if request is None:
                return
            yield request

    def _is_there(self, number: int, feed: int) -> bool:
        """Tell whether nothing has to be read for a feed to go on; wait for room before something is."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_made(number, feed) or len(self._sent) < AT_ONCE)
            return self._is_made(number, feed)

    def _is_made(self, number: int, feed: int) -> bool:
        return self._feed != feed or number < self._answered + len(self._sent)

    def _request(self, number: int, feed: int) -> Any | None:
        with self._changed:
            at = number - self._answered
            return self._sent[at] if self._feed == feed and at < len(self._sent) else None

    def _read(self) -> None:
        try:
            request = next(self._requests, None)
        except Exception as error:  # noqa: BLE001 - raised where the caller reads
            self.failure = error
            return
        if request is not None:
            with self._changed:
                self._sent.append(request)


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
