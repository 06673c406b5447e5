"""Digests of requests: what tells a retry from another request under the same id."""

import hashlib
from typing import Any

from memory_server.domain.memory import MemoryDraft, MemoryRef

_WITHOUT_A_THREAD = 2047
_MOST_PIECES = 8


def body_digest(verb: str, *parts: Any) -> bytes:
    """Return a digest of a request's body.

    Args:
        verb: What is asked; the same body for another verb is another request.
        parts: Values of the domain whose `repr` tells them apart: text, numbers, bytes, dataclasses of these.
            Dictionaries are to be given as sorted items, because their order means nothing.
    """
    return hashlib.sha256(_printed((verb, *parts))).digest()


def store_digest(namespace: str, draft: MemoryDraft, expected_version: int | None) -> bytes:
    """Return the digest of a store.

    Payload and embedding are hashed as they are, after what prints everything else and their lengths: printed, they
    are four times as long, and one digest is made for each store.
    """
    (
        payload,
        memory_id,
        coordinate,
        kind,
        text,
        importance,
        metadata,
        event_us,
        expire_us,
        vector,
    ) = draft
    said = (
        "store, second form",
        namespace,
        memory_id,
        coordinate,
        int(kind),
        text,
        importance,
        sorted(metadata.items()) if metadata else (),
        event_us,
        expire_us,
        expected_version,
        len(payload),
        len(vector),
    )
    return _sha256(_printed(said) + payload + vector)


def first_store_digest(namespace: str, draft: MemoryDraft, expected_version: int | None) -> bytes:
    """Return the digest that servers up to 0.1 made of a store: they may have kept it for a retry that comes now."""
    bare = draft._replace(metadata={})
    return body_digest("store", namespace, bare, sorted(draft.metadata.items()), expected_version)


def outcome_digest(
    namespace: str, ref: MemoryRef, value: float, correction: MemoryDraft | None
) -> bytes:
    """Return the digest of an outcome: with another correction, or with one or none, it is another request."""
    right = b"" if correction is None else store_digest(namespace, correction, None)
    return body_digest("outcome, second form", namespace, ref, value, right)


def first_outcome_digest(namespace: str, ref: MemoryRef, value: float) -> bytes:
    """Return the digest that servers up to 0.1 made of an outcome, whatever its correction."""
    return body_digest("outcome", namespace, ref, value)


def _printed(value: object) -> bytes:
    return repr(value).encode("utf-8", "surrogatepass")


def _sha256(whole: bytes) -> bytes:
    # In pieces: from 2048 bytes on, hashlib lets go of the interpreter lock, and in a busy server waits for it longer
    # than it hashes.
    if len(whole) > _WITHOUT_A_THREAD * _MOST_PIECES:
        return hashlib.sha256(whole).digest()
    hashed = hashlib.sha256(whole[:_WITHOUT_A_THREAD])
    for start in range(_WITHOUT_A_THREAD, len(whole), _WITHOUT_A_THREAD):
        hashed.update(whole[start : start + _WITHOUT_A_THREAD])
    return hashed.digest()
