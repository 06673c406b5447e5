"""Answer queries that come at the same time together: what they have in common is done once."""

from functools import partial

from memory_server.domain.memory import Scope
from memory_server.usecases.engine import Engine
from memory_server.usecases.gathering import Gathering
from memory_server.usecases.recall import RecallAnswer, RecallMode, RecallQuery, recall, recall_each

TOGETHER = 16
"""Queries that are answered at once at most; everything else waits for them."""


class RecallTogether:
    """Gathers the queries of calls that run at the same time.

    Queries that may take long by themselves, those of the past and those for a string, are answered alone; and those
    whose text a model embeds, which may be far away, do not hold up the others.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._embedded, self._others = (
            Gathering(partial(recall_each, engine), self._alone, TOGETHER) for _ in range(2)
        )

    async def recall(self, scope: Scope, query: RecallQuery) -> RecallAnswer:
        """See `recall.recall`."""
        if query.as_of_us is not None or query.field_match is not None:
            return await recall(self._engine, scope, query)
        is_embedded = query.text is not None and query.mode is not RecallMode.KEYWORD
        gathering = self._embedded if is_embedded or query.context else self._others
        return await gathering.ask((scope, query))

    async def _alone(self, asked: tuple[Scope, RecallQuery]) -> RecallAnswer:
        return await recall(self._engine, *asked)
