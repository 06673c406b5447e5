"""Times of the calendar, as cron has them."""

_MINUTE, _HOUR, _DAY = "[0-5]?[0-9]", "(1?[0-9]|2[0-3])", "([1-9]|[12][0-9]|3[01])"
_MONTH, _WEEKDAY = "([1-9]|1[0-2])", "[0-7]"


def _list_of(number: str) -> str:
    item = rf"(\\*|{number}(-{number})?)(/[1-9][0-9]?)?"
    return f"{item}(,{item})*"


_FIELDS = " ".join(map(_list_of, (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)))
_IN_ORDER = (
    "self.split(' ').all(field, field.split(',').all(item, !item.contains('-') || "
    "int(item.split('/')[0].split('-')[0]) <= int(item.split('/')[0].split('-')[1])))"
)


def form_rule(field: str) -> tuple[str, str]:
    """Return the CEL rule that a field holds five fields of cron, or a name for them."""
    return (
        f"self.matches('^(@(hourly|daily|weekly|monthly)|{_FIELDS})$')",
        f"{field} must be five numbers of cron, such as '30 2 * * *', or @hourly, @daily, @weekly, @monthly",
    )


def order_rule(field: str) -> tuple[str, str]:
    """Return the CEL rule that every range begins before its end; too dear for a field inside a list."""
    return (
        f"!self.matches('^[-0-9*/, ]+$') || {_IN_ORDER}",
        f"{field} has a range whose end is before its beginning",
    )
