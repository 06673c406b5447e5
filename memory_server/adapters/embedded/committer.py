"""The one writer: a thread that commits waiting writes in groups, so that they share one fsync.

Theory of operation:
    The event loop puts batches of writes into a queue. The thread takes all that wait (up to `MAX_GROUP_WRITES`),
    carries them out in one transaction, commits, and hands the results back to the loop in one call. While it waits
    for the disk the next group gathers, so the slower the disk, the larger the groups.

Rules:
    1. On the loop, the listener hears of a group's changes before any of its futures is done: what is acknowledged is
       searchable, also when the caller has gone.
    2. Groups are handed over in the order of their commits.
    3. A write that cannot be carried out fails alone: the group is rolled back, and each is tried in a transaction of
       its own.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memory_server.adapters.embedded.database import Database, sqlite_error
from memory_server.adapters.embedded.writes import Done, WriteExecutor
from memory_server.domain.memory import Receipt
from memory_server.ports import Change, Clock, Write
from soma_common.errors import Overloaded, SomaError, Unavailable

MAX_GROUP_WRITES = 1000
"""Bounds the time a group holds the writer, and with it the latency of the next: about 20 ms."""

IDLE_S = 1.0
"""After this long without a write, the housekeeping is done."""

RETRY_AFTER_S = 0.1
FORGET_PER_TURN = 10_000

Outcome = Receipt | Exception
CommitObserver = Callable[[int, float], None]
"""Told of each group: its number of writes, and the seconds it took."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Writes that were given together, and who waits for them. No writes: only a look whether writing works."""

    writes: Sequence[Write]
    future: asyncio.Future[list[Outcome]]


@dataclass(frozen=True, slots=True)
class _Group:
    """What became of some batches."""

    outcomes: Sequence[tuple[_Batch, Sequence[Outcome]]]
    changes: Sequence[Change]
    last_commit_seq: int


