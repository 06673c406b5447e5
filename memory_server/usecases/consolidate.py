"""Sum episodes up in semantic memories that are linked to their sources; the sources stay, and it can be undone."""

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from memory_server.domain import limits, validation
from memory_server.domain.conversations import Conversation, conversations
from memory_server.domain.filters import Filter, MetadataTest
from memory_server.domain.memory import (
    MemoryDraft,
    MemoryId,
    MemoryKind,
    MemoryRecord,
    MemoryRef,
    Receipt,
    Scope,
)
from memory_server.domain.summary import CONSOLIDATED_FROM, CONSOLIDATION, summary
from memory_server.domain.validation import Violations
from memory_server.ports import DeleteWrite, LinkWrite, StoreWrite
from memory_server.usecases import store, update
from memory_server.usecases.engine import Engine
from memory_server.usecases.read import every_page, every_version
from soma_common.errors import NotFound

DEFAULT_MIN_EPISODES = 2
DEFAULT_SUMMARY_BYTES = 2000
MIN_SUMMARY_BYTES = 100

FRAME_BYTES = 16
"""What surrounds a name in an answer, at most."""

LOOKED_UP_AT_ONCE = 50
"""Memories or links that are looked up before other calls get their turn."""

MAX_EPISODES = 100_000
MAX_TEXT = 64 * 1024 * 1024
"""Most episodes, and characters of their texts, that one consolidation looks at; name a filter for more."""

Looked = TypeVar("Looked")


@dataclass(frozen=True, slots=True)
class Summary:
    """A semantic memory, and what it sums up."""

    draft: MemoryDraft
    sources: Sequence[MemoryRef]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be summed up; with `summaries` the caller made them, else the server takes sentences."""

    given: Filter
    min_episodes: int = 0
    max_summary_bytes: int = 0
    summaries: Sequence[Summary] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Consolidated:
    """One summary that was written, would be, or was there already."""

    id: str
    text: str
    source_ids: Sequence[str]
    is_created: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What a consolidation did, as much of it as one answer can carry; `commit_seq` 0: nothing was written."""

    consolidation_id: str
    memories: Sequence[Consolidated]
    commit_seq: int
    is_truncated: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """A summary with its sources found."""

    draft: MemoryDraft
    sources: Sequence[MemoryRecord]


async def consolidate(engine: Engine, scope: Scope, order: Order) -> Result:
    """Write one summary for each conversation, or those that the caller made.

    The id of a summary is made of its conversation, or of its sources: done twice, nothing new is written; a
    conversation that went on gets the next version of its summary.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace, or a source does not exist.
        Conflict, QuotaExceeded, Overloaded, StorageFull, Unavailable: As the store says; do it again.
    """
    min_episodes, max_bytes = _check(engine, scope, order)
    await engine.store.require_namespace(scope)
    if order.summaries:
        plans = [await _callers_plan(engine, scope, one) for one in order.summaries]
    else:
        plans = await _own_plans(engine, scope, order.given, min_episodes, max_bytes)
    _check_that_sources_stay(plans)
    consolidation_id = engine.new_id()
    memories: list[Consolidated] = []
    last_seq = 0
    for plan in plans:
        done, seq = await _carry_out(engine, scope, plan, consolidation_id, order.dry_run)
        memories.append(done)
        last_seq = max(last_seq, seq)
    memories.sort(key=lambda one: not one.is_created)
    sizes = itertools.accumulate(map(_size, memories))
    fitting = sum(1 for size in sizes if size <= limits.MAX_RESPONSE_BYTES)
    is_truncated = fitting < len(memories)
    return Result(consolidation_id, memories[:fitting], last_seq, is_truncated)


def _size(one: Consolidated) -> int:
    names = (one.id, *one.source_ids)
    return len(one.text.encode()) + sum(len(name.encode()) + FRAME_BYTES for name in names)


