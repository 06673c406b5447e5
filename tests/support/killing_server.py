"""The memory server with a weak point: its process kills itself at a chosen place of its writing.

`KILL_AT` is `<place>:<number>`; the number tells how many times the place is passed unharmed. The places: `begin` (a
transaction was begun), `insert`, `delete` and `update` (such a statement was carried out), `commit` (a transaction is
just about to be committed) and `committed` (it is on the disk, and nobody was told); for a restore: `copied` (the copy
was written beside), `link` (it is just about to get its name) and `linked` (it has it). With `KILL_AFTER` nothing
counts before a statement that begins so.
"""

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

from memory_server.__main__ import main

_place, _, _left = os.environ.get("KILL_AT", "never:0").partition(":")
_after = os.environ.get("KILL_AFTER", "")
_passed = 0
_VERBS = {
    "BEGIN": "begin",
    "COMMIT": "committed",
    "INSERT": "insert",
    "DELETE": "delete",
    "UPDATE": "update",
}


def _pass(place: str) -> None:
    global _passed  # noqa: PLW0603 - one process, one weak point
    if place != _place or _after:
        return
    _passed += 1
    if _passed > int(_left):
        os.kill(os.getpid(), signal.SIGKILL)


class WeakConnection(sqlite3.Connection):
    """A connection that passes the places as it writes."""

    def execute(self, statement: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Carry out a statement, or die."""
        global _after  # noqa: PLW0603 - one process, one weak point
        verb = statement.lstrip().split(" ", 1)[0]
        if verb == "COMMIT":
            _pass("commit")
        done = super().execute(statement, parameters)
        if _after and statement.startswith(_after):
            _after = ""
        _pass(_VERBS.get(verb, ""))
        return done


_connect, _link, _copy = sqlite3.connect, os.link, shutil.copyfileobj


def _connect_weakly(*args: Any, **kwargs: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = _connect(*args, factory=WeakConnection, **kwargs)
    return connection


def _passing(before: str, act: Callable[..., None], after: str) -> Callable[..., None]:
    def passing(*args: Any) -> None:
        _pass(before)
        act(*args)
        _pass(after)

    return passing


sqlite3.connect = _connect_weakly  # type: ignore[assignment]
os.link = _passing("link", _link, "linked")
shutil.copyfileobj = _passing("", _copy, "copied")

if __name__ == "__main__":
    sys.exit(main())
