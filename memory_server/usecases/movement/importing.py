"""Move memories into a namespace, with versions and links; what is refused is told, and the rest goes on."""

import dataclasses
import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from memory_server.domain import limits, validation
from memory_server.domain.memory import (
    CALLER_MODEL,
    Coordinate,
    MemoryDraft,
    MemoryId,
    MemoryKind,
    MemoryLink,
    MemoryRecord,
    MemoryRef,
    MemoryVersion,
    Receipt,
    Scope,
)
from memory_server.domain.refusals import coordinate_taken
from memory_server.domain.sizes import portions
from memory_server.domain.text import searchable_text
from memory_server.domain.validation import Violations
from memory_server.ports import LinkWrite, StoreWrite
from memory_server.usecases.embedding import Embedding, Wanted, embeddings_of, unit
from memory_server.usecases.engine import Engine
from memory_server.usecases.link import check_edge
from memory_server.usecases.turns import Turns
from soma_common.errors import AlreadyExists, Conflict, NotFound, QuotaExceeded, SomaError

VERSIONS_PER_TURN = 250
"""Versions that are looked at before other calls have their turn: some 10 ms. One message may have a million."""

ROWS_PER_COMMIT = 500
BYTES_PER_COMMIT = 1024 * 1024
"""Versions that are written by one commit, and bytes of their payloads and texts, unless one memory has more."""


