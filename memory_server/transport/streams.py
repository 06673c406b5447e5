"""What streaming calls are made of: requests read one by one, an idle deadline, answers side by side.

Rules:
    1. A stream reads its next request only when the method asks for it, so that a slow method slows its client down by
       gRPC's flow control instead of filling memory.
    2. A draining server ends the requests as if the client had finished: the method answers what it has taken, and the
       boundary then tells the client to come back.
    3. A stream on which nothing moves in either direction for the idle time is ended.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message

from memory_server.transport.context import Context
from soma_common.errors import InvalidInput, Violation

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")
Result = TypeVar("Result")

_REARMS = 16
"""How often per idle time the deadline is moved at most: a stream may be ended this share of the time too early, and
moving it with every message would cost more than the message."""


def parse(request_type: type[Request], raw: bytes) -> Request:
    """Return the message in the bytes.

    Raises:
        InvalidInput: They hold none.
    """
    try:
        return request_type.FromString(raw)
    except DecodeError:
        bad = Violation("", f"must be a {request_type.DESCRIPTOR.full_name} on the wire")
        raise InvalidInput("the request is not valid", violations=[bad]) from None


class IdleDeadline:
    """Ends what runs inside an `asyncio.timeout` when nobody has touched it for a while.

    Args:
        scope: Entered by the caller around everything that the deadline is to end.
        idle_s: How long nothing may move, seconds.
    """

    def __init__(self, scope: asyncio.Timeout, idle_s: float) -> None:
        self._scope = scope
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._rearm_at = 0.0
        self.touch()

    def strike(self) -> None:
        """End it now."""
        if not self._scope.expired():
            self._scope.reschedule(0)

    def touch(self) -> None:
        """Say that something has moved."""
        now = self._loop.time()
        if now >= self._rearm_at and not self._scope.expired():
            self._rearm_at = now + self._idle_s / _REARMS
            self._scope.reschedule(now + self._idle_s)


class Requests(Generic[Request]):
    """The requests of one streaming call, each parsed when it is asked for; to be read by one task at a time.

    Args:
        request_type: What they are.
        context: The call.
        arrived: Told each with its size, bytes; may hold it back.
    """

    def __init__(
        self,
        request_type: type[Request],
        context: Context,
        arrived: Callable[[Request, int], Awaitable[None]],
    ) -> None:
        self._request_type = request_type
        self._context = context
        self._arrived = arrived
        self._reading: asyncio.Timeout | None = None
        self.is_ended = False

    def __aiter__(self) -> AsyncIterator[Request]:
        return self

    async def __anext__(self) -> Request:
        """Return the next request.

        Raises:
            StopAsyncIteration: The client has finished, or the server is draining.
            InvalidInput: What came is no such message.
        """
        raw = None if self.is_ended else await self._read()
        if raw is None:
            self.is_ended = True
            raise StopAsyncIteration
        request = parse(self._request_type, raw)
        await self._arrived(request, len(raw))
        return request

    def end(self) -> None:
        """Let no further request in: a read that waits finds the end."""
        self.is_ended = True
        if self._reading is not None:
            self._reading.reschedule(0)

    async def _read(self) -> bytes | None:
        try:
            async with asyncio.timeout(None) as self._reading:
                raw: Any = await self._context.read()
        except TimeoutError:
            return None
        finally:
            self._reading = None
        return None if raw is grpc.aio.EOF else cast("bytes", raw)


async def pipelined(
    requests: AsyncIterator[Request],
    answer: Callable[[Request], Awaitable[Response]],
    *,
    limit: int,
) -> AsyncIterator[Response]:
    """Answer requests side by side and yield the answers in the order of the requests.

    A request is read only when fewer than `limit` are unanswered. What fails, a request that is no message too, fails
    in its turn: everything before it is answered first.
    """
    pipeline = _Pipeline(requests, answer, limit)
    try:
        while (turn := await pipeline.next_turn()) is not None:
            yield await turn
            pipeline.room.release()
    finally:
        await pipeline.end()


async def grouped(
    requests: AsyncIterator[Request],
    answer: Callable[[Sequence[Request]], Awaitable[Sequence[Response]]],
    *,
    limit: int,
) -> AsyncIterator[Response]:
    """Answer together what has come meanwhile, and yield the answers in the order of the requests.

    Requests are read, and what fails fails, as in `pipelined`.
    """
    ahead = _ReadAhead(requests, limit)
    try:
        while group := await ahead.next_group():
            for response in await answer(group):
                yield response
                ahead.room.release()
    finally:
        await ahead.end()


class _ReadAhead(Generic[Request]):
    """A task that reads, up to a limit of requests that are unanswered."""

    def __init__(self, requests: AsyncIterator[Request], limit: int) -> None:
        self.room = asyncio.Semaphore(limit)
        self._requests = requests
        self._read: list[Request] = []
        self._has_come = asyncio.Event()
        self._reading = asyncio.create_task(self._read_on())

    async def next_group(self) -> Sequence[Request]:
        """Return what was read since the last time, at least one; none: there will be none."""
        if not self._read and not self._reading.done():
            self._has_come.clear()
            await self._has_come.wait()
        group, self._read = self._read, []
        if not group:
            await self._reading
        return group

    async def end(self) -> None:
        """Read no more."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_on(self) -> None:
        try:
            while True:
                await self.room.acquire()
                request = await anext(self._requests)
                self._read.append(request)
                self._has_come.set()
        except StopAsyncIteration:
            return
        finally:
            self._has_come.set()


class _Pipeline(Generic[Request, Response]):
    """A task that reads, and a task for each request that is unanswered.

    No TaskGroup: it would wrap what is raised inside, the end of the generator included, into a group of exceptions.
    """

    def __init__(
        self,
        requests: AsyncIterator[Request],
        answer: Callable[[Request], Awaitable[Response]],
        limit: int,
    ) -> None:
        self.room = asyncio.Semaphore(limit)
        self._requests = requests
        self._answer = answer
        # Bounded by `room`. An exception: reading failed. None: there are no more requests.
        self._turns: asyncio.Queue[asyncio.Task[Response] | Exception | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._start(self._read())

    async def next_turn(self) -> asyncio.Task[Response] | None:
        """Return the oldest request that is unanswered; None: there is none and will be none."""
        turn = await self._turns.get()
        if isinstance(turn, Exception):
            raise turn
        return turn

    async def end(self) -> None:
        """Cancel what still runs and wait for it, so that no task outlives its call."""
        running = list(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _read(self) -> None:
        while True:
            await self.room.acquire()
            try:
                request = await anext(self._requests)
            except StopAsyncIteration:
                self._turns.put_nowait(None)
                return
            except Exception as error:  # noqa: BLE001 - raised by `next_turn`, in its turn
                self._turns.put_nowait(error)
                return
            self._turns.put_nowait(self._start(self._answered(request)))

    async def _answered(self, request: Request) -> Response:
        return await self._answer(request)
