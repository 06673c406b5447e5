"""Times that a question names."""

from datetime import UTC, date, datetime
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_server.domain.limits import MAX_TIME_US, MIN_TIME_US
from memory_server.domain.spans import Span, within
from memory_server.domain.time_expressions import DAY_US, NamedTime, spans_of, times_named

# A Monday.
NOW = datetime(2023, 5, 8, 12, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def days(text: str, now: datetime = NOW) -> list[str]:
    """Return the first day of each time that is named, and the last one where it is another."""
    found = []
    for named in times_named(text, microseconds(now)):
        form = "%m-%d" if named.is_yearly else "%Y-%m-%d"
        ends = dict.fromkeys(day.strftime(form) for day in (named.first, named.last))
        found.append("..".join(ends))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("On May 4th, which movie did I watch?", ["05-04"]),
        ("on the 4th of May, which one", ["05-04"]),
        ("What was on 4 May 2023?", ["2023-05-04"]),
        ("May 4, 2021", ["2021-05-04"]),
        ("on Sept. 3", ["09-03"]),
        ("on 2023-02-28", ["2023-02-28"]),
        ("on Feb 29", ["02-29"]),
        ("What did we buy in June 2023?", ["2023-06-01..2023-06-30"]),
        ("What did we buy in June?", ["06-01..06-30"]),
        ("What happened during 2021?", ["2021-01-01..2021-12-31"]),
        ("May 4th and May 6th", ["05-04", "05-06"]),
        ("between May 3rd and May 5th", ["05-03..05-05"]),
        ("from 3 May to 5 May 2023", ["2023-05-03..2023-05-05"]),
        ("from 3 May 2023 until 5 May", ["2023-05-03..2023-05-05"]),
        ("from 5 May 2023 to 3 May 2023", ["2023-05-03..2023-05-05"]),
        ("from Dec 20 to Jan 5", ["12-20..01-05"]),
        ("What did I eat yesterday?", ["2023-05-07"]),
        ("the day before yesterday", ["2023-05-06"]),
        ("What is on today", ["2023-05-08"]),
        ("3 days ago", ["2023-05-05"]),
        ("a couple of days ago", ["2023-05-06"]),
        ("two weeks ago", ["2023-04-21..2023-04-27"]),
        ("a month ago", ["2023-03-24..2023-04-23"]),
        ("last Friday", ["2023-05-05"]),
        ("last Monday", ["2023-05-01"]),
        ("on Monday", ["2023-05-08"]),
        ("last weekend", ["2023-05-06..2023-05-07"]),
        ("last week", ["2023-05-01..2023-05-07"]),
        ("this month", ["2023-05-01..2023-05-31"]),
        ("last month", ["2023-04-01..2023-04-30"]),
        ("this year", ["2023-01-01..2023-12-31"]),
        ("in the past week", ["2023-05-01..2023-05-08"]),
        ("the day before May 4th", ["05-03"]),
        ("the night after 2023-05-04", ["2023-05-05"]),
        ("the weekend before 9 June 2023", ["2023-06-02..2023-06-08"]),
        ("the week of 9 June 2023", ["2023-06-03..2023-06-15"]),
        ("two days after Jan 30, 2023", ["2023-02-01"]),
        ("a week before May 10, 2023", ["2023-04-30..2023-05-06"]),
        ("in the month of May", ["05-01..05-31"]),
        ("the week before last Friday", ["2023-04-25..2023-05-04"]),
        ("What was at 2023-05-04T10:00?", ["2023-05-04"]),
        ("the call of 2023-05-04T10:00:00.5+02:00", ["2023-05-04"]),
        ("from 2023-05-04T10:00:00Z to 2023-05-06 11:30", ["2023-05-04..2023-05-06"]),
        ("between 3 and 5 May 2023", ["2023-05-03..2023-05-05"]),
        ("between the 3rd and the 5th of May", ["05-03..05-05"]),
        ("3-5 May", ["05-03..05-05"]),
        ("on May 3-5, 2023", ["2023-05-03..2023-05-05"]),
        ("from May 3 to 5", ["05-03..05-05"]),
        ("May 1-3 and June 4-6", ["05-01..05-03", "06-04..06-06"]),
        ("between May 3 and 5 June", ["05-03..06-05"]),
        ("from 28 to 3 May", ["05-03"]),
        ("the week of 3-5 May 2023", ["2023-04-27..2023-05-11"]),
        ("May 3rd was what?", ["05-03"]),
        ("who did it May 3rd", ["05-03"]),
        ("did you do it May 3, 2023", ["2023-05-03"]),
        ("you may tell what was on May 3", ["05-03"]),
    ],
)
def test_a_time_is_read(text: str, expected: list[str]) -> None:
    """Each form, in upper and lower case."""
    assert days(text) == days(text.upper()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "May I ask where the key is?",
        "What did April and June say to August?",
        "How often: you may 3 times?",
        "They may 3 to 5 times a day",
        "Who may 12 of them ask?",
        "between 3 and 5 people",
        "from 2023-05-04Txx",
        "Who is a friend of April?",
        "the day of reckoning",
        "Who marches on?",
        "Is A4821-17 my ticket?",
        "What is on page 2023?",
        "February 30th",
        "on 2023-13-01",
        "When does the group meet on Monday evenings?",
        "Wie war es am 4. Mai?",
    ],
)
def test_what_may_be_something_else_is_no_time(text: str) -> None:
    """Names, verbs, numbers, days that do not exist."""
    assert days(text) == []


