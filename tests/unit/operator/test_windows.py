"""Maintenance windows: open or closed, whatever their times."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soma_operator.api.v1alpha1 import MaintenanceWindow
from soma_operator.core.windows import is_open, opens_at


def a_window(schedule: str, minutes: int) -> MaintenanceWindow:
    return MaintenanceWindow(schedule=schedule, duration_minutes=minutes)


def at(hour: int, minute: int = 0, day: int = 7) -> datetime:
    """Return a time of March 2026; its first Saturday is the 7th."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


SATURDAYS = a_window("0 22 * * 6", 240)


@pytest.mark.parametrize(
    ("moment", "wanted"),
    [
        (at(21, 59), False),
        (at(22), True),
        (at(1, 59, day=8), True),
        (at(2, day=8), False),
        (at(22, day=9), False),
    ],
)
def test_a_window_is_open_from_its_time_for_its_duration(moment: datetime, wanted: bool) -> None:
    """The first minute belongs to it, the last moment does not; midnight does not close it."""
    assert is_open([SATURDAYS], moment) is wanted


def test_one_open_window_is_enough_and_none_is_always() -> None:
    """Several windows are alternatives; a list without any restricts nothing."""
    assert is_open([SATURDAYS, a_window("0 12 * * *", 30)], at(12, 29, day=9))
    assert is_open([], at(3))


def test_the_next_opening_is_the_earliest() -> None:
    """Whichever window comes first."""
    assert opens_at([SATURDAYS, a_window("0 12 * * *", 30)], at(13)) == at(22)
    assert opens_at([a_window("0 0 30 2 *", 30)], at(13)) is None


@given(st.integers(0, 23), st.integers(1, 3000), st.integers(0, 60 * 24 * 20).map(lambda m: m * 60))
def test_a_window_opens_when_it_says(hour: int, minutes: int, seconds: int) -> None:
    """At the next opening it is open; just before it is so only as the end of an earlier one."""
    window, now = a_window(f"0 {hour} * * 1", minutes), at(0) + timedelta(seconds=seconds)

    opening = opens_at([window], now)

    assert opening is not None
    assert now < opening <= now + timedelta(days=7)
    assert is_open([window], opening)
    assert not is_open([window], opening - timedelta(seconds=1)) or minutes > 7 * 24 * 60 - 1
