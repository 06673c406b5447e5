"""What every use case works with."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from memory_server.domain.accesses import Accesses
from memory_server.domain.ids import Randomness, new_ulid, new_ulids
from memory_server.domain.limits import Limits
from memory_server.domain.memory import MemoryId, Receipt, Scope
from memory_server.domain.ranking import RankingOptions
from memory_server.ports import Change, Clock, Embedder, MemoryStore, SearchIndex, Write
from memory_server.usecases.moments import Moments

DEFAULT_RANKING = RankingOptions()


class Signal:
    """Wakes everybody who waits for the next change."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self, *_: object) -> None:
        """Wake those who wait now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next change from now on."""
        await self._event.wait()


@dataclass(slots=True)
class ChangeOfModel:
    """The embedder that still serves while another one is to take its place; None: none is."""

    previous: Embedder | None = None


@dataclass(slots=True)
class OwedScrub:
    """The commit of the last erasure that could not empty the log, because somebody read it; 0: there was none."""

    commit_seq: int = 0


@dataclass(frozen=True, slots=True)
class Engine:
    """The ports of one server, put together by `bootstrap`."""

    store: MemoryStore
    index: SearchIndex
    wanted_embedder: Embedder
    clock: Clock
    randomness: Randomness
    limits: Limits
    ranking: RankingOptions = DEFAULT_RANKING
    moments: Moments = field(default_factory=Moments)
    accesses: Accesses = field(default_factory=Accesses)
    changed: Signal = field(default_factory=Signal)
    model_change: ChangeOfModel = field(default_factory=ChangeOfModel)
    owed_scrub: OwedScrub = field(default_factory=OwedScrub)

    @property
    def embedder(self) -> Embedder:
        """The embedder that serves; to be asked once a call, since another may take its place between two awaits."""
        return self.model_change.previous or self.wanted_embedder

    def new_id(self) -> str:
        """Return a new ULID."""
        return new_ulid(self.clock.now_us(), self.randomness)

    def new_ids(self, count: int) -> list[str]:
        """Return so many new ULIDs, in their order."""
        return new_ulids(count, self.clock.now_us(), self.randomness)

    def note_access(self, scope: Scope, ids: Iterable[MemoryId]) -> None:
        """Count that memories were given to a caller; written down by a worker."""
        self.accesses.note(scope, ids, self.clock.now_us())

    async def commit(self, writes: Sequence[Write]) -> list[Receipt | Exception]:
        """Carry out writes; a receipt whose caller named no request id has one that the server made."""
        outcomes = await self.store.commit(writes) if writes else []
        nameless = [
            place
            for place, outcome in enumerate(outcomes)
            if isinstance(outcome, Receipt) and not outcome.request_id
        ]
        if nameless:
            for place, request_id in zip(nameless, self.new_ids(len(nameless)), strict=True):
                receipt = outcomes[place]
                assert isinstance(receipt, Receipt)
                outcomes[place] = receipt.named(request_id)
        return outcomes

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


async def fill_index(engine: Engine, progress: Progress = lambda _count: None) -> Counter[str]:
    """Fill the index from what it kept and from the store, then keep it up to date; once, before the first call.

    Args:
        engine: Its store must not have been written to since it was opened.
        progress: Told how many memories are in.

    Returns:
        How many embeddings there are of each model, those that are kept beside others not counted.
    """

    def tell(changes: Sequence[Change]) -> None:
        engine.index.apply(changes)
        engine.changed.wake()

    engine.store.listen(tell)
    live = await engine.store.live_seqs()
    known_seq = await engine.index.load(live)
    count = sum(int((seqs <= known_seq).sum()) for seqs in live.values())
    async for batch in engine.store.scan(after=known_seq):
        engine.index.apply([Change(scope, record.commit_seq, record) for scope, record in batch])
        count += len(batch)
        progress(count)
    models = engine.index.models()
    async for kept in engine.store.scan_beside():
        engine.index.apply([Change(scope, new.seq, embedded=(new,)) for scope, new in kept])
    await engine.index.maintain()
    return models
