"""Change some fields of a memory, or bring one of its versions back."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memory_server.domain import validation
from memory_server.domain.memory import (
    CALLER_MODEL,
    MemoryDraft,
    MemoryId,
    MemoryKind,
    MemoryRecord,
    MemoryRef,
    Receipt,
    Scope,
)
from memory_server.domain.requests import body_digest
from memory_server.domain.text import searchable_text
from memory_server.domain.validation import Violations
from memory_server.ports import RequestKey, StoreWrite
from memory_server.usecases.embedding import Wanted, embeddings_of
from memory_server.usecases.engine import Engine
from soma_common.errors import Conflict, NotFound

FIELDS = (
    "coordinate",
    "kind",
    "payload_json",
    "text",
    "importance",
    "metadata",
    "event_time",
    "expire_time",
    "embedding",
)
METADATA_PREFIX = "metadata."

ATTEMPTS = 20
"""How often an update that expects no version is decided anew, because another write came between."""


@dataclass(frozen=True, slots=True)
class UpdateCommand:
    """Which fields of which memory are to have which values; `paths` are those of the wire's field mask."""

    ref: MemoryRef
    draft: MemoryDraft
    paths: Sequence[str]
    request_id: str = ""
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class RestoreCommand:
    """Which version of which memory is to be written once more."""

    ref: MemoryRef
    version: int
    request_id: str = ""
    expected_version: int | None = None


async def update(engine: Engine, scope: Scope, command: UpdateCommand) -> Receipt:
    """Change the named fields of a memory, and leave the others as they are.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such memory.
        Conflict, AlreadyExists, QuotaExceeded, Overloaded, StorageFull, Unavailable: As the store says.
    """
    _check_update(engine, scope, command)
    draft = command.draft._replace(metadata={})
    metadata = sorted(command.draft.metadata.items())
    digest = body_digest(
        "update", scope.namespace, command.ref, draft, metadata, tuple(command.paths),
        command.expected_version,
    )  # fmt: skip
    request = RequestKey(command.request_id, digest) if command.request_id else None
    if request and (known := await engine.store.replayed(scope.tenant, request)):
        return known
    for attempt in range(ATTEMPTS):
        current = await engine.store.get_whole(scope, command.ref, engine.clock.now_us())
        record = await _changed(engine, current, command)
        try:
            return await write_version(
                engine, scope, current, record, request, command.expected_version
            )
        except (Conflict, NotFound):
            if command.expected_version is not None or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


async def restore(engine: Engine, scope: Scope, command: RestoreCommand) -> Receipt:
    """Write a kept version once more, as the next one.

    Raises:
        InvalidInput: With every violation; also for a version that would have expired by now.
        NotFound: There is no such memory, or the version is not kept.
        Conflict, AlreadyExists, QuotaExceeded, Overloaded, StorageFull, Unavailable: As the store says.
    """
    _check_restore(scope, command)
    digest = body_digest("restore", scope.namespace, dataclasses.replace(command, request_id=""))
    request = RequestKey(command.request_id, digest) if command.request_id else None
    if request and (known := await engine.store.replayed(scope.tenant, request)):
        return known
    now_us = engine.clock.now_us()
    current = await engine.store.get(scope, command.ref, now_us)
    kept = await engine.store.get_version(scope, command.ref, command.version, now_us)
    if kept.is_expired(now_us):
        # Written again it would be gone at once, and the memory with all its versions with it.
        found = Violations()
        found.add("version", "must be one that would not have expired by now")
        found.raise_if_any()
    return await write_version(engine, scope, current, kept, request, command.expected_version)


async def write_version(
    engine: Engine,
    scope: Scope,
    current: MemoryRecord,
    record: MemoryRecord,
    request: RequestKey | None,
    expected_version: int | None = None,
) -> Receipt:
    """Write a record as the next version of the one that was read.

    Raises:
        Conflict: Another write came between, or the caller expects another version.
        AlreadyExists, QuotaExceeded, Overloaded, StorageFull, Unavailable: As the store says.
    """
    if record.embedding_model not in ("", CALLER_MODEL, engine.embedder.model):
        # A version of before a change of model: found with the others once it is embedded like them.
        embedding = (await embeddings_of(engine, [Wanted(record.text)]))[0]
        record = record._replace(embedding=embedding.vector, embedding_model=embedding.model)
    now_us = engine.clock.now_us()
    write = StoreWrite(
        scope=scope,
        id=current.id,
        fallback_id=MemoryId(""),
        record=record._replace(update_time_us=now_us),
        now_us=now_us,
        request=request,
        # What was read is what is changed, whatever the caller expects.
        expected_version=expected_version,
        read_seq=current.commit_seq,
        has_default_ttl=False,
    )
    return await engine.commit_one(write)


