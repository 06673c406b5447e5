"""Erase everything about a subject, and look again later whether it is gone."""

import hashlib
from dataclasses import dataclass

from memory_server.domain import limits, validation
from memory_server.domain.memory import MetadataValue, Scope, Tenant
from memory_server.domain.validation import Violations
from memory_server.ports import EraseWrite
from memory_server.usecases.engine import Engine
from soma_common.errors import Unavailable

SWEPT = (
    "memories",
    "versions",
    "metadata",
    "links",
    "search indexes",
    "answers to request ids",
    "changes for watchers",
    "write-ahead log",
)
"""What an erasure goes through."""

LOG = SWEPT[-1]

PATIENCE_S = 1.0
"""How long an erasure, and the writes behind it, wait for those who read while it is done, such as an export."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Every memory with this metadata value is about the subject; `namespace` empty: in all of the tenant's.

    `value` None: it was not set.
    """

    key: str
    value: MetadataValue | None
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased: counts and digests, nothing of the content."""

    id: str
    subject_sha256: bytes
    erase_time_us: int
    commit_seq: int
    memory_count: int
    version_count: int
    link_count: int
    ids_sha256: bytes
    swept: tuple[str, ...]
    pending: tuple[str, ...]
    """What could not be gone through yet, and will be as soon as nobody reads what was there before."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left of a subject: memories, and places that an erasure still has to go through."""

    memory_count: int
    pending: tuple[str, ...]


async def erase(engine: Engine, tenant: Tenant, subject: Subject) -> Erasure:
    """Erase every memory about a subject, with its versions and links, from the store and its logs.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace.
        Overloaded, StorageFull, Unavailable: As the store says; nothing was erased.
    """
    value = await _checked(engine, tenant, subject)
    now_us = engine.clock.now_us()
    write = EraseWrite(tenant, subject.namespace, subject.key, value, now_us)
    receipt = await engine.commit_one(write)
    engine.moments.clear()
    assert receipt.erased is not None
    pending = () if await _is_scrubbed(engine) else (LOG,)
    return Erasure(
        id=engine.new_id(),
        subject_sha256=subject_digest(tenant, subject),
        erase_time_us=now_us,
        commit_seq=receipt.commit_seq,
        memory_count=receipt.erased.memory_count,
        version_count=receipt.erased.version_count,
        link_count=receipt.erased.link_count,
        ids_sha256=receipt.erased.ids_sha256,
        swept=tuple(place for place in SWEPT if place not in pending),
        pending=pending,
    )


async def remaining(engine: Engine, tenant: Tenant, subject: Subject, commit_seq: int) -> Remains:
    """Count the memories about a subject that are there now, expired ones and kept versions included.

    Args:
        engine: The server's.
        tenant: Whose memories.
        subject: Whom they are about.
        commit_seq: That of the erasure.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace.
    """
    value = await _checked(engine, tenant, subject)
    count = await engine.store.count_subject(tenant, subject.namespace, subject.key, value)
    return Remains(count, (LOG,) if commit_seq > engine.store.scrubbed_seq else ())


async def finish_scrub(engine: Engine) -> int:
    """Go on where a reader was in the way of an erasure; return 0: there is no more to be done now."""
    if engine.owed_scrub.commit_seq > engine.store.scrubbed_seq:
        await engine.store.scrub(0.0)
    return 0


async def _is_scrubbed(engine: Engine) -> bool:
    """Tell whether nothing of what was erased is left in the log; the erasure is done either way."""
    erased_seq = engine.store.last_commit_seq
    try:
        is_scrubbed = await engine.store.scrub(PATIENCE_S)
    except Unavailable:
        is_scrubbed = False
    if not is_scrubbed:
        engine.owed_scrub.commit_seq = erased_seq
    return is_scrubbed


def subject_digest(tenant: Tenant, subject: Subject) -> bytes:
    """Return the digest by which only who knows the subject can tell that a receipt is about it."""
    named = repr((tenant, subject.key, subject.value, subject.namespace))
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).digest()


async def _checked(engine: Engine, tenant: Tenant, subject: Subject) -> MetadataValue:
    found = Violations()
    validation.check_name(found, "metadata_key", subject.key, limits.MAX_METADATA_KEY_BYTES)
    validation.check_metadata_value(found, "value", subject.value)
    if subject.namespace:
        validation.check_namespace(found, subject.namespace)
    found.raise_if_any()
    if subject.namespace:
        await engine.store.require_namespace(Scope(tenant, subject.namespace))
    assert subject.value is not None
    return subject.value