async def undo(engine: Engine, scope: Scope, consolidation_id: str) -> tuple[int, int]:
    """Delete the summaries that a consolidation made, and bring those back that it overwrote.

    Returns:
        How many were deleted or brought back, and the last commit, 0 if nothing was.

    Raises:
        InvalidInput: With every violation; also if one that it overwrote would have expired by now. Nothing was done.
        NotFound: There is no such namespace.
        Conflict, Overloaded, StorageFull, Unavailable: As the store says; do it again.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    most = limits.MAX_METADATA_TEXT_BYTES
    validation.check_name(found, "consolidation_id", consolidation_id, most)
    found.raise_if_any()
    test = MetadataTest(CONSOLIDATION, any_of=(consolidation_id,))
    given = Filter(kinds=frozenset({MemoryKind.SEMANTIC}), metadata=(test,))
    written = [record async for page in every_page(engine, scope, given) for record in page]
    overwritten = [await _overwritten(engine, scope, one, consolidation_id) for one in written]
    now_us = engine.clock.now_us()
    # Written again it would be gone at once, and the memory with all its versions with it.
    is_right = not any(older is not None and older.is_expired(now_us) for older in overwritten)
    found.require(is_right, "consolidation_id", "must have overwritten nothing that has expired")  # fmt: skip
    found.raise_if_any()
    last_seq = 0
    for record, older in zip(written, overwritten, strict=True):
        last_seq = max(last_seq, await _undo_one(engine, scope, record, older))
    return len(written), last_seq


async def _overwritten(
    engine: Engine, scope: Scope, record: MemoryRecord, consolidation_id: str
) -> MemoryRecord | None:
    """Return the last version of before a consolidation; None: there is none."""
    ref = MemoryRef(id=record.id)
    async with aclosing(every_version(engine, scope, ref)) as versions:
        async for version in versions:
            if version.record.metadata.get(CONSOLIDATION) != consolidation_id:
                return version.record
    return None


async def _undo_one(
    engine: Engine, scope: Scope, record: MemoryRecord, older: MemoryRecord | None
) -> int:
    if older is not None:
        return (await update.write_version(engine, scope, record, older, None)).commit_seq
    ref, now_us = MemoryRef(id=record.id), engine.clock.now_us()
    write = DeleteWrite(scope, ref, now_us, read_seq=record.commit_seq)
    return (await engine.commit_one(write)).commit_seq


async def _own_plans(
    engine: Engine, scope: Scope, given: Filter, min_episodes: int, max_bytes: int
) -> list[_Plan]:
    episodic = frozenset({MemoryKind.EPISODIC})
    if given.kinds and MemoryKind.EPISODIC not in given.kinds:
        return []
    episodes: list[MemoryRecord] = []
    text_bytes = 0
    async for page in every_page(engine, scope, given._replace(kinds=episodic)):
        # Only what is summed up is kept: payloads and embeddings are most of a memory.
        episodes += [record._replace(payload_json=b"", embedding=b"") for record in page]
        text_bytes += sum(len(record.text) for record in page)
        found = Violations()
        found.require(
            len(episodes) <= MAX_EPISODES and text_bytes <= MAX_TEXT,
            "filter",
            f"must leave at most {MAX_EPISODES} episodes, and {MAX_TEXT} characters of them",
        )
        found.raise_if_any()
    # In a thread, because a long conversation takes seconds to sum up, and other calls have their turn meanwhile.
    return await asyncio.to_thread(_plans_of, episodes, min_episodes, max_bytes)


def _plans_of(episodes: Sequence[MemoryRecord], min_episodes: int, max_bytes: int) -> list[_Plan]:
    return [
        plan
        for conversation in conversations(episodes)
        if len(conversation.episodes) >= min_episodes
        and (plan := _plan_of(conversation, max_bytes)) is not None
    ]


def _plan_of(conversation: Conversation, max_bytes: int) -> _Plan | None:
    # An erasure finds a summary by its links: of more than are linked, it must not say anything.
    episodes = conversation.episodes[-limits.MAX_SOURCES :]
    text = summary([record.text for record in episodes], max_bytes)
    if not text:
        return None
    draft = MemoryDraft(
        payload_json=json.dumps({"summary": text}).encode(),
        id=_id_of("conversation", conversation.name),
        kind=MemoryKind.SEMANTIC,
        text=text,
        importance=max(record.importance for record in episodes),
        event_time_us=episodes[-1].event_time_us,
    )
    return _Plan(draft, episodes)


async def _callers_plan(engine: Engine, scope: Scope, given: Summary) -> _Plan:
    now_us = engine.clock.now_us()
    sources = [await engine.store.get(scope, ref, now_us) async for ref in _by_turns(given.sources)]
    named = given.draft.id or _id_of("sources", *sorted(record.id for record in sources))
    return _Plan(given.draft._replace(id=named, kind=MemoryKind.SEMANTIC), sources)


async def _by_turns(looked_up: Iterable[Looked]) -> AsyncIterator[Looked]:
    """Yield what is to be looked up, and let other calls have their turn: looking up waits for nothing."""
    for number, one in enumerate(looked_up):
        if number % LOOKED_UP_AT_ONCE == 0:
            await asyncio.sleep(0)
        yield one


def _check_that_sources_stay(plans: Sequence[_Plan]) -> None:
    source_ids = {record.id for plan in plans for record in plan.sources}
    found = Violations()
    for place, plan in enumerate(plans):
        is_right = plan.draft.id not in source_ids
        path = f"summaries[{place}].memory.id"
        found.require(is_right, path, "must not be the id of a source: sources stay as they are")
    found.raise_if_any()


async def _carry_out(
    engine: Engine, scope: Scope, plan: _Plan, consolidation_id: str, dry_run: bool
) -> tuple[Consolidated, int]:
    source_ids = [record.id for record in plan.sources]
    memory_id = MemoryId(plan.draft.id)
    text = store.text_of(plan.draft)
    linked = {
        one
        async for one in _by_turns(dict.fromkeys(source_ids))
        if await engine.store.link(scope, memory_id, one, CONSOLIDATED_FROM) is not None
    }
    current = (await engine.store.get_by_id(scope, [memory_id])).get(memory_id)
    if current is not None and current.is_expired(engine.clock.now_us()):
        # It is there until it is swept, but not to be seen; its links go with it when it is written over.
        current, linked = None, set()
    missing = [one for one in dict.fromkeys(source_ids) if one not in linked]
    is_new = current is None or current.payload_json != plan.draft.payload_json
    done = Consolidated(memory_id, text, source_ids, is_new)
    if dry_run:
        return done, 0
    if is_new:
        version = current.version if current else 0
        write = await _write_of(engine, scope, plan, consolidation_id, version)
        return done, await _write_linked(engine, scope, write, missing)
    return done, await _commit_all(engine, _links(engine, scope, memory_id, missing))


async def _write_of(
    engine: Engine, scope: Scope, plan: _Plan, consolidation_id: str, version: int
) -> StoreWrite:
    """Return the write of a summary over a version."""
    named = {**plan.draft.metadata, CONSOLIDATION: consolidation_id}
    command = store.StoreCommand(plan.draft._replace(metadata=named), expected_version=version)
    store.check(engine, scope, command)
    (write,) = await store.writes_of(engine, [(scope, command)])
    # What was erased while this was summed up and embedded is not to be written down once more.
    seqs = dict.fromkeys(record.commit_seq for record in plan.sources)
    return write._replace(made_of=tuple(seqs))


async def _write_linked(
    engine: Engine, scope: Scope, write: StoreWrite, source_ids: Sequence[MemoryId]
) -> int:
    """Write a summary and its links, with nothing in between: an erasure finds it by them. Return the last commit."""
    assert write.expected_version is not None
    links = _links(engine, scope, MemoryId(write.id), source_ids, write.expected_version + 1)
    stored, *linked = await engine.commit([write, *links])
    if isinstance(stored, Exception):
        raise stored
    last_seq = stored.commit_seq
    for outcome in linked:
        if isinstance(outcome, Receipt):
            last_seq = max(last_seq, outcome.commit_seq)
        elif not isinstance(outcome, NotFound):
            raise outcome
        # Else the source has made room for its summary.
    return last_seq


def _links(
    engine: Engine,
    scope: Scope,
    memory_id: MemoryId,
    source_ids: Sequence[MemoryId],
    version: int | None = None,
) -> list[LinkWrite]:
    start, now_us = MemoryRef(id=memory_id), engine.clock.now_us()
    return [
        LinkWrite(
            scope, start, MemoryRef(id=one), CONSOLIDATED_FROM, 1.0, {}, now_us,
            from_version=version,
        )
        for one in source_ids
    ]  # fmt: skip


async def _commit_all(engine: Engine, writes: Sequence[LinkWrite]) -> int:
    """Carry out some writes; return the last commit, 0 if there are none."""
    last_seq = 0
    for outcome in await engine.commit(writes):
        if isinstance(outcome, Exception):
            raise outcome
        last_seq = max(last_seq, outcome.commit_seq)
    return last_seq


def _id_of(kind: str, *names: str) -> str:
    digest = hashlib.sha256(repr((kind, names)).encode("utf-8", "surrogatepass"))
    return f"summary-{digest.hexdigest()[:32]}"


def _check(engine: Engine, scope: Scope, order: Order) -> tuple[int, int]:
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_filter(found, order.given)
    min_episodes = validation.check_count(
        found,
        "min_episodes",
        order.min_episodes,
        default=DEFAULT_MIN_EPISODES,
        maximum=limits.MAX_SOURCES,
    )
    max_bytes = order.max_summary_bytes or DEFAULT_SUMMARY_BYTES
    is_right = MIN_SUMMARY_BYTES <= max_bytes <= limits.MAX_TEXT_BYTES
    found.require(is_right, "max_summary_bytes", f"must be {MIN_SUMMARY_BYTES} to {limits.MAX_TEXT_BYTES}")  # fmt: skip
    most = limits.MAX_BATCH_ITEMS
    is_right = len(order.summaries) <= most
    found.require(is_right, "summaries", f"must have at most {most} items")
    most = limits.MAX_ALL_SOURCES
    is_right = sum(len(one.sources) for one in order.summaries) <= most
    found.require(is_right, "summaries", f"must have at most {most} sources all together")
    if not is_right:
        # Looking at each of too many is what is to be avoided.
        found.raise_if_any()
    for place, one in enumerate(order.summaries):
        path = f"summaries[{place}]"
        validation.check_draft(found, one.draft, engine.limits, f"{path}.memory")
        # Known before the first is written: the store would refuse the one, and have those before it.
        most = limits.MAX_METADATA_ITEMS - 1
        is_right = len(one.draft.metadata.keys() - {CONSOLIDATION}) <= most
        message = f"must have at most {most} values beside {CONSOLIDATION}"
        found.require(is_right, f"{path}.memory.metadata", message)
        is_right = 1 <= len(one.sources) <= limits.MAX_SOURCES
        found.require(is_right, f"{path}.sources", f"must have 1 to {limits.MAX_SOURCES} memories")
        for number, ref in enumerate(one.sources):
            validation.check_ref(found, f"{path}.sources[{number}]", ref)
    found.raise_if_any()
    return min_episodes, max_bytes
