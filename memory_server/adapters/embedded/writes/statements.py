"""Statements on the writer's connection, on which new rows wait for each other.

Every step of a statement lets go of the interpreter's lock, and in a busy server wins it back only after others had it:
a row that is inserted alone takes three times as long there. So the new rows of a group go into the file together, by
a few statements of many rows.

Rule: a row that waits is there for everybody. Whatever else is carried out comes after the rows that wait.
"""

import sqlite3
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from itertools import chain
from typing import Any, Protocol

from memory_server.adapters.embedded.rows import MEMORY_INSERT, Row

MOST_ROWS = 64
"""Rows of one statement; fewer are inserted by powers of two, so that few statements are compiled."""


class Executes(Protocol):
    """A connection as far as reading goes, a reader's or the writer's."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> sqlite3.Cursor:
        """Carry out one statement."""
        ...


class Insert(Enum):
    """What new rows go into: the beginning of the statement, and how many values a row has."""

    MEMORY = (f"INSERT INTO memory ({MEMORY_INSERT})", 18)
    METADATA = ("INSERT INTO metadata", 5)
    REQUEST = ("INSERT INTO request", 5)


class Statements:
    """The writer's connection inside a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._waiting: dict[Insert, list[Row]] = {}

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """Carry out one statement, after the rows that wait."""
        if self._waiting:
            self.flush()
        return self._connection.execute(sql, parameters)

    def insert(self, into: Insert, row: Row) -> None:
        """Insert a row, at the latest before the next statement."""
        waiting = self._waiting.get(into)
        if waiting is None:
            waiting = self._waiting[into] = []
        waiting.append(row)

    def flush(self) -> None:
        """Insert the rows that wait; to be called at the end of a transaction.

        Raises:
            sqlite3.Error: The transaction is to be rolled back.
        """
        waiting, self._waiting = self._waiting, {}
        # In the order in which their tables were named first: a value comes after its memory.
        for into, rows in waiting.items():
            start = 0
            while start < len(rows):
                count = min(MOST_ROWS, 1 << (len(rows) - start).bit_length() - 1)
                values = tuple(chain.from_iterable(rows[start : start + count]))
                self._connection.execute(_statement(into, count), values)
                start += count

    def forget(self) -> None:
        """Forget the rows that wait: their transaction was rolled back."""
        self._waiting.clear()


@lru_cache
def _statement(into: Insert, count: int) -> str:
    beginning, width = into.value
    row = f"({', '.join('?' * width)})"
    return f"{beginning} VALUES {', '.join([row] * count)}"
