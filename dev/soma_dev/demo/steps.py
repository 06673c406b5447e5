"""Numbered steps on the terminal, each with the time it took."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape


class Steps:
    """Prints what is done, in order."""

    def __init__(self, total: int) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._total = total
        self._number = 0
        self._started = time.monotonic()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Frame one step; nothing is said at its end when it fails, for then the error speaks."""
        self._number += 1
        self._console.print(
            f"\n[bold cyan]\\[{self._number}/{self._total}][/] [bold]{escape(title)}[/]"
        )
        started = time.monotonic()
        yield
        self._console.print(f"      [green]✓[/] [dim]{time.monotonic() - started:.1f} s[/]")

    def say(self, line: str) -> None:
        """Print a detail of the step."""
        for part in line.rstrip().splitlines():
            self._console.print(f"      {escape(part)}", style="dim")

    def show(self, text: str) -> None:
        """Print a result as it is."""
        self._console.print(escape(text.rstrip()))

    def command(self, words: str) -> None:
        """Print a command that the reader could type."""
        self._console.print(f"      [bold yellow]$ {escape(words)}[/]")

    def finish(self, title: str) -> None:
        """Print the end and the whole time."""
        whole = time.monotonic() - self._started
        self._console.print(f"\n[bold green]{escape(title)}[/] [dim]in {whole:.0f} s[/]")
