"""Markdown split by heading: one memory for each section, found under the titles above it."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from somamemory.importers import Found, Unreadable
from somamemory.model import Draft, MemoryKind

MAX_PART_CHARS = 2000
"""A section longer than this becomes several memories, cut between paragraphs: one embedding of a
long text resembles everything a little and nothing well."""

_MAX_ID_BYTES = 256
_MAX_METADATA_BYTES = 1024
_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*)$")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")


@dataclass
class _Section:
    titles: tuple[str, ...]
    line: int
    lines: list[str] = field(default_factory=list)
    has_children: bool = False

    @property
    def body(self) -> str:
        return "\n".join(self.lines).strip()


def read(file: BinaryIO, name: str) -> Iterator[Found | Unreadable]:
    """Yield a memory for every section; a heading with only subsections below it is in their titles."""
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield Unreadable(name, f"is not UTF-8: {error.reason} at byte {error.start}")
        return
    seen: dict[str, int] = {}
    for section in _sections(text):
        if section.body or (section.titles and not section.has_children):
            yield from _memories(section, name, seen)


def _sections(text: str) -> list[_Section]:
    sections = [_Section((), 1)]
    open_titles: list[tuple[int, str, _Section]] = []
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _fence_after(line, fence)
        heading = None if fence else _HEADING.match(line)
        if heading is None:
            sections[-1].lines.append(line)
            continue
        level = len(heading[1])
        open_titles = [each for each in open_titles if each[0] < level]
        for _, _, above in open_titles:
            above.has_children = True
        title = _without_closing(heading[2])
        section = _Section((*(above for _, above, _ in open_titles), title), number)
        open_titles.append((level, title, section))
        sections.append(section)
    return sections


def _without_closing(title: str) -> str:
    """Return a title without the `#` that may close it; in the expression this took cubic time."""
    return title.rstrip().rstrip("#").rstrip()


def _fence_after(line: str, fence: str) -> str:
    """Return the fence of code that is open after a line; `#` inside one is no heading."""
    match = _FENCE.match(line)
    if match is None:
        return fence
    if not fence:
        return match[1]
    return "" if match[1].startswith(fence) else fence


def _memories(section: _Section, name: str, seen: dict[str, int]) -> Iterator[Found]:
    titles = " › ".join(section.titles)
    address = f"{name}#{'/'.join(_slug(title) for title in section.titles)}"
    seen[address] = seen.get(address, 0) + 1
    if seen[address] > 1:  # the same heading twice under the same titles
        address = f"{address}-{seen[address]}"
    for number, part in enumerate(_parts(section.body), start=1):
        yield Found(
            Draft(
                id=_short(address if number == 1 else f"{address}~{number}", _MAX_ID_BYTES),
                kind=MemoryKind.SEMANTIC,
                payload={"title": titles, "text": part},
                text=f"{titles}\n\n{part}".strip(),
                metadata={
                    "path": _short(name, _MAX_METADATA_BYTES),
                    "heading": _short(titles, _MAX_METADATA_BYTES),
                },
            ),
            f"{name}:{section.line}",
        )


def _parts(body: str) -> list[str]:
    """Cut a text between paragraphs; a paragraph is never cut."""
    parts, room = [""], MAX_PART_CHARS
    for paragraph in re.split(r"\n{2,}", body):
        if parts[-1] and len(paragraph) + 2 > room:
            parts.append("")
            room = MAX_PART_CHARS
        parts[-1] += ("\n\n" if parts[-1] else "") + paragraph
        room -= len(paragraph) + 2
    return parts


def _slug(title: str) -> str:
    return re.sub(r"[^\w]+", "-", title.lower()).strip("-")


def _short(text: str, limit: int) -> str:
    """Return a text of at most so many bytes; a cut one ends in a hash of the whole."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    end = f"~{hashlib.sha256(encoded).hexdigest()[:16]}"
    return encoded[: limit - len(end)].decode(errors="ignore") + end
