"""What a stream keeps to send again: the caller's iterator may take its time, and nothing waits for it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from somamemory.unanswered import AT_ONCE, Unanswered

WITHIN_S = 5.0


class Producer:
    """Numbers, of which each comes when it is let go."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def __iter__(self) -> Iterator[int]:
        for number in range(3):
            self.asked.release()
            self.go.acquire()
            yield number


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def test_an_answer_and_the_end_do_not_wait_for_the_producer(threads: ThreadPoolExecutor) -> None:
    """While the caller's iterator makes a request, the one before is answered and the feed is ended."""
    producer = Producer()
    unanswered = Unanswered(producer)
    feed = unanswered.feed()
    producer.go.release()
    first = next(feed)
    producer.asked.acquire(timeout=WITHIN_S)

    waiting = threads.submit(next, feed, None)
    producer.asked.acquire(timeout=WITHIN_S)
    answered, stopped = threads.submit(unanswered.answered), threads.submit(unanswered.stop)

    try:
        answered.result(WITHIN_S)
        stopped.result(WITHIN_S)
    finally:
        producer.go.release()
    assert first == 0
    assert waiting.result(WITHIN_S) is None


def test_what_an_ended_feed_has_read_is_sent_by_the_next(threads: ThreadPoolExecutor) -> None:
    """A request that was being made while the connection broke is sent once, in its place."""
    producer = Producer()
    unanswered = Unanswered(producer)
    producer.go.release()
    old = unanswered.feed()
    next(old)
    late = threads.submit(next, old, None)
    for _ in range(2):
        producer.asked.acquire(timeout=WITHIN_S)

    new = threads.submit(list, unanswered.feed())
    producer.go.release(2)

    assert late.result(WITHIN_S) is None
    assert new.result(WITHIN_S) == [0, 1, 2]


def test_a_full_stream_is_sent_again_and_no_more_is_read_before_an_answer(
    threads: ThreadPoolExecutor,
) -> None:
    """As many as may be unanswered are sent once more, in their order; the next follows the first answer."""
    numbers = iter(range(AT_ONCE + 1))
    unanswered = Unanswered(numbers)
    broken = unanswered.feed()
    for _ in range(AT_ONCE):
        next(broken)

    again = unanswered.feed()
    repeated = [next(again) for _ in range(AT_ONCE)]
    following = threads.submit(next, again)
    unanswered.answered()

    assert repeated == list(range(AT_ONCE))
    assert following.result(WITHIN_S) == AT_ONCE
    assert next(broken, None) is None


def test_a_failing_producer_ends_the_feed_and_is_remembered() -> None:
    """The caller's own error is kept for where the caller reads."""

    def failing() -> Iterator[int]:
        yield 0
        raise LookupError("none")

    unanswered = Unanswered(failing())

    assert list(unanswered.feed()) == [0]
    assert isinstance(unanswered.failure, LookupError)