class Committer:
    """Owns the writing connection and its thread.

    Args:
        database: Where to write.
        clock: Tells when request ids are old.
        queue_size: Most writes that may wait.
        request_id_ttl_s: How long request ids are kept.
        deliver: Called on the loop with the changes and the last commit of each group.
        observe: Called in the thread after each group.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        queue_size: int,
        request_id_ttl_s: int,
        deliver: Callable[[Sequence[Change], int], None],
        observe: CommitObserver,
    ) -> None:
        self._connection = database.connect(is_writer=True)
        self._executor = WriteExecutor(self._connection)
        self._clock = clock
        self._queue_size = queue_size
        self._request_id_ttl_us = request_id_ttl_s * 1_000_000
        self._deliver = deliver
        self._observe = observe
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._waiting = 0
        self._is_closed = False
        self._has_dirty_wal = False
        self._commit_seq = self._read_commit_seq()
        self.last_commit_seq = self._commit_seq
        """The last commit that was delivered; read on the loop."""
        self.failure: SomaError | None = None
        """Why the last group failed as a whole; None when it did not."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    async def commit(self, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out writes; returns when they are durable.

        Raises:
            Overloaded: Too many wait; none was taken.
            Unavailable: The store is closing.
        """
        if self._is_closed:
            raise Unavailable("the store is closing")
        if self._waiting + len(writes) > self._queue_size:
            message = "too many writes are waiting"
            raise Overloaded(message, retry_after_s=RETRY_AFTER_S, waiting=self._waiting)
        self._waiting += len(writes)
        future: asyncio.Future[list[Outcome]] = self._loop.create_future()
        self._queue.put(_Batch(writes, future))
        return await future

    async def close(self) -> None:
        """Finish what was accepted, empty the write-ahead log, stop the thread."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        is_running = True
        while is_running:
            try:
                taken = self._take()
            except queue.Empty:
                self._keep_house()
                continue
            batches = [batch for batch in taken if batch is not None]
            is_running = len(batches) == len(taken)
            if batches:
                group = self._commit_group(batches)
                self._loop.call_soon_threadsafe(self._hand_over, group)
        self._keep_house()
        self._connection.close()

    def _take(self) -> list[_Batch | None]:
        """Wait for a batch, and take those behind it up to the size of a group; None asks to stop."""
        batch = self._queue.get(timeout=IDLE_S)
        taken = [batch]
        count = len(batch.writes) if batch else 0
        while batch is not None and count < MAX_GROUP_WRITES:
            try:
                batch = self._queue.get_nowait()
            except queue.Empty:
                break
            taken.append(batch)
            count += len(batch.writes) if batch else 0
        return taken

    def _commit_group(self, batches: list[_Batch]) -> _Group:
        started = self._loop.time()
        try:
            group = self._in_transaction(batches)
            self.failure = None
        except Exception:  # noqa: BLE001 - looked at again below, write by write
            self._roll_back()
            group = self._one_by_one(batches)
        self._observe(sum(len(batch.writes) for batch in batches), self._loop.time() - started)
        return group

    def _in_transaction(self, batches: list[_Batch]) -> _Group:
        commit_seq = self._commit_seq
        outcomes: list[tuple[_Batch, list[Outcome]]] = []
        changes: list[Change] = []
        self._connection.execute("BEGIN IMMEDIATE")
        for batch in batches:
            results: list[Outcome] = []
            for write in batch.writes:
                try:
                    done: Done = self._executor.execute(write, commit_seq + 1)
                except SomaError as error:
                    results.append(error)
                    continue
                commit_seq = max(commit_seq, done.receipt.commit_seq)
                results.append(done.receipt)
                changes += done.changes
            outcomes.append((batch, results))
        if commit_seq > self._commit_seq or not all(batch.writes for batch in batches):
            # Without any write it is the question whether writing works, which only a write can answer.
            self._connection.execute(
                "UPDATE meta SET value = ? WHERE name = 'commit_seq'", (str(commit_seq),)
            )
            self._has_dirty_wal = True
        self._connection.execute("COMMIT")
        self._commit_seq = commit_seq
        return _Group(outcomes, changes, commit_seq)

    def _one_by_one(self, batches: list[_Batch]) -> _Group:
        """Give each write a transaction of its own, so that only the one that cannot be done fails."""
        outcomes: list[tuple[_Batch, list[Outcome]]] = []
        changes: list[Change] = []
        for batch in batches:
            results: list[Outcome] = []
            for writes in [[write] for write in batch.writes] or [[]]:
                single = _Batch(writes, batch.future)
                try:
                    group = self._in_transaction([single])
                    self.failure = None
                except sqlite3.Error as error:
                    self._roll_back()
                    self.failure = sqlite_error(error)
                    results.append(self.failure)
                except Exception as error:  # noqa: BLE001 - the outermost edge of this thread
                    # A bug: its caller gets and logs it. Were the thread to end, every later write would wait for ever.
                    self._roll_back()
                    results.append(error)
                else:
                    results += group.outcomes[0][1]
                    changes += group.changes
            outcomes.append((batch, results))
        return _Group(outcomes, changes, self._commit_seq)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _hand_over(self, group: _Group) -> None:
        self._deliver(group.changes, group.last_commit_seq)
        self.last_commit_seq = group.last_commit_seq
        for batch, results in group.outcomes:
            self._waiting -= len(batch.writes)
            # A caller that has gone cancelled its future; its write is done all the same.
            if not batch.future.done():
                batch.future.set_result(list(results))

    def _keep_house(self) -> None:
        """Forget old request ids, and empty the log so that deleted payloads do not linger in it."""
        if not self._has_dirty_wal:
            return
        try:
            before_us = self._clock.now_us() - self._request_id_ttl_us
            self._executor.forget_requests(before_us, FORGET_PER_TURN)
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            self.failure = sqlite_error(error)
            return
        self._has_dirty_wal = False

    def _read_commit_seq(self) -> int:
        row = self._connection.execute(
            "SELECT value FROM meta WHERE name = 'commit_seq'"
        ).fetchone()
        return int(row[0])
