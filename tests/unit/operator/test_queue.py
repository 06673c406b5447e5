"""Which resource is reconciled next, and when."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soma_operator.core.observed import ObjectKey
from soma_operator.queue import HASTE, SLACK, Pace, WorkQueue
from soma_operator.turns import TURNS_OF_THE_REST

A, B = ObjectKey("default", "a"), ObjectKey("default", "b")

PACE = Pace(min_interval_s=1.0, backoff_base_s=0.5, backoff_cap_s=300.0)


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    """The clock of the queue."""
    return Time()


@pytest.fixture
def queue(time: Time) -> WorkQueue:
    """A queue whose waits are not spread."""
    return WorkQueue(PACE, time, lambda: 1.0)


async def due(queue: WorkQueue) -> list[ObjectKey]:
    """Start the run of every key whose time has come."""
    found: list[ObjectKey] = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                key = await queue.get()
        except TimeoutError:
            return found
        assert key is not None
        found.append(key)


async def test_a_key_waits_once(queue: WorkQueue) -> None:
    """However often it is added, a key runs once; the order is that of the first adding."""
    for key in (A, B, A, A, B):
        queue.add(key)

    assert await due(queue) == [A, B]


async def test_a_key_runs_at_one_worker_at_a_time(queue: WorkQueue, time: Time) -> None:
    """What is added during a run makes one more run, after it."""
    queue.add(A)
    assert await due(queue) == [A]

    queue.add(A)
    queue.add(A)
    assert await due(queue) == []

    queue.done(A)
    time.now += PACE.min_interval_s
    assert await due(queue) == [A]


async def test_runs_of_a_key_keep_their_distance(queue: WorkQueue, time: Time) -> None:
    """A flapping pod cannot make a hot loop."""
    queue.add(A)
    await due(queue)
    queue.done(A)

    queue.add(A)
    assert await due(queue) == []

    time.now += PACE.min_interval_s
    assert await due(queue) == [A]


async def test_a_new_generation_waits_for_nothing(queue: WorkQueue) -> None:
    """The user's change is answered at once, also right after a run and after failures."""
    queue.add(A, generation=1)
    await due(queue)
    queue.failed(A)

    queue.add(A, generation=1)
    assert await due(queue) == []
    queue.add(A, generation=2)
    assert await due(queue) == [A]


async def test_a_new_generation_during_a_run_starts_the_next_at_once(queue: WorkQueue) -> None:
    """The run that is under way may have read the old one."""
    queue.add(A, generation=1)
    await due(queue)

    queue.add(A, generation=2)
    queue.failed(A)

    assert await due(queue) == [A]


async def test_haste_is_limited(queue: WorkQueue, time: Time) -> None:
    """A spec that changes all the time is run once an interval, after a few runs at once; rest saves up haste again."""
    assert await hasty_runs(queue, 1) == HASTE
    time.now += PACE.min_interval_s
    assert await due(queue) == [A]
    queue.done(A)

    time.now += 2 * PACE.min_interval_s
    assert await hasty_runs(queue, 100) == 2


async def hasty_runs(queue: WorkQueue, generation: int) -> int:
    """Change the spec after each run, without a pause; return how many runs there are before one has to wait."""
    runs = 0
    queue.add(A, generation=generation)
    while runs < 50 and await due(queue):
        queue.done(A)
        runs += 1
        queue.add(A, generation=generation + runs)
    return runs


async def test_a_mend_waits_no_longer_than_an_interval(queue: WorkQueue, time: Time) -> None:
    """Without haste left, a new generation still cuts a long wait after a failure short."""
    await hasty_runs(queue, 1)
    time.now += PACE.min_interval_s
    assert await due(queue) == [A]
    queue.failed(A, at_least_s=300.0)

    queue.add(A, generation=99)
    time.now += PACE.min_interval_s

    assert await due(queue) == [A]


async def test_news_get_a_better_turn(queue: WorkQueue) -> None:
    """A user's change does not wait behind all that merely stirs, nor does what stirs wait for all users."""
    others = [ObjectKey("default", f"other-{number}") for number in range(2 * TURNS_OF_THE_REST)]
    for key in (*others, A, B):
        queue.add(key)

    queue.add(A, generation=2)
    queue.add(B, generation=2)

    cheap = TURNS_OF_THE_REST
    assert await due(queue) == [A, *others[:cheap], B, *others[cheap:]]


async def test_namespaces_take_turns(queue: WorkQueue) -> None:
    """A namespace with many keys delays the one key of another by one run."""
    many = [ObjectKey("many", str(number)) for number in range(5)]
    for key in (*many, A):
        queue.add(key, generation=1)

    assert (await due(queue))[:3] == [many[0], A, many[1]]


@given(
    hot=st.integers(1, 5),
    run_s=st.floats(0.001, 0.2),
    workers=st.integers(1, 8),
    same_room=st.booleans(),
)
def test_hot_keys_starve_nobody(hot: int, run_s: float, workers: int, same_room: bool) -> None:
    """Resources whose specs change twenty times a second take their share and no more; all others have their runs."""
    story = Story(run_s, workers)
    hot_keys = [ObjectKey("default" if same_room else "hot", f"hot-{n}") for n in range(hot)]
    calm = [ObjectKey("default", f"calm-{number}") for number in range(20)]
    for key in calm:
        story.queue.add(key, generation=1)

    story.go_on(20.0, changing=hot_keys, every_s=0.05)

    most = HASTE + 1 + 20.0 / PACE.min_interval_s
    assert all(story.runs[key] <= most for key in hot_keys)
    # In the worst case every other run of a worker is that of a hot key.
    assert max(story.first[key] for key in calm) <= 2 * run_s * (len(calm) + hot + workers) + 0.1


