"""What every use case works with."""

from collections.abc import Callable
from dataclasses import dataclass

from memory_server.domain.ids import Randomness, new_ulid
from memory_server.domain.limits import Limits
from memory_server.domain.ranking import RankingOptions
from memory_server.ports import Change, Clock, Embedder, MemoryStore, SearchIndex

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
