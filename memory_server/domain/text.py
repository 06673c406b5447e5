"""The text of a memory: what is searched."""

import re
from collections.abc import Iterator
from typing import Any

from memory_server.domain.limits import MAX_TEXT_BYTES

EMPTY_WORDS = frozenset(
    {
        *("a", "about", "am", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can"),
        *("could", "did", "do", "does", "doing", "ever", "for", "had", "has", "have", "having"),
        *("how", "i", "if", "in", "into", "is", "it", "me", "mine", "my", "myself", "no", "not"),
        *("of", "on", "or", "should", "so", "such", "tell", "than", "that", "the", "their"),
        *("them", "then", "there", "these", "they", "this", "to", "us", "was", "we", "were"),
        *("what", "when", "where", "which", "who", "whom", "whose", "why", "will", "with"),
        *("would", "you", "your", "yours"),
        *("also", "any", "get", "gets", "got", "happen", "happened", "happens", "just", "kind"),
        *("many", "much", "now", "really", "said", "say", "says", "some", "sort", "thing"),
        *("things", "type", "up", "very", "want", "wanted", "wants"),
    }
)
"""Words that carry grammar, or make a question of it. They say nothing about the answer, and in a small namespace they
are rare enough to count."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


def asked_words(question: str) -> str:
    """Return the words of a question that carry its meaning, or the question if none does."""
    words = [word for word in _WORD.findall(question) if word.lower() not in EMPTY_WORDS]
    return " ".join(words) or question


def is_question(text: str) -> bool:
    """Tell whether a text asks something."""
    return "?" in text or "？" in text or "؟" in text


def searchable_text(given: str, payload: Any) -> str:
    """Return the text to search: the author's, or the payload's own strings in their order.

    Only strings that the author wrote count; nothing that the server makes is ever searched. The text is cut at
    `MAX_TEXT_BYTES`, between characters.
    """
    text = given or "\n".join(_strings(payload))
    if len(text) <= MAX_TEXT_BYTES and text.isascii():
        return text
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
