"""Cron schedules and their times."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soma_common.errors import InvalidInput
from soma_operator.core.cron import parse_cron


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


TIMES = [
    ("* * * * *", "2026-01-02T03:04:05", "2026-01-02T03:04", "2026-01-02T03:05"),
    ("30 2 * * *", "2026-01-02T02:29", "2026-01-01T02:30", "2026-01-02T02:30"),
    ("30 2 * * *", "2026-01-02T02:30", "2026-01-02T02:30", "2026-01-03T02:30"),
    ("*/20 6-8/2 * * *", "2026-01-02T07:00", "2026-01-02T06:40", "2026-01-02T08:00"),
    ("50/5 23 31 12 *", "2026-06-01T00:00", "2025-12-31T23:55", "2026-12-31T23:50"),
    ("0 0 29 2 *", "2026-01-01T00:00", "2024-02-29T00:00", "2028-02-29T00:00"),
    ("0 0 29 2 *", "2097-01-01T00:00", "2096-02-29T00:00", "2104-02-29T00:00"),
    ("0 0 * * 0", "2026-01-02T00:00", "2025-12-28T00:00", "2026-01-04T00:00"),
    ("0 0 * * 7", "2026-01-02T00:00", "2025-12-28T00:00", "2026-01-04T00:00"),
    ("0 0 * * 5-7", "2026-01-05T12:00", "2026-01-04T00:00", "2026-01-09T00:00"),
    # Both days narrowed: either names a day. One of them a star: both have to hold.
    ("0 0 13 * 5", "2026-01-10T00:00", "2026-01-09T00:00", "2026-01-13T00:00"),
    ("0 0 */2 * 1", "2026-01-06T00:00", "2026-01-05T00:00", "2026-01-19T00:00"),
    ("@hourly", "2026-01-02T03:04", "2026-01-02T03:00", "2026-01-02T04:00"),
    ("@daily", "2026-01-02T03:04", "2026-01-02T00:00", "2026-01-03T00:00"),
    ("@weekly", "2026-01-02T03:04", "2025-12-28T00:00", "2026-01-04T00:00"),
    ("@monthly", "2026-01-02T03:04", "2026-01-01T00:00", "2026-02-01T00:00"),
]


@pytest.mark.parametrize(("text", "now", "before", "after"), TIMES)
def test_times_are_those_of_the_calendar(text: str, now: str, before: str, after: str) -> None:
    """The newest time that is not after a moment, and the first one after it."""
    cron = parse_cron(text)

    assert (cron.before(at(now)), cron.after(at(now))) == (at(before), at(after))


def test_a_day_that_never_comes_is_no_time() -> None:
    """A 30th of February is looked for and not found."""
    cron = parse_cron("0 0 30 2 *")

    assert (cron.before(at("2026-01-01")), cron.after(at("2026-01-01"))) == (None, None)


def test_another_time_zone_is_the_same_moment() -> None:
    """Schedules are in UTC, whatever zone a moment is told in."""
    moment = datetime.fromisoformat("2026-01-02T01:00:00+05:00")

    assert parse_cron("@daily").before(moment) == at("2026-01-01")


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
     "5-1 * * * *", "a * * * *", "*/0 * * * *", "1- * * * *", "@reboot", "* *  * * *", "-1 * * * *"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str) -> None:
    """Neither form nor range is guessed."""
    with pytest.raises(InvalidInput):
        parse_cron(text)


FIELDS = st.tuples(
    st.sampled_from(["*", "0", "*/7", "10-50/10", "1,59"]),
    st.sampled_from(["*", "3", "*/5", "22-23"]),
    st.sampled_from(["*", "1", "28-31", "*/10"]),
    st.sampled_from(["*", "2", "*/3"]),
    st.sampled_from(["*", "1", "0,6", "7"]),
)


@given(FIELDS, st.integers(0, 5 * 366 * 86400))
def test_before_and_after_are_neighbours(fields: tuple[str, ...], seconds: int) -> None:
    """Nothing lies between them: what is before the next one is the one before."""
    now = at("2025-01-01") + timedelta(seconds=seconds)
    cron = parse_cron(" ".join(fields))
    before, after = cron.before(now), cron.after(now)

    assert before is not None
    assert after is not None
    assert before <= now < after
    assert cron.before(after) == after
    assert cron.before(after - timedelta(minutes=1)) == before
    assert cron.after(before) == after
