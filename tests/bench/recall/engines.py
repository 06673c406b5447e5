"""Engines to measure the quality of recall with: everything in memory, but the embedded index."""

import itertools
import json
import random

from memory_server.adapters.embedded.index import EmbeddedIndex
from memory_server.adapters.in_memory.store import InMemoryStore
from memory_server.adapters.wordllama import WordLlamaEmbedder
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.limits import Limits
from memory_server.domain.memory import MemoryDraft, MemoryId, MemoryKind, MemoryRef, Scope, Tenant
from memory_server.domain.policy import NamespacePolicy
from memory_server.ports import CreateNamespaceWrite
from memory_server.usecases import link, recall, store
from memory_server.usecases.engine import Engine, fill_index
from tests.bench.recall.conversations import Conversation
from tests.bench.recall.notes import DAY_US, Asked, Notes
from tests.support.memories import StoppedClock

DIMENSIONS = 256
LIMITS = Limits(8 << 20, 1 << 20, 3600, DIMENSIONS)
HALF_LIFE_S = 30 * 86_400
FEW = 5
NOT_KNOWN = 0.4
"""What scores below is taken for no answer."""


async def an_engine(embedder: WordLlamaEmbedder, *, has_kindred: bool = True) -> Engine:
    """Return an empty engine."""
    numbers = itertools.count()
    engine = Engine(
        InMemoryStore(),
        EmbeddedIndex(embedder.words if has_kindred else None),
        embedder,
        StoppedClock(),
        lambda size: next(numbers).to_bytes(size, "big"),
        LIMITS,
    )
    await fill_index(engine)
    return engine


async def load_conversation(
    engine: Engine, conversation: Conversation, scope: Scope, *, harm: random.Random | None = None
) -> None:
    """Store one memory per turn; `harm`: with random ages and importance, which say nothing."""
    policy = NamespacePolicy(recency_half_life_s=HALF_LIFE_S if harm else 0)
    clock = _clock(engine)
    clock.time_us = max(turn.time_us for turn in conversation.turns)
    await engine.commit_one(CreateNamespaceWrite(scope, policy, clock.time_us))
    sessions = sorted({turn.session for turn in conversation.turns})
    shift_us = {name: harm.randint(0, 400) * DAY_US if harm else 0 for name in sessions}
    commands = [
        store.StoreCommand(
            MemoryDraft(
                payload_json=json.dumps({"text": f"{turn.speaker}: {turn.text}"}).encode(),
                id=turn.id,
                event_time_us=turn.time_us - shift_us[turn.session],
                importance=harm.lognormvariate(0, 1.5) if harm else 1.0,
                metadata={"session": turn.session} if conversation.names_sessions else {},
            )
        )
        for turn in conversation.turns
    ]
    await store.store_batch(engine, scope, commands)


async def load_notes(engine: Engine, notes: Notes, scope: Scope) -> None:
    """Store the notes at their times, and the same for another tenant, who must never be seen."""
    clock = _clock(engine)
    for tenant in (scope.tenant, Tenant(f"{scope.tenant}-decoy")):
        own = Scope(tenant, scope.namespace)
        policy = NamespacePolicy(recency_half_life_s=HALF_LIFE_S)
        await engine.commit_one(CreateNamespaceWrite(own, policy, notes.notes[0].time_us))
        for note in notes.notes:
            clock.time_us = note.time_us
            draft = MemoryDraft(
                payload_json=json.dumps({"text": note.text, "of": tenant}).encode(),
                id=note.id,
                kind=MemoryKind.SEMANTIC,
                text=note.text,
                importance=note.importance,
                event_time_us=note.event_time_us,
                metadata={"team": note.team} if note.team else {},
            )
            await store.store(engine, own, store.StoreCommand(draft))
        for start, end in notes.links:
            refs = [MemoryRef(id=MemoryId(name)) for name in (start, end)]
            await link.link(engine, own, link.LinkCommand(refs[0], refs[1], "about", 1.0, {}))


async def ask_note(
    engine: Engine, scope: Scope, notes: Notes, asked: Asked, mode: recall.RecallMode
) -> float:
    """Return 1 for a right answer, else 0; another tenant's memory is an error."""
    _clock(engine).time_us = notes.end_us
    given = Filter(metadata=(MetadataTest("team", any_of=(asked.team,)),) if asked.team else ())
    query = recall.RecallQuery(
        text=asked.text, mode=mode, top_k=FEW, given=given, as_of_us=asked.as_of_us
    )
    hits = (await recall.recall(engine, scope, query)).hits
    owners = {json.loads(hit.record.payload_json)["of"] for hit in hits}
    if owners - {scope.tenant}:
        raise AssertionError("a memory of another tenant was recalled")
    if not asked.answers:
        return float(not hits or hits[0].score < NOT_KNOWN)
    best = hits[:1] if asked.is_first else hits
    return float(
        any(hit.record.id in asked.answers and asked.said in hit.record.text for hit in best)
    )


def _clock(engine: Engine) -> StoppedClock:
    assert isinstance(engine.clock, StoppedClock)
    return engine.clock
