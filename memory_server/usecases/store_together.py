"""Store memories of calls that run at the same time together: a group is prepared and committed at once.

Embedding, checking and committing ten memories one by one takes three times as long as all at once. So what comes while
a group is committed makes the next group, and nothing waits for others to come.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from memory_server.domain.memory import Receipt, Scope
from memory_server.usecases.engine import Engine
from memory_server.usecases.store import StoreCommand, check, store, writes_of

log = logging.getLogger(__name__)

TOGETHER = 64
"""Memories of a group at most: everything else waits while it is prepared."""


class _Waiting(NamedTuple):
    scope: Scope
    command: StoreCommand
    receipt: asyncio.Future[Receipt]


class StoreTogether:
    """Gathers memories that are stored one by one; those who wait are as many as calls are admitted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[_Waiting] = []
        self._is_scheduled = False
        self._committing = 0
        """Groups that are being committed. One whose texts a model embeds, which may be far away, holds up nobody."""
        self._running: set[asyncio.Task[None]] = set()

    async def store(self, scope: Scope, command: StoreCommand) -> Receipt:
        """See `store.store`."""
        check(self._engine, scope, command)
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(scope, command, receipt))
        self._schedule()
        return await receipt

    def _schedule(self) -> None:
        if self._waiting and not self._committing and not self._is_scheduled:
            self._is_scheduled = True
            # After everything that is ready to run by now, which may be more memories.
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._is_scheduled = False
        group, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
        task = asyncio.create_task(self._store(group))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        self._schedule()

    async def _store(self, group: Sequence[_Waiting]) -> None:
        # Whoever has gone before anything was done wants nothing written.
        asked = [each for each in group if not each.receipt.done()]
        try:
            writes = await writes_of(self._engine, [(one.scope, one.command) for one in asked])
        except Exception:  # whatever it is: only the memory that it comes from may fail
            log.exception("failed to prepare memories together")
            await asyncio.gather(*(self._store_alone(one) for one in asked))
            return
        self._committing += 1
        outcomes: Sequence[Receipt | Exception]
        try:
            outcomes = await self._engine.commit(writes)
        except Exception as error:  # noqa: BLE001 - raised where it was asked
            outcomes = [error] * len(asked)
        finally:
            self._committing -= 1
            self._schedule()
        for one, outcome in zip(asked, outcomes, strict=True):
            _tell(one, outcome)

    async def _store_alone(self, one: _Waiting) -> None:
        try:
            _tell(one, await store(self._engine, one.scope, one.command))
        except Exception as error:  # noqa: BLE001 - raised where it was asked
            _tell(one, error)


def _tell(one: _Waiting, outcome: Receipt | Exception) -> None:
    if one.receipt.done():
        return
    if isinstance(outcome, Exception):
        one.receipt.set_exception(outcome)
    else:
        one.receipt.set_result(outcome)
