"""Store memories: check, embed, commit."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memory_server.domain import validation
from memory_server.domain.memory import (
    CALLER_MODEL,
    MemoryDraft,
    MemoryId,
    MemoryKind,
    MemoryRecord,
    Receipt,
    Scope,
)
from memory_server.domain.requests import body_digest
from memory_server.domain.text import searchable_text
from memory_server.domain.validation import Violations
from memory_server.ports import RequestKey, StoreWrite, Vector
from memory_server.usecases.engine import Engine
from soma_common.errors import SomaError, Unavailable


@dataclass(frozen=True, slots=True)
class StoreCommand:
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
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    _check(found, engine, command)
    found.raise_if_any()
    outcome = (await _write(engine, scope, [command]))[0]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def store_batch(
    engine: Engine, scope: Scope, commands: Sequence[StoreCommand]
) -> list[Receipt | SomaError]:
    """Write several memories; each is acknowledged or refused on its own, in their order.

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
    written = await _write(engine, scope, [commands[place] for place in good])
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
    try:
        found.raise_if_any()
    except SomaError as refusal:
        return refusal
    return None


async def _write(
    engine: Engine, scope: Scope, commands: Sequence[StoreCommand]
) -> list[Receipt | Exception]:
    if not commands:
        return []
    texts = [_text(command.draft) for command in commands]
    embeddings = await _embeddings(engine, [command.draft for command in commands], texts)
    now_us = engine.clock.now_us()
    writes = [
        _store_write(engine, scope, command, text, embedding, now_us)
        for command, text, embedding in zip(commands, texts, embeddings, strict=True)
    ]
    return await engine.commit(writes)


def _text(draft: MemoryDraft) -> str:
    # A text that was given needs no payload: it is not taken apart a second time for nothing.
    return searchable_text(
        draft.text, None if draft.text else validation.parse_json(draft.payload_json)
    )


async def _embeddings(
    engine: Engine, drafts: Sequence[MemoryDraft], texts: Sequence[str]
) -> list[tuple[str, bytes]]:
    """Return (model, embedding) of each draft; the embedding is empty where there is none."""
    wanted = [place for place, draft in enumerate(drafts) if not draft.embedding and texts[place]]
    embeddings = [
        (
            (CALLER_MODEL, _unit(np.frombuffer(draft.embedding, "<f4")))
            if draft.embedding
            else ("", b"")
        )
        for draft in drafts
    ]
    if not wanted:
        return embeddings
    try:
        vectors = await engine.embedder.embed([texts[place] for place in wanted])
    except Unavailable:
        # A dead embedder never blocks a write: the memory is found by its words until it is embedded.
        return embeddings
    for place, vector in zip(wanted, vectors, strict=True):
        if vector.any():
            embeddings[place] = (engine.embedder.model, vector.astype("<f4").tobytes())
    return embeddings


def _unit(vector: Vector) -> bytes:
    # Through float64, in which no float32 squared overflows or vanishes.
    wide = vector.astype(np.float64)
    return (wide / np.linalg.norm(wide)).astype("<f4").tobytes()


def _store_write(
    engine: Engine,
    scope: Scope,
    command: StoreCommand,
    text: str,
    embedding: tuple[str, bytes],
    now_us: int,
) -> StoreWrite:
    draft = command.draft
    record = MemoryRecord(
        id=MemoryId(""),
        version=0,
        commit_seq=0,
        kind=MemoryKind(draft.kind),
        payload_json=draft.payload_json,
        text=text,
        importance=draft.importance,
        metadata=draft.metadata,
        event_time_us=now_us if draft.event_time_us is None else draft.event_time_us,
        expire_time_us=draft.expire_time_us,
        create_time_us=now_us,
        update_time_us=now_us,
        coordinate=draft.coordinate,
        embedding=embedding[1],
        embedding_model=embedding[0],
    )
    return StoreWrite(
        scope=scope,
        id=draft.id,
        fallback_id=MemoryId("" if draft.id else engine.new_id()),
        record=record,
        now_us=now_us,
        request=_request_key(scope, command),
        expected_version=command.expected_version,
    )


def _request_key(scope: Scope, command: StoreCommand) -> RequestKey | None:
    if not command.request_id:
        return None
    draft = dataclasses.replace(command.draft, metadata={})
    metadata = sorted(command.draft.metadata.items())
    digest = body_digest("store", scope.namespace, draft, metadata, command.expected_version)
    return RequestKey(command.request_id, digest)
