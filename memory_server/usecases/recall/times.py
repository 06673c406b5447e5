"""Times that a question names: when, in which years, and what of the namespace was then."""

from collections.abc import Sequence

from memory_server.domain.memory import Scope
from memory_server.domain.spans import Span
from memory_server.domain.time_expressions import NamedTime, spans_of, times_named, year_of
from memory_server.ports import SearchIndex

MOST_YEARS = 20
"""So many years of a namespace, the latest and those until now, are searched for a date without its year."""

YEARS_AHEAD = 5
"""So many after now are, too."""


def named_times(index: SearchIndex, scope: Scope, text: str, now_us: int) -> tuple[Span, ...]:
    """Return the times that a question names; none: it names none."""
    named = times_named(text, now_us)
    return spans_of(named, _years(index, scope, named, now_us)) if named else ()


def _years(
    index: SearchIndex, scope: Scope, named: Sequence[NamedTime], now_us: int
) -> Sequence[int]:
    """Return the years in which a namespace has memories, if anybody asks."""
    if not any(each.is_yearly for each in named):
        return ()
    there = index.event_times(scope)
    if there is None:
        return ()
    first, last, now = year_of(there.from_us), year_of(there.until_us - 1), year_of(now_us)
    latest = range(max(first, last - MOST_YEARS + 1), last + 1)
    # The latest alone would be far from all others where one memory is dated wrongly, or "for ever".
    near = range(max(first, now - MOST_YEARS + 1), min(last, now + YEARS_AHEAD) + 1)
    return sorted({*latest, *near})
