"""The one writer: waiting writes are committed in groups, so that they share one fsync.

Theory of operation:
    Writes gather in a list. The next turn of the event loop carries all of them out in one transaction, and a thread
    commits it; meanwhile the next group gathers, so the slower the disk, the larger the groups. Only the commit, which
    waits for the disk, is given to the thread: every statement lets go of the interpreter's lock and must win it back,
    and against a busy loop that takes up to 5 ms each time. On the loop nobody competes. What came during a commit is
    carried out before the listener hears of that commit's changes, so that the disk writes while the index learns.

    A write whose work nobody can bound is carried out in the thread, in a transaction of its own: on the loop it would
    hold everybody up. An erasure is such a write, and the removal of a memory with very many links.

Rules:
    1. On the loop, the listener hears of a group's changes before any of its futures is done: what is acknowledged is
       searchable, also when the caller has gone.
    2. Groups are handed over in the order of their commits.
    3. A write that cannot be carried out fails alone: the group is rolled back, and each is tried in a transaction of
       its own, in the thread.
    4. The connection belongs to the thread while `_is_busy`, else to the loop.
    5. A connection that cannot even roll back is replaced by a new one, which leaves the transaction undone. When that
       fails too, or the listener does, nobody knows what the next write would do: every write is refused from then on,
       and `failure` is a `StoreBroken`, on which the server ends and is started anew.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from memory_server.adapters.embedded.database import BUSY_TIMEOUT_MS, Database, sqlite_error
from memory_server.adapters.embedded.writes.executor import WriteExecutor
from memory_server.domain.memory import Receipt
from memory_server.domain.quota import TenantQuotas, no_quotas
from memory_server.domain.steady_clock import SteadyClock
from memory_server.ports import Change, Clock, EraseWrite, Write
from soma_common.errors import Overloaded, SomaError, StoreBroken, Unavailable

log = logging.getLogger(__name__)

MAX_GROUP_WRITES = 500
"""Bounds the time a group holds the loop, and with it the latency of every other call: about 20 ms."""

IDLE_S = 1.0
"""After this long without a write, the housekeeping is done."""

MOST_PUT_OFF_S = 10.0
"""After this long it is done between two groups: writes without a rest must not keep what was deleted in the log."""

NOTHING_IS_OLDER = -(2**62)
"""Microseconds since 1970: before every time that a clock tells."""

RETRY_AFTER_S = 0.1
FORGET_PER_TURN = 10_000

Outcome = Receipt | Exception
CommitObserver = Callable[[int, float], None]
"""Told of each group: its number of writes, and the seconds from its beginning to its commit."""


@dataclass(frozen=True, slots=True)
class CommitterOptions:
    """What the settings decide about writing.

    Attributes:
        queue_size: Most writes that may wait.
        request_id_ttl_s: How long request ids are kept.
        quotas: How much tenants may store.
    """

    queue_size: int
    request_id_ttl_s: int
    quotas: TenantQuotas = no_quotas


class _Batch(NamedTuple):
    """Writes that were given together, and who waits for them. No writes: only a look whether writing works."""

    writes: Sequence[Write]
    future: asyncio.Future[list[Outcome]]

    @property
    def is_long(self) -> bool:
        """Whether it goes alone, and not on the loop."""
        return len(self.writes) == 1 and isinstance(self.writes[0], EraseWrite)


@dataclass(frozen=True, slots=True)
class _Group:
    """What became of some batches."""

    outcomes: Sequence[tuple[_Batch, Sequence[Outcome]]]
    changes: Sequence[Change]
    last_commit_seq: int
    is_proof: bool = False
    """Whether its commit shows that writing works; upkeep that found nothing to do does not."""
    failure: SomaError | None = None
    """What `Committer.failure` is after it."""


QUIET_TURNS = 10
GATHER_S = 0.003
"""Where several callers write, a group begins when so many turns of the loop brought no further write, or so much time
has passed: a commit costs as much as five writes, and those whose requests are being read should share it."""


class Committer:
    """Owns the writing connection.

    Args:
        database: Where to write.
        clock: Tells when request ids are old.
        options: Limits.
        deliver: Called on the loop with the changes of each group.
        observe: Called on the loop after each group.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        options: CommitterOptions,
        *,
        deliver: Callable[[Sequence[Change]], None],
        observe: CommitObserver,
    ) -> None:
        self._database = database
        self._connection = database.connect(is_writer=True)
        self._executor = WriteExecutor(self._connection, options.quotas)
        self._clock = clock
        self._options = options
        self._deliver = deliver
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._steady = SteadyClock(clock.now_us(), self._monotonic_us())
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="committer")
        self._waiting: deque[_Batch] = deque()
        self._waiting_count = 0
        self._is_busy = False
        self._is_scheduled = False
        self._was_shared = False
        """Whether the last group was of several callers."""
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._housekeeping: asyncio.TimerHandle | None = None
        self._owed_since: float | None = None
        """When there began to be something to do for the housekeeping that it has not tried; None: there is nothing."""
        self._has_dirty_wal = not database.is_log_empty()
        self._scrubbing: list[tuple[asyncio.Future[bool], float]] = []
        self._commit_seq = self._read_commit_seq()
        self.last_commit_seq = self._commit_seq
        """The last commit that was delivered."""
        self.scrubbed_seq = 0 if self._has_dirty_wal else self._commit_seq
        """The last commit of which nothing is left in the write-ahead log."""
        self.failure: SomaError | None = None
        """Why the last commit failed as a whole; None when it did not."""

    async def commit(self, writes: Sequence[Write]) -> list[Outcome]:
        """Carry out writes; returns when they are durable.

        Raises:
            Overloaded: Too many wait; none was taken.
            Unavailable: The store is closing, or it cannot go on.
        """
        if self._is_closed:
            raise Unavailable("the store is closing")
        if isinstance(self.failure, StoreBroken):
            raise self.failure
        if self._waiting_count + len(writes) > self._options.queue_size:
            message = "too many writes are waiting"
            raise Overloaded(message, retry_after_s=RETRY_AFTER_S, waiting=self._waiting_count)
        self._waiting_count += len(writes)
        future: asyncio.Future[list[Outcome]] = self._loop.create_future()
        self._waiting.append(_Batch(writes, future))
        self._schedule()
        return await future

    async def scrub(self, patience_s: float) -> bool:
        """Empty the write-ahead log now, so that what was deleted is in no file of the store.

        Callers' writes wait behind this, and this waits for readers, for `patience_s` at most; see
        `ports.MemoryStore.scrub`.
        """
        if self._is_closed or isinstance(self.failure, StoreBroken):
            return False
        scrubbed: asyncio.Future[bool] = self._loop.create_future()
        self._scrubbing.append((scrubbed, patience_s))
        self._schedule()
        return await scrubbed

    async def close(self) -> None:
        """Finish what was accepted, empty the write-ahead log, release the file."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        while self._is_busy or self._waiting:
            self._idle.clear()
            await self._idle.wait()
        await self._loop.run_in_executor(self._thread, self._keep_house, BUSY_TIMEOUT_MS)
        self._tell(self._scrubbing)
        self._connection.close()
        self._thread.shutdown()

    def _schedule(self) -> None:
        """Begin a group when those who are about to bring writes have brought them."""
        if self._is_urgent and not self._is_busy:
            self._begin_housekeeping()
        if not self._is_busy and not self._is_scheduled and self._waiting:
            self._is_scheduled = True
            self._loop.call_soon(self._gather, 0, 0, self._loop.time())

    def _gather(self, count: int, quiet_turns: int, since: float) -> None:
        """Begin a group when nobody seems to be about to bring another write, or it was long enough."""
        quiet_turns = quiet_turns + 1 if self._waiting_count == count else 0
        is_alone = len(self._waiting) <= 1 and not self._was_shared
        is_long_enough = self._loop.time() - since >= GATHER_S
        if (
            quiet_turns >= (1 if is_alone else QUIET_TURNS)
            or is_long_enough
            or self._waiting_count >= MAX_GROUP_WRITES
        ):
            self._is_scheduled = False
            self._begin()
        else:
            self._loop.call_soon(self._gather, self._waiting_count, quiet_turns, since)

    def _begin(self) -> None:
        if self._is_busy or not self._waiting:
            # The log is being emptied: what comes after that begins what waits.
            return
        self._is_busy = True
        started = self._loop.time()
        batches = self._take()
        self._was_shared = len(batches) > 1
        group: _Group | None = None
        try:
            group = None if batches[0].is_long else self._carry_out(batches, may_take_long=False)
        except Exception:  # noqa: BLE001 - rolled back, then done write by write, in the thread
            group = None
        settled = self._loop.run_in_executor(self._thread, self._settle, batches, group)
        settled.add_done_callback(lambda done: self._settled(done, batches, started))

    def _settled(
        self, done: asyncio.Future[_Group], batches: Sequence[_Batch], started: float
    ) -> None:
        error = done.exception()
        self._is_busy = False
        if error is not None:
            self._break(error, batches)
        elif isinstance(self.failure, StoreBroken):
            # Broken by what was told of the group before: nobody hears of this one.
            self._refuse([batch.future for batch in batches], self.failure)
            self._idle.set()
        else:
            self._finish(done.result(), started)

    def _take(self) -> list[_Batch]:
        """Return the batches of the next group; one that is larger than a group, or long, goes alone."""
        batches = [self._waiting.popleft()]
        count = len(batches[0].writes)
        while self._waiting and count < MAX_GROUP_WRITES:
            if batches[0].is_long or self._waiting[0].is_long:
                break
            count += len(self._waiting[0].writes)
            if count > MAX_GROUP_WRITES:
                break
            batches.append(self._waiting.popleft())
        return batches

    def _carry_out(self, batches: Sequence[_Batch], *, may_take_long: bool = True) -> _Group:
        """Carry out the writes in a transaction that is left open."""
        commit_seq = self._commit_seq
        outcomes: list[tuple[_Batch, list[Outcome]]] = []
        changes: list[Change] = []
        changes_before = self._connection.total_changes
        self._connection.execute("BEGIN IMMEDIATE")
        writes = [write for batch in batches for write in batch.writes]
        self._executor.begin_transaction(writes, may_take_long=may_take_long)
        for batch in batches:
            results: list[Outcome] = []
            for write in batch.writes:
                try:
                    done = self._executor.execute(write, commit_seq + 1)
                except SomaError as error:
                    results.append(error)
                    continue
                commit_seq = max(commit_seq, done.receipt.commit_seq)
                results.append(done.receipt)
                changes += done.changes
            outcomes.append((batch, results))
        self._executor.finish_transaction()
        is_proof = commit_seq > self._commit_seq or not all(batch.writes for batch in batches)
        if is_proof:
            # Without any write it is the question whether writing works, which only a write can answer.
            self._connection.execute(
                "UPDATE meta SET value = ? WHERE name = 'commit_seq'", (str(commit_seq),)
            )
        self._has_dirty_wal |= self._connection.total_changes > changes_before
        return _Group(
            outcomes, changes, commit_seq, is_proof, failure=None if is_proof else self.failure
        )

    def _settle(self, batches: Sequence[_Batch], group: _Group | None) -> _Group:
        """Commit a group, or find out which of its writes cannot be done; runs in the thread.

        Raises:
            Exception: Neither that nor going back worked.
        """
        if group is not None:
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                pass  # looked at again write by write
            else:
                self._commit_seq = group.last_commit_seq
                return group
        self._roll_back()
        return self._one_by_one(batches)

    def _one_by_one(self, batches: Sequence[_Batch]) -> _Group:
        """Give each write a transaction of its own, so that only the one that cannot be done fails."""
        outcomes: list[tuple[_Batch, list[Outcome]]] = []
        changes: list[Change] = []
        failure = self.failure
        for batch in batches:
            results: list[Outcome] = []
            for writes in [[write] for write in batch.writes] or [[]]:
                try:
                    group = self._carry_out([_Batch(writes, batch.future)])
                    self._connection.execute("COMMIT")
                except sqlite3.Error as error:
                    self._roll_back()
                    failure = sqlite_error(error)
                    results.append(failure)
                except Exception as error:  # noqa: BLE001 - the outermost edge of this thread
                    # A bug: its caller gets and logs it, and the others' writes go on.
                    self._roll_back()
                    results.append(error)
                else:
                    self._commit_seq = group.last_commit_seq
                    failure = None if group.is_proof else failure
                    results += group.outcomes[0][1]
                    changes += group.changes
            outcomes.append((batch, results))
        return _Group(outcomes, changes, self._commit_seq, failure=failure)

    def _roll_back(self) -> None:
        """Undo the open transaction, by a new connection if the present one cannot; runs in the thread.

        Raises:
            sqlite3.Error: There is no new connection.
            StoreBroken: What was to be undone has happened.
        """
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            log.warning("the writing connection is replaced", extra={"cause": str(error)})
            self._connection.close()
            self._connection = self._database.connect(is_writer=True)
            self._executor = WriteExecutor(self._connection, self._options.quotas)
            if self._read_commit_seq() != self._commit_seq:
                # The index has not heard of that commit; only a start from the file makes them agree.
                raise _broken("a commit that failed has happened") from error
        self._executor.forget_caches()

    def _finish(self, group: _Group, started: float) -> None:
        """Tell the listener, then the callers; before that, begin with what has gathered."""
        took_s = self._loop.time() - started
        self.failure = group.failure
        if self._has_dirty_wal and self._owed_since is None:
            self._owed_since = self._loop.time()
        if not self._is_urgent:
            self._begin()
        self.last_commit_seq = group.last_commit_seq
        if group.changes:
            try:
                self._deliver(group.changes)
            except Exception as error:  # noqa: BLE001 - a bug; the writes are durable
                self._break(error, [])
        count = 0
        for batch, results in group.outcomes:
            count += len(batch.writes)
            # A caller that has gone cancelled its future; its write is done all the same.
            if not batch.future.done():
                batch.future.set_result(list(results))
        self._waiting_count -= count
        self._observe(count, took_s)
        self._schedule()
        if not self._waiting and not self._is_busy:
            self._idle.set()
            self._rest(is_upkeep=not group.is_proof)

    def _break(self, error: BaseException, batches: Sequence[_Batch]) -> None:
        """Refuse everything from now on: nobody knows what the next write would do."""
        log.critical("the store cannot go on", exc_info=error)
        self.failure = broken = _broken(type(error).__name__)
        self._refuse([batch.future for batch in (*batches, *self._waiting)], broken)
        self._refuse([future for future, _ in self._scrubbing], broken)
        self._waiting.clear()
        self._scrubbing.clear()
        self._idle.set()

    def _refuse(self, futures: Sequence[asyncio.Future[Any]], error: SomaError) -> None:
        for future in futures:
            if not future.done():
                future.set_exception(error)

    def _rest(self, *, is_upkeep: bool) -> None:
        """Do the housekeeping when no caller writes for a while; upkeep does not put it off."""
        if self._housekeeping is not None:
            if is_upkeep:
                return
            self._housekeeping.cancel()
            self._housekeeping = None
        if self._has_dirty_wal and not self._is_closed:
            self._housekeeping = self._loop.call_later(IDLE_S, self._begin_housekeeping)

    @property
    def _is_urgent(self) -> bool:
        """Whether the housekeeping goes before the writes that wait."""
        since = self._owed_since
        is_overdue = since is not None and self._loop.time() - since >= MOST_PUT_OFF_S
        return bool(self._scrubbing) or is_overdue

    def _begin_housekeeping(self) -> None:
        self._housekeeping = None
        if isinstance(self.failure, StoreBroken):
            return
        if self._is_busy or self._is_closed or (self._waiting and not self._is_urgent):
            return
        self._is_busy = True
        # What a reader keeps it from doing is owed from then on: it is not tried again after each group.
        self._owed_since = None
        self._has_dirty_wal |= bool(self._scrubbing)
        scrubbing, self._scrubbing = self._scrubbing, []
        patience_ms = round(1000 * max((patience for _, patience in scrubbing), default=0))
        kept = self._loop.run_in_executor(self._thread, self._keep_house, patience_ms)
        kept.add_done_callback(lambda _done: self._finish_housekeeping(scrubbing))

    def _finish_housekeeping(self, scrubbing: Sequence[tuple[asyncio.Future[bool], float]]) -> None:
        self._is_busy = False
        self._tell(scrubbing)
        self._finish(_Group([], [], self._commit_seq, failure=self.failure), self._loop.time())

    def _tell(self, scrubbing: Sequence[tuple[asyncio.Future[bool], float]]) -> None:
        for future, _ in scrubbing:
            if not future.done():
                future.set_result(not self._has_dirty_wal)

    def _keep_house(self, patience_ms: int) -> None:
        """Forget old request ids, and empty the log so that deleted payloads do not linger in it.

        Callers' writes wait behind this: only an erasure waits for readers, for `patience_ms`.
        """
        if not self._has_dirty_wal:
            return
        try:
            self._executor.forget_old(self._old_before_us(), FORGET_PER_TURN)
            self._connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
            try:
                row = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        except sqlite3.Error as error:
            self.failure = sqlite_error(error)
            return
        # A reader in the middle of the log keeps it from being emptied: then another time.
        self._has_dirty_wal = bool(row[0])
        if not self._has_dirty_wal:
            self.scrubbed_seq = self._commit_seq

    def _old_before_us(self) -> int:
        """Return the time before which request ids are old.

        A clock that jumped ahead makes none of them old: their retries would be written a second time.
        """
        now_us = self._clock.now_us()
        if not self._steady.may_act(now_us, self._monotonic_us()):
            return NOTHING_IS_OLDER
        return now_us - self._options.request_id_ttl_s * 1_000_000

    def _monotonic_us(self) -> int:
        return round(self._loop.time() * 1_000_000)

    def _read_commit_seq(self) -> int:
        row = self._connection.execute(
            "SELECT value FROM meta WHERE name = 'commit_seq'"
        ).fetchone()
        return int(row[0])


def _broken(cause: str) -> StoreBroken:
    message = "the store cannot go on after a failure; the server has to be started anew"
    return StoreBroken(message, cause=cause)
