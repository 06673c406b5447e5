"""Hashes of content."""

import hashlib
import json


def content_hash(content: object) -> str:
    """Return a short hash that does not depend on the order of keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
