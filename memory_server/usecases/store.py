"""Store memories: check, embed, commit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from memory_server.domain import validation
from memory_server.domain.memory import (
    MemoryDraft,
    MemoryId,
    MemoryKind,
    MemoryRecord,
    Receipt,
    Scope,
)
from memory_server.domain.requests import first_store_digest, store_digest
from memory_server.domain.text import searchable_text
from memory_server.domain.validation import Violations
from memory_server.ports import RequestKey, StoreWrite
from memory_server.usecases.embedding import Embedding, Wanted, embeddings_of
from memory_server.usecases.engine import Engine
from soma_common.errors import SomaError

Result = TypeVar("Result")

KINDS = {int(kind): kind for kind in MemoryKind}
"""Looking a member up by calling the enum takes ten times as long."""

NO_ID = MemoryId("")


class StoreCommand(NamedTuple):
    """One memory that a caller wants to be written."""

    draft: MemoryDraft
    request_id: str = ""
    expected_version: int | None = None


async def store(engine: Engine, scope: Scope, command: StoreCommand) -> Receipt:
    """Write one memory.

    Raises:
        InvalidInput: With every violation.
        Conflict, AlreadyExists, RequestIdReused, Overloaded, StorageFull, Unavailable: As the store says.
    """
    check(engine, scope, command)
    return await engine.commit_one((await writes_of(engine, [(scope, command)]))[0])


def check(engine: Engine, scope: Scope, command: StoreCommand) -> None:
    """Check what is to be written.

    Raises:
        InvalidInput: With every violation.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    _check(found, engine, command)
    found.raise_if_any()


class Line:
    """Keeps the commits of batches that are prepared side by side in the order in which they were begun."""

    def __init__(self) -> None:
        self._last: asyncio.Event | None = None

    @contextlib.asynccontextmanager
    async def turn(self, prepared: Awaitable[Result]) -> AsyncIterator[Result]:
        """Prepare at once, then wait for those before; inside, the commit is to be begun."""
        before, mine = self._last, asyncio.Event()
        self._last = mine
        try:
            result = await prepared
            if before is not None:
                await before.wait()
            yield result
        finally:
            mine.set()


async def store_batch(
    engine: Engine, scope: Scope, commands: Sequence[StoreCommand], line: Line | None = None
) -> list[Receipt | SomaError]:
    """Write several memories; each is acknowledged or refused on its own, in their order.

    Args:
        engine: The server's.
        scope: Where they are written.
        commands: The memories.
        line: Where to stand in line with other batches. None: in none.

    Raises:
        InvalidInput: The batch as a whole is not acceptable.
        Overloaded: None was taken.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_batch(found, "items", commands)
    found.raise_if_any()

    outcomes: list[Receipt | SomaError | None] = [_refusal(engine, item) for item in commands]
    good = [place for place, outcome in enumerate(outcomes) if outcome is None]
    prepared = writes_of(engine, [(scope, commands[place]) for place in good])
    async with (line or Line()).turn(prepared) as writes:
        # Begun inside the turn, awaited outside: the store takes writes in the order in which they are given.
        committing = asyncio.ensure_future(engine.commit(writes))
        await asyncio.sleep(0)
    written = await committing
    for place, outcome in zip(good, written, strict=True):
        if isinstance(outcome, Exception) and not isinstance(outcome, SomaError):
            raise outcome
        outcomes[place] = outcome
    return [outcome for outcome in outcomes if outcome is not None]


def _check(found: Violations, engine: Engine, command: StoreCommand) -> None:
    validation.check_draft(found, command.draft, engine.limits, "memory")
    validation.check_request_id(found, command.request_id)
    validation.check_expected_version(found, command.expected_version)


def _refusal(engine: Engine, command: StoreCommand) -> SomaError | None:
    found = Violations()
    _check(found, engine, command)
    return found.refusal()


async def writes_of(
    engine: Engine, asked: Sequence[tuple[Scope, StoreCommand]]
) -> list[StoreWrite]:
    """Return the writes of memories that were checked; their texts are embedded at once."""
    wanted = [Wanted(text_of(command.draft), command.draft.embedding) for _, command in asked]
    embeddings = await embeddings_of(engine, wanted)
    now_us = engine.clock.now_us()
    new_ids = engine.new_ids(len(asked))
    return [
        _store_write(scope, command, one.text, embedding, now_us, MemoryId(new_id))
        for (scope, command), one, embedding, new_id in zip(
            asked, wanted, embeddings, new_ids, strict=True
        )
    ]


def text_of(draft: MemoryDraft) -> str:
    """Return the text of a memory: the author's, or the payload's own strings."""
    # A text that was given needs no payload: it is not taken apart a second time for nothing.
    return searchable_text(
        draft.text, None if draft.text else validation.parse_json(draft.payload_json)
    )


def _store_write(
    scope: Scope,
    command: StoreCommand,
    text: str,
    embedding: Embedding,
    now_us: int,
    new_id: MemoryId,
) -> StoreWrite:
    draft = command.draft
    # Without the names of the fields: those take as long as the rest.
    record = MemoryRecord(
        NO_ID,
        0,
        0,
        KINDS[draft.kind],
        draft.payload_json,
        text,
        draft.importance,
        draft.metadata,
        now_us if draft.event_time_us is None else draft.event_time_us,
        draft.expire_time_us,
        now_us,
        now_us,
        draft.coordinate,
        embedding.vector,
        embedding.model,
    )
    request, version = request_key(scope, command), command.expected_version
    return StoreWrite(scope, draft.id, new_id, record, now_us, request, version)


def request_key(scope: Scope, command: StoreCommand) -> RequestKey | None:
    """Return what a retry of a store is known by; None: the caller gave no request id."""
    if not command.request_id:
        return None
    body = (scope.namespace, command.draft, command.expected_version)
    return RequestKey(command.request_id, store_digest(*body), partial(first_store_digest, *body))