class ConflictPolicy(enum.Enum):
    """What becomes of a memory or link that meets another one."""

    REFUSE = "refuse"
    SKIP = "skip"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How memories and links are taken in; `conflict` None: a policy that is not known."""

    conflict: ConflictPolicy | None = ConflictPolicy.REFUSE
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class MovedMemory:
    """A memory as it comes in: what its author wrote, where its embedding is from, and its older versions."""

    draft: MemoryDraft
    embedding_model: str = ""
    update_time_us: int | None = None
    create_time_us: int | None = None
    versions: Sequence["MovedMemory"] = ()
    copied_seq: int | None = None
    """Commit of the memory of this server that it is a copy of; None: it comes from elsewhere."""


@dataclass(frozen=True, slots=True)
class Reject:
    """What was not taken, by its position among everything that came in."""

    position: int
    id: str
    error: SomaError


@dataclass(slots=True)
class Progress:
    """What became of everything until now; `rejects` are those of the last step."""

    stored_count: int = 0
    skipped_count: int = 0
    linked_count: int = 0
    rejected_count: int = 0
    commit_seq: int = 0
    rejects: list[Reject] = field(default_factory=list)


class Importer:
    """Takes memories and links in, some at a time, and keeps count."""

    def __init__(self, engine: Engine, scope: Scope, options: ImportOptions) -> None:
        found = Violations()
        validation.check_namespace(found, scope.namespace)
        is_known = options.conflict is not None
        found.require(is_known, "options.conflict", "must be refuse, skip or overwrite")
        found.raise_if_any()
        self.turns = Turns(VERSIONS_PER_TURN)
        """To be told of versions that are looked at."""
        self._engine = engine
        self._scope = scope
        self._options = options
        self._progress = Progress()
        self._position = 0
        self._promised: dict[MemoryId, Coordinate | None] = {}
        """Memories that a dry run would have written, with their coordinates."""
        self._promised_at: dict[Coordinate, MemoryId] = {}
        """Which of them is at a coordinate."""
        self._promised_links: set[tuple[MemoryId, MemoryId, str]] = set()

    async def take(self, memories: Sequence[MovedMemory], links: Sequence[MemoryLink]) -> Progress:
        """Take memories, then links.

        Raises:
            InvalidInput: There are too many at once.
            Overloaded, StorageFull, Unavailable: As the store says; what was taken before stays.
        """
        found = Violations()
        most = limits.MAX_BATCH_ITEMS
        found.require(len(memories) <= most, "memories", f"must have at most {most} items")
        found.require(len(links) <= most, "links", f"must have at most {most} items")
        found.raise_if_any()
        progress = dataclasses.replace(self._progress, rejects=[])
        self._progress = progress
        await self._take_memories(memories)
        for link in links:
            await self._take_link(link)
        return progress

    async def _take_memories(self, memories: Sequence[MovedMemory]) -> None:
        good: list[tuple[int, MovedMemory]] = []
        for memory in memories:
            if (refusal := _refusal(self._engine, memory)) is not None:
                self._reject(self._position, memory.draft.id, refusal)
            else:
                good.append((self._position, memory))
            self._position += 1
            await self.turns.take(1 + len(memory.versions))
        writes = [await self._write(memory) for _, memory in good]
        outcomes: Sequence[Receipt | SomaError | None]
        if self._options.dry_run:
            outcomes = [await self._would_store(write) for write in writes]
        else:
            outcomes = await self._store(writes)
        for (position, memory), outcome in zip(good, outcomes, strict=True):
            self._count(position, memory.draft.id, outcome, is_link=False)

    async def _store(self, writes: Sequence[StoreWrite]) -> list[Receipt | SomaError]:
        """Write memories, each with its versions or not at all; those with many versions in a commit of their own."""
        outcomes: list[Receipt | SomaError] = []
        for some in _in_groups(writes):
            outcomes += [
                _expected_refusal(outcome) if isinstance(outcome, Exception) else outcome
                for outcome in await self._engine.store.commit(some)
            ]
        return outcomes

    async def _would_store(self, write: StoreWrite) -> SomaError | None:
        """Tell what would be refused of a memory, and remember what would be there."""
        named = MemoryId(write.id)
        is_taken = bool(named) and await self._owner(MemoryRef(id=named)) is not None
        if write.record.coordinate is not None:
            owner = await self._owner(MemoryRef(coordinate=write.record.coordinate))
            if named and owner is not None and owner != named:
                return coordinate_taken(owner)
            named, is_taken = named or owner or named, is_taken or owner is not None
        if is_taken and self._options.conflict is not ConflictPolicy.OVERWRITE:
            return _taken(write.id)
        self._promise(named or write.fallback_id, write.record.coordinate)
        return None

    def _promise(self, memory_id: MemoryId, coordinate: Coordinate | None) -> None:
        before = self._promised.get(memory_id)
        if before is not None:
            del self._promised_at[before]
        self._promised[memory_id] = coordinate
        if coordinate is not None:
            self._promised_at[coordinate] = memory_id

    async def _owner(self, ref: MemoryRef) -> MemoryId | None:
        """Return the memory that would be at an address, as far as the dry run has come."""
        if ref.id in self._promised:
            return ref.id
        if ref.coordinate is not None and ref.coordinate in self._promised_at:
            return self._promised_at[ref.coordinate]
        try:
            found = await self._engine.store.get(self._scope, ref, self._engine.clock.now_us())
        except NotFound:
            return None
        # One that would have been overwritten by now has the coordinate of what is written over it.
        has_moved = ref.coordinate is not None and found.id in self._promised
        return None if has_moved else found.id

    async def _take_link(self, link: MemoryLink) -> None:
        position, self._position = self._position, self._position + 1
        found = Violations()
        check_edge(found, "links", link)
        if (refusal := found.refusal()) is not None:
            self._reject(position, link.from_id, refusal)
            return
        outcome: Receipt | SomaError | None
        if self._options.dry_run:
            outcome = await self._would_link(link)
        else:
            outcome = await self._link(link)
        self._count(position, link.from_id, outcome, is_link=True)

    async def _link(self, link: MemoryLink) -> Receipt | SomaError:
        is_new = self._options.conflict is not ConflictPolicy.OVERWRITE
        write = LinkWrite(
            self._scope,
            MemoryRef(id=link.from_id),
            MemoryRef(id=link.to_id),
            link.type,
            link.weight,
            link.metadata,
            self._engine.clock.now_us(),
            expected_version=0 if is_new else None,
        )
        outcome = (await self._engine.store.commit([write]))[0]
        return _expected_refusal(outcome) if isinstance(outcome, Exception) else outcome

    async def _would_link(self, link: MemoryLink) -> SomaError | None:
        for end in (link.from_id, link.to_id):
            if await self._owner(MemoryRef(id=end)) is None:
                return NotFound("there is no such memory", kind="memory", name=end)
        key = (link.from_id, link.to_id, link.type)
        if self._options.conflict is not ConflictPolicy.OVERWRITE:
            there = await self._engine.store.link(self._scope, *key)
            if there is not None or key in self._promised_links:
                return _taken(link.from_id)
        self._promised_links.add(key)
        return None

    async def _write(self, memory: MovedMemory) -> StoreWrite:
        """Return the write of a memory with its versions, each dated as it was."""
        is_new = self._options.conflict is not ConflictPolicy.OVERWRITE
        chain = [*memory.versions, memory]
        embeddings = await self._embeddings(chain)
        now_us = self._engine.clock.now_us()
        *older, record = (
            _record(version.draft, embedding, min(version.update_time_us or now_us, now_us))
            for version, embedding in zip(chain, embeddings, strict=True)
        )
        first_us = (older[0] if older else record).update_time_us
        await self.turns.take(len(chain))
        return StoreWrite(
            scope=self._scope,
            id=memory.draft.id,
            fallback_id=MemoryId(self._engine.new_id() if not memory.draft.id else ""),
            record=record,
            now_us=now_us,
            expected_version=0 if is_new else None,
            has_default_ttl=False,
            older=tuple(older),
            create_time_us=min(memory.create_time_us or first_us, first_us),
            # What was erased since it was read must not come back.
            made_of=() if memory.copied_seq is None else (memory.copied_seq,),
        )

    async def _embeddings(self, chain: Sequence[MovedMemory]) -> list[Embedding]:
        """Keep embeddings of models that this server knows, and make the others anew."""
        known = {CALLER_MODEL, self._engine.embedder.model}
        kept = {
            place: Embedding(one.embedding_model or CALLER_MODEL, unit(one.draft.embedding))
            for place, one in enumerate(chain)
            if one.draft.embedding and (one.embedding_model or CALLER_MODEL) in known
        }
        missing = [place for place in range(len(chain)) if place not in kept]
        made = await embeddings_of(
            self._engine, [Wanted(_text(chain[place].draft)) for place in missing]
        )
        kept |= dict(zip(missing, made, strict=True))
        return [kept[place] for place in range(len(chain))]

    def _count(
        self, position: int, name: str, outcome: Receipt | SomaError | None, *, is_link: bool
    ) -> None:
        progress = self._progress
        if isinstance(outcome, SomaError):
            is_taken = isinstance(outcome, AlreadyExists | Conflict)
            if is_taken and self._options.conflict is ConflictPolicy.SKIP:
                progress.skipped_count += 1
            else:
                self._reject(position, name, outcome)
            return
        if outcome is not None:
            progress.commit_seq = outcome.commit_seq
        if is_link:
            progress.linked_count += 1
        else:
            progress.stored_count += 1

    def _reject(self, position: int, name: str, error: SomaError) -> None:
        self._progress.rejected_count += 1
        error = _taken(name) if isinstance(error, Conflict) else error
        self._progress.rejects.append(Reject(position, name, error))


def moved(record: MemoryRecord, versions: Sequence[MemoryVersion] = ()) -> MovedMemory:
    """Return a memory of this server as it would come in."""
    draft = MemoryDraft(
        payload_json=record.payload_json,
        id=record.id,
        coordinate=record.coordinate,
        kind=record.kind,
        text=record.text,
        importance=record.importance,
        metadata=record.metadata,
        event_time_us=record.event_time_us,
        expire_time_us=record.expire_time_us,
        embedding=record.embedding,
    )
    return MovedMemory(
        draft,
        record.embedding_model,
        record.update_time_us,
        record.create_time_us,
        tuple(moved(version.record) for version in versions),
        record.commit_seq,
    )


def _in_groups(writes: Sequence[StoreWrite]) -> Iterator[list[StoreWrite]]:
    """Yield writes in their order, so many at a time that no commit holds up the others' for long."""

    def share(write: StoreWrite) -> int:
        # Of a commit, in parts that both bounds are made of.
        records = (*write.older, write.record)
        size = sum(len(one.payload_json) + len(one.text) for one in records)
        return max(len(records) * BYTES_PER_COMMIT, size * ROWS_PER_COMMIT)

    return portions(writes, share, ROWS_PER_COMMIT * BYTES_PER_COMMIT)


