"""From the words of a command line to the client's values; pure."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from somamemory.errors import invalid
from somamemory.model import (
    DEFAULT_NAMESPACE,
    Between,
    Filter,
    LinkDirection,
    MemoryKind,
    Present,
    RecallMode,
    Ref,
    Scalar,
    Test,
)

_AT = "at:"
_TEST = re.compile(r"^(?P<key>[^=<>!]+?)(?P<operator>>=|<=|=)(?P<value>.*)$", re.DOTALL)


def _choices(members: Iterable[Any]) -> Any:
    known = [str(member) for member in members if member != "unknown"]

    def complete(incomplete: str) -> list[str]:
        return [each for each in known if each.startswith(incomplete)]

    return complete


def _option(*names: str, **told: Any) -> Any:
    return typer.Option(*names, **told)


def _of_bits(bits: int) -> Callable[[int | None], int | None]:
    end = 1 << (bits - 1)

    def checked(value: int | None) -> int | None:
        if value is not None and not -end <= value < end:
            raise typer.BadParameter(f"must be from {-end} to {end - 1}")
        return value

    return checked


int32 = _of_bits(32)
"""Callback of an option that a field of this width carries; others end in a traceback of protobuf."""

int64 = _of_bits(64)
"""The same for wide ones. A range of typer's would be shown in every help, and says nothing to people."""

NamespaceOption = Annotated[
    str, _option("--namespace", "-n", help="The partition to work in.", metavar="NAME")
]
RefArgument = Annotated[
    str, typer.Argument(metavar="ID", help="A memory's id, or at:1,2.5 for its coordinate.")
]
KindOption = Annotated[
    str,
    _option("--kind", help="episodic or semantic.", autocompletion=_choices(MemoryKind)),
]
KindsOption = Annotated[
    list[str] | None,
    _option("--kind", help="Only this kind; may be repeated.", autocompletion=_choices(MemoryKind)),
]
ModeOption = Annotated[
    str,
    _option("--mode", help="hybrid, vector or keyword.", autocompletion=_choices(RecallMode)),
]
DirectionOption = Annotated[
    str,
    _option(
        "--direction",
        help="outgoing, incoming or both.",
        autocompletion=_choices(LinkDirection),
    ),
]
MetadataOption = Annotated[
    list[str] | None,
    _option("--metadata", "-m", metavar="KEY=VALUE", help="A value to filter by; may be repeated."),
]
WhereOption = Annotated[
    list[str] | None,
    _option(
        "--where",
        "-w",
        metavar="TEST",
        help="key=value, key>=1, key<=9, or key for `is there`; all given tests must hold.",
    ),
]
SinceOption = Annotated[
    str | None, _option("--since", metavar="TIME", help="It happened at this time or later.")
]
UntilOption = Annotated[
    str | None, _option("--until", metavar="TIME", help="It happened before this time.")
]
MinImportanceOption = Annotated[
    float | None, _option("--min-importance", help="Raw importance at least.")
]
RequestIdOption = Annotated[
    str, _option("--request-id", help="Makes a retry safe: the same id gives the same answer.")
]
TopKOption = Annotated[int, _option("--top-k", "-k", help="How many at most.", callback=int32)]
MinCommitSeqOption = Annotated[
    int,
    _option("--min-commit-seq", help="Answer from a state with this commit.", callback=int64),
]
ExpectedVersionOption = Annotated[
    int | None,
    _option(
        "--expected-version",
        help="Only at this version; 0: only if there is none yet.",
        callback=int64,
    ),
]

NAMESPACE = DEFAULT_NAMESPACE


AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="TIME", help="As it was at this moment.")
]

_TIME_FORMAT = "%Y-%m-%d %H:%M"


def shown(moment: datetime | None) -> str:
    """Return a time for people, in their own zone; empty where there is none."""
    if moment is None:
        return ""
    try:
        return moment.astimezone().strftime(_TIME_FORMAT)
    except (OverflowError, ValueError):  # their zone's date has no year
        return f"{moment.astimezone(UTC).strftime(_TIME_FORMAT)} UTC"


def ref(text: str) -> Ref:
    """Return what names a memory: an id, or a coordinate written as `at:1,2.5`."""
    return coordinate(text.removeprefix(_AT), "ID") if text.startswith(_AT) else text


def coordinate(text: str, option: str) -> list[float]:
    """Return numbers separated by commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise invalid(option, "must be numbers separated by commas, such as 1,2.5") from error


def scalar(text: str) -> Scalar:
    """Return a value by its form: true and false, a number, else text; quotes make anything text."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def metadata(given: list[str] | None, option: str = "--metadata") -> dict[str, Scalar]:
    """Return the values of repeated KEY=VALUE options."""
    pairs = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise invalid(option, f"must be KEY=VALUE, not {text!r}")
        pairs[key] = scalar(value)
    return pairs


def filter_of(
    *,
    kinds: list[str] | None = None,
    where: list[str] | None = None,
    since: str | None = None,
    until: str | None = None,
    min_importance: float | None = None,
) -> Filter:
    """Return the filter that options stand for."""
    tests: dict[str, Test] = {}
    for text in where or []:
        key, test = _test(text)
        tests[key] = _both(tests[key], test) if key in tests else test
    return Filter(
        kinds=kinds or (),
        metadata=tests,
        event_time_from=moment(since, "--since"),
        event_time_until=moment(until, "--until"),
        min_importance=min_importance,
    )


def moment(text: str | None, option: str) -> datetime | None:
    """Return a time; one without a zone is UTC."""
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the latter: in UTC it is before the first year
        raise invalid(
            option, "must be a time such as 2026-01-31 or 2026-01-31T12:00:00Z"
        ) from error


def _test(text: str) -> tuple[str, Test]:
    match = _TEST.match(text)
    if match is None:
        return text, Present()
    key, value = match["key"], scalar(match["value"])
    if match["operator"] == "=":
        return key, value
    if isinstance(value, str | bool):
        raise invalid("--where", f"{text!r} compares with something that is no number")
    try:
        bound = float(value)
    except OverflowError as error:
        raise invalid("--where", f"{key!r} is compared with a number that is too large") from error
    return key, Between(min=bound) if match["operator"] == ">=" else Between(max=bound)


def _both(first: Test, second: Test) -> Test:
    """Return two ends of a range as one test; nothing else can hold twice for one key."""
    if isinstance(first, Between) and isinstance(second, Between):
        lower = [each for each in (first.min, second.min) if each is not None]
        upper = [each for each in (first.max, second.max) if each is not None]
        return Between(max(lower, default=None), min(upper, default=None))
    raise invalid("--where", "tests one key twice; only >= and <= go together")
