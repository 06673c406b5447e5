"""Large memories and long questions: no call, and no upkeep, holds the others up for all of its work."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from memory_server.adapters.in_memory.embedder import HashEmbedder
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryDraft, Scope
from memory_server.domain.policy import DecayLevel, NamespacePolicy
from memory_server.ports import Change, CreateNamespaceWrite
from memory_server.transport.auth import Principal
from memory_server.transport.codec.encoded import EncodedMemories
from memory_server.transport.services.recalls import MOST_TEXT_AT_ONCE, RecallServicer
from memory_server.usecases import lifecycle, movement, store
from memory_server.usecases.engine import Engine
from soma.memory.v1 import recall_service_pb2 as pb
from tests.support.engines import ENGINES, an_engine
from tests.support.memories import DIMENSIONS, NOW_US, SCOPE, StoppedClock

SIZE = 300_000
COUNT = 8


@asynccontextmanager
async def others_turns() -> AsyncIterator[Iterator[int]]:
    """Count the turns that others have meanwhile; the next number is how many they were."""
    turns = itertools.count()

    async def take_turns() -> None:
        while True:
            next(turns)
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    try:
        yield turns
    finally:
        others.cancel()


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """Each engine, with large memories of an hour ago, of which a field has decayed."""
    clock = StoppedClock(NOW_US)
    async with an_engine(request.param, tmp_path, HashEmbedder(DIMENSIONS), clock) as engine:
        policy = NamespacePolicy(decay_levels=(DecayLevel(60, ("old",)),))
        await engine.commit_one(CreateNamespaceWrite(SCOPE, policy, NOW_US))
        for number in range(COUNT):
            payload = json.dumps({"old": "x", "stays": [number] * (SIZE // 3)}).encode()
            command = store.StoreCommand(MemoryDraft(payload_json=payload, id=f"m{number}"))
            await store.store(engine, SCOPE, command)
        clock.time_us += 3600 * 1_000_000
        yield engine


@pytest.mark.parametrize("work", ["decay", "share"])
async def test_large_memories_are_written_few_at_a_time(engine: Engine, work: str) -> None:
    """What one commit brings to the index is bounded by its size, not only by its number."""
    sizes: list[int] = []

    def tell(changes: Sequence[Change]) -> None:
        sizes.append(sum(len(one.added.payload_json) for one in changes if one.added))
        engine.index.apply(changes)

    engine.store.listen(tell)
    if work == "decay":
        count = await lifecycle.decay(engine)
    else:
        target, options = Scope(SCOPE.tenant, "other"), movement.ImportOptions()
        done = await movement.share(engine, SCOPE, target, Filter(), options)
        count = done.stored_count

    assert count == COUNT
    assert 0 < max(sizes) <= lifecycle.DECAYED_BYTES


async def test_long_questions_are_answered_few_at_a_time(engine: Engine) -> None:
    """Others have their turn between them, and every answer is at its place."""
    long = "tea " * (MOST_TEXT_AT_ONCE // 8)
    queries = [
        pb.RecallRequest(namespace=SCOPE.namespace, text=text, mode=pb.RECALL_MODE_KEYWORD)
        for text in [long] * 20 + [""]
    ]
    servicer, caller = RecallServicer(engine, EncodedMemories()), Principal(SCOPE.tenant)

    async with others_turns() as turns:
        response = await servicer.recall_batch(pb.RecallBatchRequest(queries=queries), caller)

    assert next(turns) >= 10
    assert [one.WhichOneof("outcome") for one in response.outcomes] == ["response"] * 20 + ["error"]


async def test_others_have_their_turn_while_versions_come_in(engine: Engine) -> None:
    """One message of an import may have thousands of small ones."""
    version = MemoryDraft(payload_json=b"{}")
    versions = tuple(movement.MovedMemory(version) for _ in range(1000))
    moves = [movement.MovedMemory(version, versions=versions) for _ in range(5)]
    importer = movement.Importer(engine, SCOPE, movement.ImportOptions(dry_run=True))

    async with others_turns() as turns:
        await importer.take(moves, [])

    assert next(turns) >= 10
