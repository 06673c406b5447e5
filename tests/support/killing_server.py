"""The memory server with a weak point: its process kills itself at a chosen place of its writing.

`KILL_AT` is `<place>:<number>`; the places: `begin` (a transaction was begun), `statement` (in the middle of one),
`commit` (just before it is committed) and `committed` (it is on the disk, and nobody was told). The number tells how
many times the place is passed unharmed.
"""

import os
import signal
import sqlite3
import sys
from typing import Any

from memory_server.__main__ import main

_place, _, _left = os.environ.get("KILL_AT", "never:0").partition(":")
_passed = 0


def _pass(place: str) -> None:
    global _passed  # noqa: PLW0603 - one process, one weak point
    if place != _place:
        return
    _passed += 1
    if _passed > int(_left):
        os.kill(os.getpid(), signal.SIGKILL)


class WeakConnection(sqlite3.Connection):
    """A connection that passes the places as it writes."""

    def execute(self, statement: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Carry out a statement, or die."""
        verb = statement.lstrip().split(" ", 1)[0]
        if verb == "COMMIT":
            _pass("commit")
        done = super().execute(statement, parameters)
        _pass({"BEGIN": "begin", "COMMIT": "committed", "INSERT": "statement"}.get(verb, ""))
        return done


_connect = sqlite3.connect


def _connect_weakly(*args: Any, **kwargs: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = _connect(*args, factory=WeakConnection, **kwargs)
    return connection


sqlite3.connect = _connect_weakly  # type: ignore[assignment]

if __name__ == "__main__":
    sys.exit(main())
