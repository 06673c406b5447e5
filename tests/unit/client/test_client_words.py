"""The words of a command line: what they mean, and what is said of those that mean nothing."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from somamemory.cli import inputs


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Move the process to another time zone."""

    def move(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("name", "moment", "said"),
    [
        ("UTC", datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31 12:00"),
        ("UTC-9", datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31 21:00"),
        ("UTC-9", datetime(9999, 12, 31, 23, tzinfo=UTC), "9999-12-31 23:00 UTC"),
        ("UTC+9", datetime(1, 1, 1, 1, tzinfo=UTC), "1-01-01 01:00 UTC"),
        ("UTC", None, ""),
    ],
)
def test_every_time_is_shown(
    zone: Callable[[str], None], name: str, moment: datetime | None, said: str
) -> None:
    """In the zone of the reader, and in UTC where that zone has no date for it."""
    zone(name)

    assert inputs.shown(moment) == said
