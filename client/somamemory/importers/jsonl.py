"""JSON lines as `soma export` writes them: one memory a line."""

import hashlib
import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from somamemory.importers import Found, Unreadable
from somamemory.interchange import NotAMemory, draft_of


def read(file: BinaryIO, name: str) -> Iterator[Found | Unreadable]:
    """Yield the memory of every line; blank lines hold none."""
    for number, line in enumerate(file, start=1):
        # Some editors mark a file as UTF-8 by its first bytes, which are none of its content.
        text = line.removeprefix(BOM_UTF8) if number == 1 else line
        if text.strip():
            yield _memory_of(text, f"{name}:{number}")


def _memory_of(line: bytes, place: str) -> Found | Unreadable:
    try:
        draft = draft_of(json.loads(line))
    except NotAMemory as problem:
        return Unreadable(place, str(problem))
    except (ValueError, RecursionError) as error:
        return Unreadable(place, f"is not JSON: {error}")
    if not draft.id and draft.coordinate is None:
        # A memory without any address gets one from what it says, so that a second import finds it again.
        draft = replace(draft, id=f"jsonl-{hashlib.sha256(line.strip()).hexdigest()[:32]}")
    return Found(draft, place)
