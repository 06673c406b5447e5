"""Erase everything about a subject, and look again later whether it is gone."""

import hashlib
from dataclasses import dataclass

from memory_server.domain import limits, validation
from memory_server.domain.memory import MetadataValue, Scope, Tenant
from memory_server.domain.validation import Violations
from memory_server.ports import EraseWrite
from memory_server.usecases.engine import Engine

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


async def erase(engine: Engine, tenant: Tenant, subject: Subject) -> Erasure:
    """Erase every memory about a subject, with its versions and links, from the store and its logs.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace.
        Overloaded, StorageFull, Unavailable: As the store says; do it again.
    """
    value = await _checked(engine, tenant, subject)
    now_us = engine.clock.now_us()
    write = EraseWrite(tenant, subject.namespace, subject.key, value, now_us)
    receipt = await engine.commit_one(write)
    await engine.store.scrub()
    assert receipt.erased is not None
    return Erasure(
        id=engine.new_id(),
        subject_sha256=subject_digest(tenant, subject),
        erase_time_us=now_us,
        commit_seq=receipt.commit_seq,
        memory_count=receipt.erased.memory_count,
        version_count=receipt.erased.version_count,
        link_count=receipt.erased.link_count,
        ids_sha256=receipt.erased.ids_sha256,
        swept=SWEPT,
    )


async def remaining(engine: Engine, tenant: Tenant, subject: Subject) -> int:
    """Count the memories about a subject that are there now, expired ones and kept versions included.

    Raises:
        InvalidInput: With every violation.
        NotFound: There is no such namespace.
    """
    value = await _checked(engine, tenant, subject)
    return await engine.store.count_subject(tenant, subject.namespace, subject.key, value)


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