async def _changed(engine: Engine, current: MemoryRecord, command: UpdateCommand) -> MemoryRecord:
    draft, named = command.draft, set(command.paths)
    changes: dict[str, Any] = {}
    if "kind" in named:
        changes["kind"] = MemoryKind(draft.kind)
    for name in ("coordinate", "payload_json", "importance"):
        if name in named:
            changes[name] = getattr(draft, name)
    if "event_time" in named:
        now_us = engine.clock.now_us()
        changes["event_time_us"] = now_us if draft.event_time_us is None else draft.event_time_us
    if "expire_time" in named:
        changes["expire_time_us"] = draft.expire_time_us
    changes["metadata"] = _metadata(current, draft, named)
    # Value by value there may be more than a draft may have.
    found = Violations()
    validation.check_metadata(found, "memory.metadata", changes["metadata"])
    found.raise_if_any()
    text = _text(current, draft, named)
    if text != current.text or "embedding" in named:
        given = draft.embedding if "embedding" in named else b""
        embedding = (await embeddings_of(engine, [Wanted(text, given)]))[0]
        changes |= {"embedding": embedding.vector, "embedding_model": embedding.model}
    return current._replace(text=text, **changes)


def _text(current: MemoryRecord, draft: MemoryDraft, named: set[str]) -> str:
    if "text" in named and draft.text:
        return searchable_text(draft.text, None)
    if not named & {"text", "payload_json"}:
        return current.text
    derived = searchable_text("", validation.parse_json(current.payload_json))
    if "text" not in named and current.text != derived:
        return current.text  # the author's own: it does not follow the payload
    payload = draft.payload_json if "payload_json" in named else current.payload_json
    return searchable_text("", validation.parse_json(payload))


def _metadata(
    current: MemoryRecord, draft: MemoryDraft, named: set[str]
) -> dict[str, str | float | bool]:
    metadata = dict(draft.metadata if "metadata" in named else current.metadata)
    for path in named:
        if path.startswith(METADATA_PREFIX):
            key = path.removeprefix(METADATA_PREFIX)
            metadata.pop(key, None)
            if key in draft.metadata:
                metadata[key] = draft.metadata[key]
    return metadata


def _check_update(engine: Engine, scope: Scope, command: UpdateCommand) -> None:
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "ref", command.ref)
    found.require(bool(command.paths), "update_mask", "must name at least one field")
    validation.check_mask(found, command.paths)
    for path in command.paths:
        is_known = path in FIELDS or path.startswith(METADATA_PREFIX)
        found.require(is_known, "update_mask", f"must name some of {', '.join(FIELDS)}")
    named = set(command.paths)
    found.require(
        "metadata" not in named or not any(path.startswith(METADATA_PREFIX) for path in named),
        "update_mask",
        "must name metadata as a whole or its values, not both",
    )
    bare = command.draft if "payload_json" in named else _with_payload(command.draft)
    validation.check_draft(found, bare, engine.limits, "memory")
    found.require(not command.draft.id, "memory.id", "must be empty: ref names the memory")
    validation.check_request_id(found, command.request_id)
    validation.check_expected_version(found, command.expected_version, minimum=1)
    found.raise_if_any()


def _with_payload(draft: MemoryDraft) -> MemoryDraft:
    """Return a draft whose payload, which is not taken, is acceptable."""
    return draft._replace(payload_json=b"{}")


def _check_restore(scope: Scope, command: RestoreCommand) -> None:
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    validation.check_ref(found, "ref", command.ref)
    found.require(command.version >= 1, "version", "must be 1 or more")
    validation.check_request_id(found, command.request_id)
    validation.check_expected_version(found, command.expected_version, minimum=1)
    found.raise_if_any()
