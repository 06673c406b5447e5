"""Times that an English question names: "on May 4th", "in June 2023", "yesterday", "two weeks ago", "since Monday".

Such words say when the answer happened, and seldom stand in its text. Here they become days: those of UTC, whatever the
clock on the wall of who asks. A date without its year, "May 4th", is that day of every year.

Rule: what can as well be read as something else is not read as a time. A month alone counts only behind a word like
"in", as April, May and June are people, too; and so does a year.
"""

import calendar
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from memory_server.domain.spans import ALWAYS_US, NEVER_US, Span

MOST_CHARACTERS = 2_000
MOST_TIMES = 8
"""So much of a text is looked at, and so many times are read: a question is short, and a document is none."""

DAY_US = 86_400_000_000


class NamedTime(NamedTuple):
    """One time that a text names.

    Attributes:
        first: First day of it. Where `is_yearly`, of any year: its own counts for nothing.
        last: Last day of it; where it is yearly and earlier in the year than the first, it is in the next one.
        is_yearly: Whether it is that of every year.
        opens: -1: everything before it is meant; 1: everything from its beginning on; 0: itself.
    """

    first: date
    last: date
    is_yearly: bool = False
    opens: int = 0

    def spans(self, years: Sequence[int]) -> list[Span]:
        """Return what it means; where it is yearly, in each of some ascending years."""
        if not self.is_yearly:
            return [self._span(self.first, self.last)]
        later = int(self.last.timetuple()[1:3] < self.first.timetuple()[1:3])
        return [
            self._span(_in_year(self.first, year), _in_year(self.last, year + later))
            for year in years
        ]

    def _span(self, first: date, last: date) -> Span:
        if self.opens < 0:
            return Span(NEVER_US, _start_us(first))
        return Span(_start_us(first), ALWAYS_US if self.opens else _start_us(last) + DAY_US)


def times_named(text: str, now_us: int) -> tuple[NamedTime, ...]:
    """Return the times that a text names, in their order.

    Args:
        text: A question.
        now_us: What "yesterday" is seen from.
    """
    text = text[:MOST_CHARACTERS].lower()
    words = frozenset(_WORDS.findall(text))
    if words.isdisjoint(_TELLING):
        return ()
    today = _date_of(now_us)
    found: list[_Place] = []
    for telling, pattern, read in _FORMS:
        if words.isdisjoint(telling):
            continue
        for match in islice(pattern.finditer(text), MOST_TIMES):
            start, end = match.span()
            # Words that a more telling form has read are not read again.
            if all(end <= place.start or place.end <= start for place in found):
                named = _read(read, match, today)
                if named is not None:
                    found.append(_Place(start, end, named))
    return _with_ranges(text, sorted(found)[:MOST_TIMES])


def spans_of(named: Iterable[NamedTime], years: Sequence[int]) -> tuple[Span, ...]:
    """Return the spans that some times mean, ascending; those that touch are one.

    Args:
        named: The times.
        years: In which years the yearly ones are meant, ascending.
    """
    made: list[Span] = []
    for span in sorted(span for each in named for span in each.spans(years)):
        if made and span.from_us <= made[-1].until_us:
            made[-1] = Span(made[-1].from_us, max(made[-1].until_us, span.until_us))
        else:
            made.append(span)
    return tuple(made)


def year_of(time_us: int) -> int:
    """Return the year in which a time lies."""
    return _date_of(time_us).year


def _date_of(time_us: int) -> date:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).date()


