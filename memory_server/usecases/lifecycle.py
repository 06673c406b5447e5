"""What happens to memories without a caller: they expire, decay, are counted and swept away. Done in small steps."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from memory_server.domain import validation
from memory_server.domain.decay import decayed_payload
from memory_server.domain.filters import Filter
from memory_server.domain.memory import MemoryId, MemoryRecord, Scope
from memory_server.domain.policy import NamespacePolicy
from memory_server.domain.sizes import portions
from memory_server.domain.text import searchable_text
from memory_server.ports import AccessWrite, EvictWrite, ExpireWrite, StoreWrite, SweepWrite
from memory_server.usecases.embedding import Wanted, embeddings_of
from memory_server.usecases.engine import Engine
from memory_server.usecases.read import every_page
from soma_common.errors import Conflict, NotFound, SomaError

BATCH = 500
"""Removed or written by one commit, so that it does not hold up the callers' writes."""

DECAYED_BYTES = 1024 * 1024
"""Bytes of payloads that are looked at, and written, before other calls get their turn."""


async def expire_once(engine: Engine) -> int:
    """Remove one batch of expired memories; return how many.

    Raises:
        SomaError: The store does not take the write now.
    """
    return (await engine.commit_one(ExpireWrite(engine.clock.now_us(), BATCH))).version


async def evict_once(engine: Engine) -> int:
    """Remove one batch of what a namespace holds beyond a limit that was lowered; return how many.

    Raises:
        SomaError: The store does not take the write now.
    """
    return (await engine.commit_one(EvictWrite(engine.clock.now_us(), BATCH))).version


async def sweep_once(engine: Engine) -> int:
    """Free one batch of what dropped namespaces held; return how many things.

    Raises:
        SomaError: The store does not take the write now.
    """
    return (await engine.commit_one(SweepWrite(BATCH))).version


async def write_accesses(engine: Engine) -> int:
    """Write one batch of counted accesses down; return of how many memories.

    Raises:
        SomaError: The store does not take the write now; the counts wait for the next time.
    """
    counts = engine.accesses.take(BATCH)
    if not counts:
        return 0
    try:
        await engine.commit_one(AccessWrite(counts))
    except SomaError:
        engine.accesses.give_back(counts)
        raise
    return len(counts)


async def decay(engine: Engine) -> int:
    """Let every memory lose what its namespace's policy says that it loses by now; return how many lost something.

    Raises:
        SomaError: The store does not take the write now.
    """
    count = 0
    for scope, policy in await engine.store.policies():
        if policy.has_decay:
            async for written in _decayed(engine, scope, policy):
                count += written
    return count


async def _decayed(engine: Engine, scope: Scope, policy: NamespacePolicy) -> AsyncIterator[int]:
    try:
        async for page in every_page(engine, scope, Filter()):
            for some in portions(page, _size, DECAYED_BYTES):
                yield await _decayed_some(engine, scope, policy, some)
                # Where nothing has decayed, nothing was waited for.
                await asyncio.sleep(0)
    except NotFound:
        return  # the namespace was dropped meanwhile


def _size(record: MemoryRecord) -> int:
    return len(record.payload_json)


async def _decayed_some(
    engine: Engine, scope: Scope, policy: NamespacePolicy, some: Sequence[MemoryRecord]
) -> int:
    now_us = engine.clock.now_us()
    writes = [
        await _decay_write(engine, scope, record, payload, now_us)
        for record in some
        if (payload := decayed_payload(record, policy, now_us)) is not None
    ]
    count = 0
    for outcome in await engine.commit(writes):
        if not isinstance(outcome, Exception):
            count += 1
        elif not isinstance(outcome, Conflict | NotFound):
            raise outcome  # of a memory that was written meanwhile, the next round judges
    return count


async def _decay_write(
    engine: Engine, scope: Scope, record: MemoryRecord, payload_json: bytes, now_us: int
) -> StoreWrite:
    """Return the write of a memory without what has decayed: gone from search and from its versions, too.

    A text or an embedding that the author gave goes as well: nobody can tell which part of it stood for what is gone.
    """
    text = searchable_text("", validation.parse_json(payload_json))
    embedding = (await embeddings_of(engine, [Wanted(text)]))[0]
    reduced = record._replace(
        payload_json=payload_json,
        text=text,
        embedding=embedding.vector,
        embedding_model=embedding.model,
        update_time_us=now_us,
    )
    return StoreWrite(
        scope=scope,
        id=record.id,
        fallback_id=MemoryId(""),
        record=reduced,
        now_us=now_us,
        read_seq=record.commit_seq,
        has_default_ttl=False,
        keeps_history=False,
    )
