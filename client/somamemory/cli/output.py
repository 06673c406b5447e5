"""Where a command's words go: results to standard output, everything else to standard error."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from somamemory.copies import keep_mode
from somamemory.errors import invalid
from somamemory.interchange import json_text

_WIDTH_OF_A_PIPE = 120
_SHOWN_CHARS = 240
_WIDEST_COLUMN = 44


class Output:
    """Prints for people, or for machines when `json` is set: then standard output holds JSON only."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._out = _console(stderr=False)
        self.err = _console(stderr=True)

    def say(self, text: str) -> None:
        """Print a sentence of a result."""
        self._out.print(Text(printable(text)), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print what is no result: a warning, a summary, a hint."""
        self.err.print(Text(printable(text)), soft_wrap=True)

    def write_json(self, value: Any) -> None:
        """Print one JSON document as one line."""
        # A lone surrogate, which no file can hold as it is, becomes JSON's own escape.
        text = json_text(value).encode(errors="backslashreplace").decode()
        standard_output().write(text + "\n")

    def pairs(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Print names and values, one pair a line."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(name, Text(printable(str(value))))
        self._out.print(table)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print rows under headings; the last column takes the room that is left."""
        table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
        for name in columns[:-1]:
            table.add_column(name, overflow="fold", max_width=_WIDEST_COLUMN)
        table.add_column(columns[-1], overflow="fold", ratio=1)
        for row in rows:
            table.add_row(*(Text(printable(str(cell))) for cell in row))
        self._out.print(table)


def standard_output() -> TextIO:
    """Return standard output.

    Raises:
        InvalidArgument: Whoever started the program closed it.
    """
    if sys.stdout is None:
        raise invalid("standard output", "is closed")
    return sys.stdout


def flush() -> None:
    """Hand over what was printed.

    Raises:
        OSError: Nobody takes it; at the end of the program that would be no failure of the command.
    """
    if sys.stdout is None or sys.stdout.closed:
        return
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            sys.stdout.close()  # Else the end of the program would try again.
        raise


@contextmanager
def replaced(path: Path) -> Iterator[TextIO]:
    """Write beside a file and put the result in its place only when all of it is there.

    A device, a pipe or a link stays what it is, and is written to as it stands.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with path.open("w", encoding="utf-8") as file:
            yield file
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing_to(path), beside.open("w", encoding="utf-8") as file:
            keep_mode(path, beside)
            yield file
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Let an error of writing, such as a full disk, name the file that the user named."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def printable(text: str) -> str:
    """Return a text without control characters: a memory must not steer the reader's terminal."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def shortened(text: str) -> str:
    """Return a text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else line[: _SHOWN_CHARS - 1] + "…"


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_PIPE
    return console
