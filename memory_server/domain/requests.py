"""Digests of requests: what tells a retry from another request under the same id."""

import hashlib
from typing import Any


def body_digest(verb: str, *parts: Any) -> bytes:
    """Return a digest of a request's body.

    Args:
        verb: What is asked; the same body for another verb is another request.
        parts: Values of the domain whose `repr` tells them apart: text, numbers, bytes, dataclasses of these.
            Dictionaries are to be given as sorted items, because their order means nothing.
    """
    return hashlib.sha256(repr((verb, *parts)).encode("utf-8", "surrogatepass")).digest()
