"""The text of a memory: what is searched."""

from collections.abc import Iterator
from typing import Any

from memory_server.domain.limits import MAX_TEXT_BYTES


def searchable_text(given: str, payload: Any) -> str:
    """Return the text to search: the author's, or the payload's own strings in their order.

    Only strings that the author wrote count; nothing that the server makes is ever searched. The text is cut at
    `MAX_TEXT_BYTES`, between characters.
    """
    text = given or "\n".join(_strings(payload))
    # JSON can spell half of a surrogate pair, which no index and no other program can encode.
    encoded = text.encode("utf-8", "replace")
    return encoded[:MAX_TEXT_BYTES].decode("utf-8", "ignore")


def _strings(payload: Any) -> Iterator[str]:
    pending = [payload]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            pending.extend(reversed(value.values()))
        elif isinstance(value, list):
            pending.extend(reversed(value))
