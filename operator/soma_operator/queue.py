"""The work queue: which resource is reconciled next, and when.

Rule 1: a key waits in the queue once, however often it is added; triggers carry no meaning.
Rule 2: a key is worked on by one worker at a time; what is added meanwhile runs once more afterwards.
Rule 3: a key that failed waits, twice as long with each further failure; only a new generation of the resource,
        which may hold the mend, cuts the wait short. Other triggers do not, else a flapping pod becomes a hot loop.
Rule 4: between two runs of a key lie at least `min_interval_s`. A new generation is exempt a few times in a row: a
        user is answered at once, and a resource whose spec changes all the time is run once an interval.
Rule 5: one key's failures never delay another key.
Rule 6: keys whose time has come take turns (`turns.py`): no resource and no namespace starves another.

Bounded by the number of resources: keys of deleted ones are forgotten.
"""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from soma_operator.core.observed import ObjectKey
from soma_operator.turns import Turns

HASTE = 5
"""Runs of a key that may follow one another without their distance; one more is granted each `min_interval_s`."""


SLACK = 256
"""Times in the heap beside two for each key: sweeping is for many."""


@dataclass(slots=True)
class _Entry:
    """What is known of one key."""

    generation: int | None = None
    due: float | None = None
    """When it is to run; None: it does not wait."""
    resume_at: float = 0.0
    """Not before this time, by Rules 3 and 4."""
    urgent_at: float | None = None
    """A new generation came: its run need not wait for `resume_at`, only for this time."""
    haste_from: float = 0.0
    """Since when haste is saved up: a run in haste takes one interval of it, and the most there is are `HASTE`."""
    failures: int = 0
    is_running: bool = False
    is_added_meanwhile: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of the queue, seconds."""

    min_interval_s: float
    backoff_base_s: float
    backoff_cap_s: float


@dataclass(slots=True)
class WorkQueue:
    """Keys to reconcile.

    Attributes:
        clock: Monotonic time, seconds.
        jitter: A number in [0, 1): spreads the waits of keys that failed together.
    """

    pace: Pace
    clock: Callable[[], float]
    jitter: Callable[[], float]
    _entries: dict[ObjectKey, _Entry] = field(default_factory=dict)
    _heap: list[tuple[float, int, ObjectKey]] = field(default_factory=list)
    """Keys whose time is to come."""
    _turns: Turns = field(default_factory=Turns)
    """Keys whose time has come."""
    _order: "count[int]" = field(default_factory=count)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _is_closed: bool = False

    def __len__(self) -> int:
        """Return how many keys wait for their time or their turn."""
        return sum(entry.due is not None for entry in self._entries.values())

    @property
    def known(self) -> int:
        """How many keys are kept, those included that wait for nothing."""
        return len(self._entries)

    def add(self, key: ObjectKey, generation: int | None = None) -> None:
        """Ask for a run as soon as the rules allow; `generation` when the trigger was the resource itself."""
        entry = self._entries.setdefault(key, _Entry())
        if generation is not None and generation != entry.generation:
            entry.generation = generation
            entry.failures = 0
            if entry.urgent_at is None:
                entry.urgent_at = self._hurry(entry)
        self._schedule(key, entry)

    async def get(self) -> ObjectKey | None:
        """Wait for the next key and start its run; `done`, `failed` or `forget` must follow. None: closed."""
        while not self._is_closed:
            self._changed.clear()
            key = self._pop()
            if key is not None:
                return key
            try:
                async with asyncio.timeout(self._wait_s()):
                    await self._changed.wait()
            except TimeoutError:
                continue
        # One flag wakes one waiter: the next one has to hear of the end, too.
        self._changed.set()
        return None

    def close(self) -> None:
        """Hand out no more keys."""
        self._is_closed = True
        self._changed.set()

    def done(self, key: ObjectKey, *, requeue_after_s: float | None = None) -> None:
        """End a run that succeeded."""
        entry = self._entries[key]
        entry.failures = 0
        self._end(key, entry, self.pace.min_interval_s, requeue_after_s)

    def failed(self, key: ObjectKey, *, at_least_s: float = 0.0) -> float:
        """End a run that failed, and return how long the key waits."""
        entry = self._entries[key]
        doubled = self.pace.backoff_base_s * 2.0 ** min(entry.failures, 60)
        wait_s = max(min(doubled, self.pace.backoff_cap_s) * (0.5 + self.jitter() / 2), at_least_s)
        entry.failures += 1
        self._end(key, entry, wait_s, wait_s)
        return wait_s

    def forget(self, key: ObjectKey) -> None:
        """End a run of a key whose resource is gone."""
        entry = self._entries.pop(key)
        if entry.is_added_meanwhile:
            self.add(key)

    def _hurry(self, entry: _Entry) -> float:
        """Spend one piece of haste; return when it may be used."""
        interval_s, now = self.pace.min_interval_s, self.clock()
        saved_from = max(entry.haste_from, now - HASTE * interval_s)
        entry.haste_from = saved_from + interval_s
        return max(now, entry.haste_from)

    def _end(self, key: ObjectKey, entry: _Entry, pause_s: float, again_s: float | None) -> None:
        entry.is_running = False
        entry.resume_at = self.clock() + pause_s
        if entry.is_added_meanwhile:
            entry.is_added_meanwhile = False
            self._schedule(key, entry)
        elif again_s is not None:
            self._schedule(key, entry, not_before=self.clock() + again_s)

    def _schedule(self, key: ObjectKey, entry: _Entry, *, not_before: float = 0.0) -> None:
        if entry.is_running:
            entry.is_added_meanwhile = True
            return
        now = self.clock()
        due = max(now, entry.resume_at, not_before)
        if entry.urgent_at is not None:
            due = min(due, max(now, entry.urgent_at))
        # One whose time has come already is called again: news give it a better turn.
        has_news = entry.urgent_at is not None and entry.urgent_at <= now
        if entry.due is None or due < entry.due or has_news:
            entry.due = due
            heapq.heappush(self._heap, (due, next(self._order), key))
            self._changed.set()
            self._sweep()

    def _sweep(self) -> None:
        """Drop what earlier times replaced and keys that are gone, once they are most of what is there."""
        if len(self._heap) <= 2 * len(self._entries) + SLACK:
            return
        waiting = [(one.due, key) for key, one in self._entries.items() if one.due is not None]
        self._heap = [(due, next(self._order), key) for due, key in sorted(waiting)]

    def _pop(self) -> ObjectKey | None:
        self._call_those_due()
        if not self._turns:
            return None
        key = self._turns.take()
        entry = self._entries[key]
        entry.due = None
        entry.is_running = True
        entry.urgent_at = None
        return key

    def _call_those_due(self) -> None:
        while self._heap and self._heap[0][0] <= self.clock():
            due, _, key = heapq.heappop(self._heap)
            entry = self._entries.get(key)
            # An earlier time replaced this one, or the key is gone: such leftovers stay until their time or the sweep.
            if entry is not None and entry.due == due:
                self._turns.add(key, is_news=entry.urgent_at is not None)

    def _wait_s(self) -> float | None:
        return max(self._heap[0][0] - self.clock(), 0.0) if self._heap else None
