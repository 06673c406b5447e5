"""From the paths a user names to open files, each with its format and its stable name."""

import io
import json
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from somamemory.errors import invalid
from somamemory.importers import Reader, jsonl, kubernetes_events, markdown

AUTO = "auto"
STANDARD_INPUT = "-"

FORMATS: dict[str, Reader] = {
    "jsonl": jsonl.read,
    "markdown": markdown.read,
    "kubernetes-events": kubernetes_events.read,
}

ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".md": "markdown",
    ".markdown": "markdown",
    ".json": "kubernetes-events",
}

_ASKED_FOR = frozenset({"kubernetes-events"})
"""Not read from a folder unless --format says so: most files that end in .json are something else."""


@dataclass(frozen=True, slots=True)
class Input:
    """One file or pipe to read: where it is (None: standard input), its name, its format if it is known."""

    path: Path | None
    name: str
    format: str | None

    @property
    def size(self) -> int:
        """Its length in bytes; 0 where that is not known."""
        return self.path.stat().st_size if self.path else 0

    @contextmanager
    def open(self) -> Iterator[tuple[BinaryIO, Reader]]:
        """Open the file and choose its reader, by a look into it where its name does not tell."""
        if self.path is None or not self.path.is_file():
            # A pipe is read once, and all of it: its format is looked for in it.
            content = standard_input("PATH") if self.path is None else self.path.read_bytes()
            yield io.BytesIO(content), FORMATS[self.format or guessed_format(content)]
            return
        with self.path.open("rb") as file:
            yield file, FORMATS[self.format or guessed_format(self.path.read_bytes())]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is read, and the files of named folders that no format claims."""

    files: tuple[Input, ...]
    passed_over: tuple[str, ...]


def find_inputs(paths: Iterable[str], format: str) -> Inputs:
    """Find the files and pipes that paths name; a folder means all its files.

    Raises:
        InvalidArgument: A path does not exist, or the format is none.
    """
    if format != AUTO and format not in FORMATS:
        raise invalid("--format", f"must be one of {', '.join([AUTO, *FORMATS])}")
    forced = None if format == AUTO else format
    files: list[Input] = []
    passed_over: list[str] = []
    for text in paths:
        if text == STANDARD_INPUT:
            files.append(Input(None, "stdin", forced))
            continue
        path = Path(text)
        if not path.exists():
            raise invalid("PATH", f"{text} does not exist")
        if not path.is_dir():
            # What a pipe leads to differs each time; what the user calls it need not.
            name = _stable_name(path) if path.is_file() else path.as_posix()
            files.append(Input(path, name, forced or ENDINGS.get(path.suffix.lower())))
            continue
        for each in _files_below(path):
            known = ENDINGS.get(each.suffix.lower())
            if known is None or known != (forced or known) or (known in _ASKED_FOR and not forced):
                passed_over.append(str(each))
            else:
                files.append(Input(each, _stable_name(each), known))
    return Inputs(tuple(files), tuple(passed_over))


def standard_input(field: str) -> bytes:
    """Return all of standard input, for which an argument named it.

    Raises:
        InvalidArgument: Whoever started the program closed it.
    """
    if sys.stdin is None:
        raise invalid(field, "names standard input, which is closed")
    return sys.stdin.buffer.read()


def guessed_format(content: bytes) -> str:
    """Tell the format by the first characters: JSON of a list, lines of JSON, else Markdown."""
    start = content.removeprefix(BOM_UTF8).lstrip()
    if not start.startswith(b"{"):
        return "markdown"
    first_line = start.split(b"\n", 1)[0]
    try:
        first = json.loads(first_line)
    except ValueError:
        return "kubernetes-events"
    except RecursionError:  # whole, but too deep: only its own line is refused
        return "jsonl"
    return "kubernetes-events" if "items" in first or "involvedObject" in first else "jsonl"


def _files_below(folder: Path) -> list[Path]:
    """Return the files of a folder and its subfolders in order; hidden ones are none of it."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def is_text(name: str) -> bool:
    """Tell whether a file's name is text; the ids of what is in the file begin with it."""
    return not any("\ud800" <= char <= "\udfff" for char in name)


def _stable_name(path: Path) -> str:
    """Name a file the same way whether it was given itself or by its folder."""
    whole = path.resolve()
    here = Path.cwd()
    return (whole.relative_to(here) if whole.is_relative_to(here) else whole).as_posix()
