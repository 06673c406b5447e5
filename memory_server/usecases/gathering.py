"""Questions of calls that run at the same time are answered together; nobody waits for others to come."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, NamedTuple, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class _Waiting(NamedTuple, Generic[Asked, Answer]):
    asked: Asked
    answer: asyncio.Future[Answer]


class Gathering(Generic[Asked, Answer]):
    """Gathers what is asked until everything that is ready to run has run, or as long as it is held.

    Args:
        together: Answers a group, in its order; an exception in the place of an answer is raised where it was asked.
            When it raises one itself, nothing of the group has been done, and each is asked for alone.
        alone: Answers one.
        most: How large a group is at most: everything else waits for it.
    """

    def __init__(
        self,
        together: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer | Exception]]],
        alone: Callable[[Asked], Awaitable[Answer]],
        most: int,
    ) -> None:
        self._together = together
        self._alone = alone
        self._most = most
        self._waiting: list[_Waiting[Asked, Answer]] = []
        self._is_scheduled = False
        self._held = 0
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, asked: Asked) -> Answer:
        """Return the answer, or raise what it is refused with."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(asked, answer))
        self._schedule()
        return await answer

    @contextmanager
    def held(self) -> Iterator[None]:
        """Begin no group meanwhile: what comes makes the next one."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._held and not self._is_scheduled:
            self._is_scheduled = True
            # After everything that is ready to run by now, which may ask more.
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._is_scheduled = False
        group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        task = asyncio.create_task(self._answer(group))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        self._schedule()

    async def _answer(self, group: Sequence[_Waiting[Asked, Answer]]) -> None:
        # Whoever has gone before anything was done has asked for nothing.
        group = [each for each in group if not each.answer.done()]
        try:
            answers = await self._together([each.asked for each in group])
        except Exception:  # whatever it is: only the one that it comes from may fail
            log.exception("failed to answer calls together")
            await asyncio.gather(*(self._answer_alone(each) for each in group))
            return
        for each, answer in zip(group, answers, strict=True):
            _tell(each, answer)

    async def _answer_alone(self, one: _Waiting[Asked, Answer]) -> None:
        try:
            _tell(one, await self._alone(one.asked))
        except Exception as error:  # noqa: BLE001 - raised where it was asked
            _tell(one, error)


def _tell(one: _Waiting[Asked, Answer], answer: Answer | Exception) -> None:
    if one.answer.done():
        return
    if isinstance(answer, Exception):
        one.answer.set_exception(answer)
    else:
        one.answer.set_result(answer)
