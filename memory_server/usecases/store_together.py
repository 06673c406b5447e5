"""Store memories of calls that run at the same time together: a group is prepared and committed at once.

Embedding, checking and committing ten memories one by one takes three times as long as all at once. So what comes while
a group is committed makes the next group.
"""

from collections.abc import Sequence

from memory_server.domain.memory import Receipt, Scope
from memory_server.usecases.engine import Engine
from memory_server.usecases.gathering import Gathering
from memory_server.usecases.store import StoreCommand, check, store, writes_of

TOGETHER = 64
"""Memories of a group at most: everything else waits while it is prepared."""

_Asked = tuple[Scope, StoreCommand]


class StoreTogether:
    """Gathers memories that are stored one by one; those who wait are as many as calls are admitted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._gathering = Gathering(self._store, self._alone, TOGETHER)

    async def store(self, scope: Scope, command: StoreCommand) -> Receipt:
        """See `store.store`."""
        check(self._engine, scope, command)
        return await self._gathering.ask((scope, command))

    async def _store(self, asked: Sequence[_Asked]) -> Sequence[Receipt | Exception]:
        writes = await writes_of(self._engine, asked)
        # Not before: a group whose texts a model embeds, which may be far away, holds up nobody.
        with self._gathering.held():
            try:
                return await self._engine.commit(writes)
            except Exception as error:  # noqa: BLE001 - some may be written: not asked for alone
                return [error] * len(asked)

    async def _alone(self, asked: _Asked) -> Receipt:
        return await store(self._engine, *asked)
