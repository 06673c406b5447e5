"""Writes of one transaction: what waits, and what was looked up, is in it. Nothing is tried a second time here."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from memory_server.adapters.embedded.database import open_database
from memory_server.adapters.embedded.writes.executor import WriteExecutor
from memory_server.domain.memory import Receipt
from memory_server.ports import Write
from tests.support.memories import a_delete, a_link, a_request, a_store


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a writer's connection to an empty store."""
    database = open_database(tmp_path, synchronous="OFF", dimensions=64)
    connection = database.connect(is_writer=True)
    yield connection
    connection.close()
    database.release()


def carried_out(
    connection: sqlite3.Connection, executor: WriteExecutor, writes: Sequence[Write], first: int
) -> list[Receipt]:
    """Carry writes out in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    executor.begin_transaction(writes)
    receipts = []
    for commit_seq, write in enumerate(writes, first):
        receipts.append(executor.execute(write, commit_seq).receipt)
    executor.finish_transaction()
    connection.execute("COMMIT")
    return receipts


def test_writes_see_those_before_them(connection: sqlite3.Connection) -> None:
    """Whether the rows are in the file already, or wait for others."""
    executor = WriteExecutor(connection)
    carried_out(connection, executor, [a_store("old")], 1)
    writes: list[Write] = [
        *(a_store("new"), a_store("old"), a_link("new", "old"), a_store("new")),
        *(a_store("gone"), a_delete("gone"), a_store("gone"), a_store("gone")),
    ]

    receipts = carried_out(connection, executor, writes, 2)

    assert [each.version for each in receipts] == [1, 2, 1, 2, 1, 1, 1, 2]
    found = connection.execute("SELECT id, version FROM memory ORDER BY id").fetchall()
    assert found == [("gone", 2), ("new", 2), ("old", 2)]


def test_requests_are_known_within_a_transaction_and_after_it(
    connection: sqlite3.Connection,
) -> None:
    """The second time they are answered from what waits, the third time from the file."""
    executor = WriteExecutor(connection)
    writes = [a_store(f"m{number}", request=a_request(f"r{number}")) for number in range(3)]

    receipts = carried_out(connection, executor, [*writes, *writes], 1)
    again = carried_out(connection, executor, writes, 10)

    replayed = [receipt._replace(is_replayed=True) for receipt in receipts[:3]]
    assert receipts[3:] == again == replayed


def test_a_transaction_that_was_rolled_back_leaves_nothing(connection: sqlite3.Connection) -> None:
    """Neither rows that waited nor what was looked up."""
    executor = WriteExecutor(connection)
    carried_out(connection, executor, [a_store("old")], 1)
    writes = [a_store("tea", request=a_request("r1")), a_store("door", request=a_request("r2"))]
    connection.execute("BEGIN IMMEDIATE")
    executor.begin_transaction(writes)
    executor.execute(writes[0], 2)
    connection.execute("ROLLBACK")
    executor.forget_caches()

    receipts = carried_out(connection, executor, writes, 2)

    assert [(each.version, each.is_replayed) for each in receipts] == [(1, False), (1, False)]
    assert connection.execute("SELECT count(*) FROM memory").fetchone() == (3,)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 150])
def test_every_row_goes_into_the_file(connection: sqlite3.Connection, count: int) -> None:
    """However many statements they are shared among."""
    writes = [
        a_store(f"m{number}", metadata={"n": float(number)}, request=a_request(f"r{number}"))
        for number in range(count)
    ]

    executor = WriteExecutor(connection)
    carried_out(connection, executor, [a_store("first")], 1)
    carried_out(connection, executor, writes, 2)

    found = connection.execute(
        "SELECT memory.commit_seq, memory.id, value FROM memory JOIN metadata USING (commit_seq)"
        " JOIN request ON receipt_json ->> '$.memory_id' = memory.id"
        " ORDER BY memory.commit_seq"
    ).fetchall()
    assert found == [(number + 2, f"m{number}", float(number)) for number in range(count)]
