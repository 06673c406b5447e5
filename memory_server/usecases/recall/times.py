"""Times that a question names: when, in which years, and what of the namespace was then."""

from collections.abc import Sequence

from memory_server.domain.memory import Scope
from memory_server.domain.spans import Span
from memory_server.domain.time_expressions import NamedTime, spans_of, times_named, year_of
from memory_server.ports import SearchIndex

MOST_YEARS = 20
"""The latest years of a namespace in which a date without its year is looked for."""


def named_times(index: SearchIndex, scope: Scope, text: str, now_us: int) -> tuple[Span, ...]:
    """Return the times that a question names; none: it names none."""
    named = times_named(text, now_us)
    return spans_of(named, _years(index, scope, named)) if named else ()


def _years(index: SearchIndex, scope: Scope, named: Sequence[NamedTime]) -> range:
    """Return the years in which a namespace has memories, if anybody asks."""
    if not any(each.is_yearly for each in named):
        return range(0)
    there = index.event_times(scope)
    if there is None:
        return range(0)
    first, last = year_of(there.from_us), year_of(there.until_us - 1)
    return range(max(first, last - MOST_YEARS + 1), last + 1)