class Story:
    """Workers in a time that is only counted."""

    def __init__(self, run_s: float, workers: int) -> None:
        self.time = Time()
        self.queue = WorkQueue(PACE, self.time, lambda: 1.0)
        self.runs: Counter[ObjectKey] = Counter()
        self.first: dict[ObjectKey, float] = {}
        self._run_s = run_s
        self._workers = workers

    def go_on(self, seconds: float, *, changing: list[ObjectKey], every_s: float) -> None:
        begin, changes = self.time.now, 0
        busy: list[tuple[float, ObjectKey]] = []
        while (now := self.time.now) < begin + seconds:
            if now >= begin + changes * every_s:
                changes += 1
                for key in changing:
                    self.queue.add(key, generation=changes)
            for ended in [one for one in busy if one[0] <= now]:
                busy.remove(ended)
                self.queue.done(ended[1])
            while len(busy) < self._workers and (taken := self.queue._pop()) is not None:
                self.runs[taken] += 1
                self.first.setdefault(taken, now - begin)
                busy.append((now + self._run_s, taken))
            self.time.now = min([begin + changes * every_s, *(end for end, _ in busy)])


async def test_failures_wait_longer_and_longer(queue: WorkQueue, time: Time) -> None:
    """Waits double up to the cap; a success makes them short again."""
    waits = []
    for _ in range(12):
        queue.add(A)
        time.now += 1000
        assert await due(queue) == [A]
        waits.append(queue.failed(A))
    time.now += 1000
    await due(queue)
    queue.done(A)

    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == PACE.backoff_cap_s
    time.now += 1000
    queue.add(A)
    await due(queue)
    assert queue.failed(A) == 0.5


async def test_waits_are_spread(time: Time) -> None:
    """Keys that failed together do not come back together."""
    queue = WorkQueue(PACE, time, lambda: 0.0)
    queue.add(A)
    await due(queue)

    assert queue.failed(A) == PACE.backoff_base_s / 2


async def test_the_servers_wish_for_patience_is_kept(queue: WorkQueue, time: Time) -> None:
    """A wait that the API server asked for is the least."""
    queue.add(A)
    await due(queue)

    assert queue.failed(A, at_least_s=30.0) == 30.0
    time.now += 29
    assert await due(queue) == []


async def test_one_keys_failures_delay_no_other(queue: WorkQueue) -> None:
    """A key that waits does not stand in the way."""
    queue.add(A)
    await due(queue)
    queue.failed(A)

    queue.add(B)

    assert await due(queue) == [B]


async def test_a_run_may_ask_for_the_next(queue: WorkQueue, time: Time) -> None:
    """A deadline wakes a key without a trigger, and an earlier trigger is not lost to it."""
    queue.add(A)
    await due(queue)
    queue.done(A, requeue_after_s=60.0)

    time.now += 10
    queue.add(A)
    assert await due(queue) == [A]
    queue.done(A, requeue_after_s=60.0)
    time.now += 60
    assert await due(queue) == [A]


async def test_a_forgotten_key_leaves_nothing(queue: WorkQueue) -> None:
    """Deleted resources do not pile up; one that comes back starts anew."""
    queue.add(A, generation=1)
    await due(queue)
    queue.forget(A)
    assert len(queue) == 0

    queue.add(A, generation=1)
    assert await due(queue) == [A]


async def test_a_key_added_while_it_is_forgotten_runs(queue: WorkQueue) -> None:
    """A resource that was made anew during the last run of its predecessor is seen."""
    queue.add(A)
    await due(queue)

    queue.add(A)
    queue.forget(A)

    assert await due(queue) == [A]


async def test_replaced_times_do_not_pile_up(queue: WorkQueue, time: Time) -> None:
    """Keys that come and go, each with a far deadline, leave a bounded heap; what waits keeps its time."""
    queue.add(B)
    assert await due(queue) == [B]
    queue.done(B, requeue_after_s=1000.0)
    for number in range(3 * SLACK):
        key = ObjectKey("default", f"passing-{number}")
        queue.add(key)
        assert queue._pop() == key
        queue.done(key, requeue_after_s=2000.0)
        queue.add(key)
        time.now += PACE.min_interval_s
        assert queue._pop() == key
        queue.forget(key)

    assert len(queue._heap) <= 2 * queue.known + SLACK + 1
    assert await due(queue) == []
    time.now += 1000.0
    assert await due(queue) == [B]


async def test_the_depth_counts_those_that_wait(queue: WorkQueue) -> None:
    """Running keys are not waiting."""
    queue.add(A)
    queue.add(B)
    await queue.get()

    assert len(queue) == 1


async def test_closing_ends_every_worker() -> None:
    """All workers that wait hear of the end."""
    queue = WorkQueue(PACE, asyncio.get_running_loop().time, lambda: 1.0)
    waiting = [asyncio.ensure_future(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)

    queue.close()

    assert await asyncio.gather(*waiting) == [None, None, None]


async def test_a_waiting_worker_wakes_in_time() -> None:
    """A worker sleeps until the earliest key is due, and wakes for an earlier one."""
    queue = WorkQueue(
        Pace(min_interval_s=0.02, backoff_base_s=0.01, backoff_cap_s=1),
        asyncio.get_running_loop().time,
        lambda: 1.0,
    )
    queue.add(A)
    await queue.get()
    queue.done(A, requeue_after_s=0.05)

    async with asyncio.timeout(1):
        assert await queue.get() == A
