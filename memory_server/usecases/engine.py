"""What every use case works with."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memory_server.domain.ids import Randomness, new_ulid
from memory_server.domain.limits import Limits
from memory_server.domain.memory import Receipt
from memory_server.domain.ranking import RankingOptions
from memory_server.ports import Change, Clock, Embedder, MemoryStore, SearchIndex, Write

DEFAULT_RANKING = RankingOptions()


@dataclass(frozen=True, slots=True)
class Engine:
    """The ports of one server, put together by `bootstrap`."""

    store: MemoryStore
    index: SearchIndex
    embedder: Embedder
    clock: Clock
    randomness: Randomness
    limits: Limits
    ranking: RankingOptions = DEFAULT_RANKING

    def new_id(self) -> str:
        """Return a new ULID."""
        return new_ulid(self.clock.now_us(), self.randomness)

    async def commit(self, writes: Sequence[Write]) -> list[Receipt | Exception]:
        """Carry out writes; a receipt whose caller named no request id has one that the server made."""
        outcomes = await self.store.commit(writes)
        return [
            (
                dataclasses.replace(outcome, request_id=self.new_id())
                if isinstance(outcome, Receipt) and not outcome.request_id
                else outcome
            )
            for outcome in outcomes
        ]

    async def commit_one(self, write: Write) -> Receipt:
        """Carry out one write.

        Raises:
            SomaError: The store refused it.
        """
        outcome = (await self.commit([write]))[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


Progress = Callable[[int], None]


async def fill_index(engine: Engine, progress: Progress = lambda _count: None) -> None:
    """Rebuild the index from the store, then keep it up to date; to be done once, before the first call.

    Args:
        engine: Its store must not have been written to since it was opened.
        progress: Told how many memories are in.
    """
    engine.store.listen(engine.index.apply)
    count = 0
    async for batch in engine.store.scan():
        engine.index.apply([Change(scope, record.commit_seq, record) for scope, record in batch])
        await engine.index.maintain()
        count += len(batch)
        progress(count)
