"""Digests of requests: what tells a retry from another request under the same id."""

import hashlib
from typing import Any

from memory_server.domain.memory import MemoryDraft, MemoryKind
from memory_server.kernels.texts import printed

_UNSAID_KIND = MemoryKind.EPISODIC
_UNSAID = repr(_UNSAID_KIND)

_WITHOUT_A_THREAD = 2047
_MOST_PIECES = 8


def body_digest(verb: str, *parts: Any) -> bytes:
    """Return a digest of a request's body.

    Args:
        verb: What is asked; the same body for another verb is another request.
        parts: Values of the domain whose `repr` tells them apart: text, numbers, bytes, dataclasses of these.
            Dictionaries are to be given as sorted items, because their order means nothing.
    """
    return hashlib.sha256(repr((verb, *parts)).encode("utf-8", "surrogatepass")).digest()


def store_digest(namespace: str, draft: MemoryDraft, expected_version: int | None) -> bytes:
    """Return the digest of a store.

    It is that of `body_digest("store", namespace, <draft without metadata>, <its metadata>, expected_version)`, spelt
    out: a tuple that prints itself takes three times as long, and one is made for each store.
    """
    payload, memory_id, coordinate, kind, text, importance, _, event_us, expire_us, embedding = (
        draft
    )
    printed_kind = _UNSAID if kind is _UNSAID_KIND else repr(kind)
    metadata = sorted(draft.metadata.items()) if draft.metadata else []
    before = f"('store', {namespace!r}, MemoryDraft(payload_json="
    between = (
        f", id={memory_id!r}, coordinate={coordinate!r}, kind={printed_kind}, text={text!r},"
        f" importance={importance!r}, metadata={{}}, event_time_us={event_us!r}, expire_time_us={expire_us!r},"
        " embedding="
    )
    after = f"), {metadata!r}, {expected_version!r})"
    return _sha256(
        before.encode("utf-8", "surrogatepass")
        + printed(payload)
        + between.encode("utf-8", "surrogatepass")
        + printed(embedding)
        + after.encode("utf-8", "surrogatepass")
    )


def _sha256(whole: bytes) -> bytes:
    # In pieces: from 2048 bytes on, hashlib lets go of the interpreter lock, and in a busy server waits for it longer
    # than it hashes.
    if len(whole) > _WITHOUT_A_THREAD * _MOST_PIECES:
        return hashlib.sha256(whole).digest()
    hashed = hashlib.sha256(whole[:_WITHOUT_A_THREAD])
    for start in range(_WITHOUT_A_THREAD, len(whole), _WITHOUT_A_THREAD):
        hashed.update(whole[start : start + _WITHOUT_A_THREAD])
    return hashed.digest()