def _refusal(engine: Engine, memory: MovedMemory) -> SomaError | None:
    found = Violations()
    most = limits.MAX_VERSIONS
    if not found.require(
        len(memory.versions) <= most, "memory.versions", f"must have at most {most} items"
    ):
        return found.refusal()
    for place, one in enumerate((*memory.versions, memory)):
        is_version = place < len(memory.versions)
        path = f"memory.versions[{place}]" if is_version else "memory"
        draft = one.draft
        if one.embedding_model not in ("", CALLER_MODEL, engine.embedder.model):
            draft = draft._replace(embedding=b"")  # is made anew
        validation.check_draft(found, draft, engine.limits, path)
        validation.check_time(found, f"{path}.create_time", one.create_time_us)
        validation.check_time(found, f"{path}.update_time", one.update_time_us)
    return found.refusal()


def _record(draft: MemoryDraft, embedding: Embedding, written_us: int) -> MemoryRecord:
    event_us = draft.event_time_us
    return MemoryRecord(
        id=MemoryId(""),
        version=0,
        commit_seq=0,
        kind=MemoryKind(draft.kind),
        payload_json=draft.payload_json,
        text=_text(draft),
        importance=draft.importance,
        metadata=draft.metadata,
        event_time_us=written_us if event_us is None else event_us,
        expire_time_us=draft.expire_time_us,
        create_time_us=written_us,
        update_time_us=written_us,
        coordinate=draft.coordinate,
        embedding=embedding.vector,
        embedding_model=embedding.model,
    )


def _text(draft: MemoryDraft) -> str:
    from_payload = None if draft.text else validation.parse_json(draft.payload_json)
    return searchable_text(draft.text, from_payload)


def _taken(name: str) -> AlreadyExists:
    return AlreadyExists("there is a memory or link of this name", name=name)


def _expected_refusal(outcome: Exception) -> SomaError:
    """Return what concerns one memory only; the rest ends the whole import.

    Raises:
        Exception: What is wrong with the store, or a bug.
    """
    if isinstance(outcome, AlreadyExists | Conflict | NotFound | QuotaExceeded):
        return outcome
    raise outcome
