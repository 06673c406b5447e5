"""Looking for a string inside payloads, as it stands: no word of it is special, `%` and `_` neither.

Strings are compared as people read them: letters with accents are the same however they are composed (NFC), and where
case does not count, what differs by it alone is the same in every language (full case folding).
"""

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

PIECE = 256
"""Characters that are composed at once: of a whole text it would take the square of its longest row of marks."""


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """Matches a payload of which any string equals the term, or contains it.

    The names of fields do not count, only what they hold, to any depth.
    """

    term: str
    is_substring: bool = False
    is_case_sensitive: bool = False

    def holds(self, payload_json: bytes) -> bool:
        """Tell whether a payload matches."""
        term = self._folded(self.term)
        if b"\\" not in payload_json and term not in self._folded(payload_json.decode()):
            # Nothing is escaped, so that what is not in the whole is in no string of it.
            return False
        pending = [json.loads(payload_json)]
        while pending:
            value = pending.pop()
            if isinstance(value, str):
                text = self._folded(value)
                if term in text if self.is_substring else term == text:
                    return True
            elif isinstance(value, dict):
                pending.extend(value.values())
            elif isinstance(value, list):
                pending.extend(value)
        return False

    def _folded(self, text: str) -> str:
        if text.isascii():
            return text if self.is_case_sensitive else text.casefold()
        return "".join(map(self._composed, _pieces(text)))

    def _composed(self, text: str) -> str:
        if not self.is_case_sensitive:
            # Taken apart first: folding may not see a letter that is composed with another one's mark.
            text = unicodedata.normalize("NFD", text).casefold()
        return unicodedata.normalize("NFC", text)


def _pieces(text: str) -> Iterator[str]:
    """Cut a text where nothing is joined; in a longer row of marks than anybody reads, anywhere."""
    start = 0
    while start < len(text):
        end = start + PIECE
        while end < min(start + 2 * PIECE, len(text)) and _is_joined(text[end]):
            end += 1
        yield text[start:end]
        start = end


def _is_joined(letter: str) -> bool:
    """Tell whether a letter may become one with what stands before it: as marks do, and parts of Korean syllables."""
    return unicodedata.category(letter).startswith("M") or "\u1160" <= letter <= "\u11ff"