def _start_us(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def _in_year(day: date, year: int) -> date:
    """Return the same day of a year; for the 29th of February, the end of February."""
    year = min(year, date.max.year)
    return date(year, day.month, min(day.day, calendar.monthrange(year, day.month)[1]))


class _Place(NamedTuple):
    """Where a text names a time."""

    start: int
    end: int
    named: NamedTime


def _with_ranges(text: str, places: Sequence[_Place]) -> tuple[NamedTime, ...]:
    """Return the times, where two that are the ends of one are one: "from May 3rd to May 5th"."""
    made: list[NamedTime] = []
    last_end = 0
    for start, end, named in places:
        is_end = made and _RANGE.search(text[:last_end]) and _JOINT.fullmatch(text[last_end:start])
        if is_end:
            made.append(_from_to(made.pop(), named))
        else:
            made.append(named)
        last_end = end
    return tuple(made)


def _from_to(first: NamedTime, last: NamedTime) -> NamedTime:
    start, end = first.first, last.last
    if first.is_yearly and not last.is_yearly:
        # "from May 3rd to May 5th, 2023"
        start = _in_year(start, end.year)
    elif last.is_yearly and not first.is_yearly:
        end = _in_year(end, start.year)
    is_yearly = first.is_yearly and last.is_yearly
    if not is_yearly and end < start:
        start, end = end, start
    return NamedTime(start, end, is_yearly)


_Reader = Callable[["re.Match[str]", date], NamedTime]
"""Makes a time of what a pattern matched, seen from a day; a ValueError or OverflowError: there is no such day."""


def _read(read: _Reader, match: "re.Match[str]", today: date) -> NamedTime | None:
    if _is_a_verb(match):
        return None
    try:
        named = read(match, today)
        if match["near"]:
            return _near(named, match)
        opens = _LIMITS.get(match["limit"], 0)
        return _limit(named, opens, today) if opens else named
    except (OverflowError, ValueError):
        return None


def _is_a_verb(match: "re.Match[str]") -> bool:
    """Tell whether "may" is what somebody may: "you may 3 times", where no more than a number makes it a date."""
    if not match[0].startswith("may") or _DATED.search(match[0]):
        return False
    return _word_before(match) in _SUBJECTS


def _word_before(match: "re.Match[str]") -> str:
    before = match.string[: match.start()].rsplit(maxsplit=1)
    return before[-1] if before else ""


def _near(named: NamedTime, match: "re.Match[str]") -> NamedTime:
    """Return what is named by another time: "the weekend before May 4th", "two days after", "the week of"."""
    side, unit, said = match["near"], match["near_unit"], match["near_count"]
    first, last, is_yearly, _ = named
    if side == "of":
        around = timedelta(_AROUND.get(unit, 0))
        return NamedTime(first - around, last + around, is_yearly)
    if said:
        days = _UNIT_DAYS[unit]
        far, about = timedelta(days * _number(said)), timedelta(days // 2)
        middle = first - far if side == "before" else last + far
        return NamedTime(middle - about, middle + about, is_yearly)
    one, most = timedelta(1), timedelta(_BESIDE[unit])
    if side == "before":
        return NamedTime(first - most, first - one, is_yearly)
    return NamedTime(last + one, last + most, is_yearly)


def _limit(named: NamedTime, opens: int, today: date) -> NamedTime:
    if named.is_yearly:
        # "Since May" means the last one.
        year = today.year - (_in_year(named.first, today.year) > today)
        named = NamedTime(_in_year(named.first, year), _in_year(named.last, year))
    return named._replace(opens=opens)


_MONTHS = {
    name: number
    for number in range(1, 13)
    for name in (calendar.month_name[number].lower(), calendar.month_abbr[number].lower())
} | {"sept": 9}
_WEEKDAYS = {calendar.day_name[number].lower(): number for number in range(7)}
_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_NUMBERS |= {"seven": 7, "eight": 8, "nine": 9, "ten": 10, "couple of": 2, "a couple of": 2}
_UNIT_DAYS = {"day": 1, "night": 1, "week": 7, "weekend": 7, "month": 30, "year": 365}
_BESIDE = {"day": 1, "night": 1, "weekend": 7, "week": 10, "month": 31, "year": 366}
_AROUND = {"week": 6, "weekend": 3}
"""How many days the one before or after a day may reach, and around a day the one that it is in, whatever weekday it
is."""

_LIMITS = {"before": -1, "since": 1, "after": 1}
"""What makes a time the end or the beginning of the one that is meant."""

_ANY_YEAR = 2024
"""Has all days."""


def _one_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_MONTH = rf"(?P<month>{_one_of(_MONTHS)})\b\.?"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?\b"
_YEAR = r"(?P<year>(?:19|20)\d\d)\b"
_COUNTED = rf"\d{{1,3}}|{_one_of(_NUMBERS)}"
_COUNT = rf"(?P<count>{_COUNTED})"
_WEEKDAY = rf"(?P<weekday>{_one_of(_WEEKDAYS)})\b(?!\s+(?:mornings|evenings|nights))"
_SAID = r"(?P<said>yesterday|last night|today|tonight|this (?:morning|afternoon|evening))\b"
_SAID_WORDS = {"yesterday", "night", "today", "tonight", "morning", "afternoon", "evening"}
_UNITS = ("weekend", "week", "month", "year")

_FIRST_DAY = r"(?P<first>[0-3]?\d)(?:st|nd|rd|th)?\b"
_TO = r"\s*(?:to|and|-|–|until|till|through)\s*"
_DAYS = rf"{_FIRST_DAY}{_TO}(?:the\s+)?{_DAY}"
_CLOCK = r"[t ]\d\d:\d\d[\d:.]*(?:z|[+-]\d\d:?\d\d)?"
_NO_MONTH = rf"(?!\s+(?:of\s+)?(?:{_one_of(_MONTHS)})\b)"
_DATED = re.compile(r"\d(?:st|nd|rd|th)|\d{4}")
_SUBJECTS = {"i", "you", "he", "she", "it", "we", "they", "one", "there", "who", "what", "which"}
_SUBJECTS |= {"this", "that", "these", "those"}

_RANGE = re.compile(r"\b(?:between|from)\b")
_JOINT = re.compile(_TO)
_WORDS = re.compile(r"[a-z]+|\d", re.ASCII)
_DIGITS = frozenset("0123456789")


def _form(pattern: str, *, after: str = "") -> "re.Pattern[str]":
    """Return a pattern that may stand behind a limit or something near; with `after`, only so or behind these words."""
    near = rf"(?:(?P<near_count>{_COUNTED})\s+)?(?P<near_unit>{_one_of(_BESIDE)})s?\s+(?P<near>before|after|of)"
    start = rf"(?P<behind>(?:{near}|(?P<limit>{_one_of(_LIMITS)}))\s+)?"
    if after:
        start += rf"(?:(?P<word>{after})[\s-]+)?(?(behind)|(?(word)|(?!)))"
    return re.compile(rf"\b{start}(?:the\s+)?\b{pattern}", re.ASCII)


def _date(match: "re.Match[str]", _today: date) -> NamedTime:
    year, month = match["year"], match["month"]
    number = _MONTHS[month] if month in _MONTHS else int(month)
    day = date(int(year or _ANY_YEAR), number, int(match["day"]))
    return NamedTime(day, day, is_yearly=not year)


def _days(match: "re.Match[str]", today: date) -> NamedTime:
    named = _date(match, today)
    first = named.first.replace(day=int(match["first"]))
    # "May 3 and 5 June" are days of two months, and of "5 to 3 May" the last is one.
    if first > named.last or _word_before(match) in _MONTHS:
        raise ValueError("no range of days")
    return named._replace(first=first)


def _month_of(year: int, month: int, *, is_yearly: bool = False) -> NamedTime:
    days = calendar.monthrange(year, month)[1]
    return NamedTime(date(year, month, 1), date(year, month, days), is_yearly)


def _month(match: "re.Match[str]", _today: date) -> NamedTime:
    return _month_of(_ANY_YEAR, _MONTHS[match["month"]], is_yearly=True)


def _month_and_year(match: "re.Match[str]", _today: date) -> NamedTime:
    return _month_of(int(match["year"]), _MONTHS[match["month"]])


def _year(match: "re.Match[str]", _today: date) -> NamedTime:
    year = int(match["year"])
    return NamedTime(date(year, 1, 1), date(year, 12, 31))


def _ago(match: "re.Match[str]", today: date) -> NamedTime:
    days = _UNIT_DAYS[match["unit"]]
    then = today - timedelta(days * _number(match["count"]))
    # Who says "two months ago" does not mean the day.
    about = timedelta(days // 2)
    return NamedTime(then - about, then + about)


def _number(said: str) -> int:
    return _NUMBERS[said] if said in _NUMBERS else int(said)


def _near_day(match: "re.Match[str]", today: date) -> NamedTime:
    day = today - timedelta(match["said"] in ("yesterday", "last night"))
    return NamedTime(day, day)


def _weekday(match: "re.Match[str]", today: date) -> NamedTime:
    back = (today.weekday() - _WEEKDAYS[match["weekday"]]) % 7
    if back == 0 and match["word"] == "last":
        back = 7
    return NamedTime(today - timedelta(back), today - timedelta(back))


def _near_unit(match: "re.Match[str]", today: date) -> NamedTime:
    which, unit = match["which"], match["unit"]
    back = int(which == "last")
    if which == "past":
        return NamedTime(today - timedelta(_UNIT_DAYS[unit]), today)
    if unit == "year":
        return NamedTime(date(today.year - back, 1, 1), date(today.year - back, 12, 31))
    if unit == "month":
        there = today.replace(day=1) - timedelta(back)
        return _month_of(there.year, there.month)
    monday = today - timedelta(today.weekday() + 7 * back)
    return NamedTime(monday + timedelta(5 * (unit == "weekend")), monday + timedelta(6))


_FORMS: Sequence[tuple[Collection[str], "re.Pattern[str]", _Reader]] = (
    (_DIGITS, _form(rf"{_YEAR}[-/](?P<month>[01]\d)[-/](?P<day>[0-3]\d)(?:{_CLOCK}|\b)"), _date),
    (_MONTHS, _form(rf"{_DAYS}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?"), _days),
    (_MONTHS, _form(rf"{_MONTH}\s+(?:the\s+)?{_DAYS}{_NO_MONTH}(?:,?\s+{_YEAR})?"), _days),
    (_MONTHS, _form(rf"{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?"), _date),
    (_MONTHS, _form(rf"{_MONTH}\s+(?:the\s+)?{_DAY}(?:,?\s+{_YEAR})?"), _date),
    (_MONTHS, _form(rf"{_MONTH},?\s+(?:of\s+)?{_YEAR}"), _month_and_year),
    (_MONTHS, _form(_MONTH, after="in|during|last|this|early|late|mid"), _month),
    (_DIGITS, _form(_YEAR, after="in|during"), _year),
    ({"ago"}, _form(rf"{_COUNT}\s+(?P<unit>day|week|month|year)s?\s+ago\b"), _ago),
    (_SAID_WORDS, _form(_SAID), _near_day),
    (_WEEKDAYS, _form(_WEEKDAY, after="last|this|on"), _weekday),
    (_UNITS, _form(rf"(?P<which>last|this|past)\s+(?P<unit>{_one_of(_UNITS)})\b"), _near_unit),
)
"""What every text has a word of that names a time in a form, the form, and who reads it; the more telling ones first.

Looking for words takes a hundredth of what looking for the forms takes, and most questions name no time.
"""

_TELLING = frozenset().union(*(telling for telling, _, _ in _FORMS))