@pytest.mark.parametrize(
    ("text", "held", "not_held"),
    [
        ("since May 4th", ["2023-05-04", "2031-01-01"], ["2023-05-03"]),
        ("since December", ["2022-12-01", "2023-01-01"], ["2022-11-30"]),
        ("after 2023-05-04", ["2023-05-06"], ["2023-05-03"]),
        ("before May 4th", ["2023-05-03", "1970-01-01"], ["2023-05-04"]),
        ("since Monday", ["2023-05-08"], ["2023-05-07"]),
        ("since 2023-05-04T10:00", ["2023-05-04"], ["2023-05-03"]),
        ("before 3-5 May", ["2023-05-02"], ["2023-05-03", "2023-05-05"]),
    ],
)
def test_a_limit_opens_the_span(text: str, held: list[str], not_held: list[str]) -> None:
    """What is meant begins or ends with the time that is named; of every year, with the last one."""
    spans = spans_of(times_named(text, microseconds(NOW)), [2022, 2023])
    for day in (*held, *not_held):
        moment = microseconds(datetime.fromisoformat(f"{day}T12:00:00+00:00"))
        assert any(span.holds(moment) for span in spans) == (day in held), day


def test_a_date_without_its_year_is_meant_in_every_year() -> None:
    """Also where a year does not have it, and over the turn of a year; what touches is one span."""
    leap = NamedTime(date(2024, 2, 29), date(2024, 2, 29), is_yearly=True)
    winter = NamedTime(date(2024, 12, 20), date(2024, 1, 5), is_yearly=True)
    (new_year,) = times_named("the week before January 3rd", microseconds(NOW))
    march = NamedTime(date(2023, 3, 1), date(2023, 3, 1))

    starts = [microseconds(datetime(year, 2, 28 + (year == 2024), tzinfo=UTC)) for year in (2023, 2024)]  # fmt: skip
    assert leap.spans([2023, 2024]) == [Span(start, start + DAY_US) for start in starts]
    (over,) = winter.spans([2022])
    assert over == Span(
        microseconds(datetime(2022, 12, 20, tzinfo=UTC)),
        microseconds(datetime(2023, 1, 6, tzinfo=UTC)),
    )
    assert new_year.spans([2022]) == [
        Span(
            microseconds(datetime(2022, 12, 24, tzinfo=UTC)),
            microseconds(datetime(2023, 1, 3, tzinfo=UTC)),
        )
    ]
    assert spans_of([march, leap], [2023]) == (Span(starts[0], starts[0] + 2 * DAY_US),)


@pytest.mark.parametrize("now_us", [MIN_TIME_US, MAX_TIME_US])
def test_the_ends_of_time_are_no_error(now_us: int) -> None:
    """What would lie outside of the calendar is no time."""
    text = "999 years ago, last year, last month, last week, yesterday, on Friday, since May 4th"
    found = times_named(text, now_us)
    assert all(span.from_us < span.until_us for span in spans_of(found, [1, 9999]))


@pytest.mark.parametrize(
    "text",
    [
        "may 1 " * 20_000,
        "may" + " " * 100_000,
        "9 may" * 20_000,
        "you may 3 " * 20_000,
        "3 -" * 20_000,
        "may 3" + " " * 100_000,
        "1 to " + " " * 100_000,
        "2023-05-04t10:00" * 20_000,
    ],
)
def test_a_long_text_is_not_read_for_long(text: str) -> None:
    """It is cut, so that nobody's question holds the others up; a second is a thousand times what it takes."""
    started = perf_counter()
    assert len(times_named(text, microseconds(NOW))) <= 8
    assert perf_counter() - started < 1


def test_within_tells_which_times_lie_in_a_span() -> None:
    """The end is not in it."""
    times_us = np.array([1, 2, 3, 10], np.int64)
    assert within(times_us, [Span(2, 3), Span(10, 11)]).tolist() == [False, True, False, True]
    assert not within(times_us, []).any()


@given(
    st.lists(st.integers(-50, 50), max_size=40, unique=True),
    st.lists(st.integers(-60, 60), max_size=30),
)
def test_many_spans_are_searched_as_few_are(ends: list[int], times: list[int]) -> None:
    """Whatever their number, also at their ends."""
    ordered = sorted(ends)
    spans = [Span(*pair) for pair in zip(ordered[::2], ordered[1::2], strict=False)]
    found = within(np.array(times, np.int64), spans).tolist()
    assert found == [any(span.holds(time) for span in spans) for time in times]
