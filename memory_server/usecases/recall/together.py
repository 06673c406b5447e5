"""Answer queries that come at the same time together: what they have in common is done once."""

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from memory_server.domain.memory import Scope
from memory_server.usecases.engine import Engine
from memory_server.usecases.recall import RecallAnswer, RecallMode, RecallQuery, recall, recall_each
from soma_common.errors import SomaError

log = logging.getLogger(__name__)

TOGETHER = 16
"""Queries that are answered at once at most; everything else waits for them."""


class _Waiting(NamedTuple):
    scope: Scope
    query: RecallQuery
    answer: asyncio.Future[RecallAnswer]


class RecallTogether:
    """Gathers the queries of calls that run at the same time; none waits for others to come.

    Queries that may take long by themselves, those of the past and those for a string, are answered alone; and those
    whose text a model embeds, which may be far away, do not hold up the others.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[bool, list[_Waiting]] = {True: [], False: []}
        """By whether a text is embedded."""
        self._running: set[asyncio.Task[None]] = set()

    async def recall(self, scope: Scope, query: RecallQuery) -> RecallAnswer:
        """See `recall.recall`."""
        if query.as_of_us is not None or query.field_match is not None:
            return await recall(self._engine, scope, query)
        is_embedded = query.text is not None and query.mode is not RecallMode.KEYWORD
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[RecallAnswer] = loop.create_future()
        waiting = self._waiting[is_embedded or bool(query.context)]
        waiting.append(_Waiting(scope, query, answer))
        if len(waiting) == 1:
            # After everything that is ready to run by now, which may be more queries.
            loop.call_soon(self._begin, waiting)
        return await answer

    def _begin(self, waiting: list[_Waiting]) -> None:
        for start in range(0, len(waiting), TOGETHER):
            task = asyncio.create_task(self._answer(waiting[start : start + TOGETHER]))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        waiting.clear()

    async def _answer(self, group: Sequence[_Waiting]) -> None:
        asked = [each for each in group if not each.answer.done()]
        try:
            answers = await recall_each(self._engine, [(one.scope, one.query) for one in asked])
        except Exception:  # whatever it is: only the query that it comes from may fail
            log.exception("failed to answer queries together")
            await asyncio.gather(*(self._answer_alone(one) for one in asked))
            return
        for one, answer in zip(asked, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, SomaError):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)

    async def _answer_alone(self, one: _Waiting) -> None:
        try:
            answer = await recall(self._engine, one.scope, one.query)
        except Exception as error:  # noqa: BLE001 - raised where it was asked
            if not one.answer.done():
                one.answer.set_exception(error)
        else:
            if not one.answer.done():
                one.answer.set_result(answer)
