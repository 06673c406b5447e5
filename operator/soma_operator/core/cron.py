"""Cron: five fields, in UTC, and the times that they name."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from soma_common.errors import InvalidInput

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Of minute, hour, day, month and weekday; Sunday is 0 and 7."""

_LONGEST_WAIT_DAYS = 8 * 366
"""From a 29th of February to the next: what is not due until then never is."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Times in the calendar.

    Attributes:
        either_day: Whether a day is named by its number or by its weekday, as cron has it when both are narrowed.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def before(self, moment: datetime) -> datetime | None:
        """Return the newest time that is not after a moment; None: there is none."""
        return next((at for at in self._times(moment, -1) if at <= moment), None)

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time after a moment; None: there is none."""
        return next((at for at in self._times(moment, 1) if at > moment), None)

    def _times(self, moment: datetime, direction: int) -> Iterator[datetime]:
        """Give the times from the day of a moment on, forwards or backwards."""
        first = moment.astimezone(UTC).date()
        for number in range(_LONGEST_WAIT_DAYS):
            day = first + timedelta(days=direction * number)
            if self._holds(day):
                for hour in self.hours[::direction]:
                    for minute in self.minutes[::direction]:
                        yield datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)

    def _holds(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_number, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_number or by_weekday if self.either_day else by_number and by_weekday


def parse_cron(text: str) -> Cron:
    """Read five fields, or one of the names for them.

    Raises:
        InvalidInput: They are none.
    """
    fields = _NAMED.get(text, text).split(" ")
    if len(fields) != len(_RANGES):
        raise InvalidInput("not a schedule of cron: five fields are needed", schedule=text)
    sets = [_numbers(field, low, high) for field, (low, high) in zip(fields, _RANGES, strict=True)]
    minutes, hours, days, months, weekdays = sets
    return Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=frozenset(number % 7 for number in weekdays),
        either_day=not (fields[2].startswith("*") or fields[4].startswith("*")),
    )


def _numbers(field: str, low: int, high: int) -> frozenset[int]:
    return frozenset(number for item in field.split(",") for number in _item(item, low, high))


def _item(item: str, low: int, high: int) -> range:
    span, slash, step = item.partition("/")
    first, dash, last = span.partition("-")
    try:
        start = low if first == "*" else int(first)
        # A step without a range goes on to the end, as from `*`.
        end = int(last) if dash else high if first == "*" or slash else start
        numbers = range(start, end + 1, int(step) if slash else 1)
    except ValueError:
        raise InvalidInput("not a schedule of cron", field=item) from None
    if not low <= start <= end <= high:
        raise InvalidInput("a number of the schedule is out of its range", field=item)
    return numbers
