"""What a recall asks for, and what it answers."""

import enum
from collections.abc import Sequence
from typing import NamedTuple

from memory_server.domain import limits, validation
from memory_server.domain.fields import FieldMatch
from memory_server.domain.filters import Filter
from memory_server.domain.memory import Coordinate, MemoryRecord, Scope
from memory_server.domain.ranking import ScoreParts
from memory_server.domain.validation import Violations
from memory_server.usecases.engine import Engine

EVERYTHING = Filter()


class RecallMode(enum.Enum):
    """Which legs a text query uses."""

    HYBRID = "hybrid"
    VECTOR = "vector"
    KEYWORD = "keyword"


class RecallQuery(NamedTuple):
    """What a caller wants to recall: exactly one of `text`, `vector`, `coordinate`, `field_match`.

    Attributes:
        mode: None: one not known.
        as_of_us: Answer from what the store knew at this moment; None: now.
        context: What the caller is about; it lifts results that fit it, and adds none. Empty: nothing.
        page_token: Of the page before; empty: the first page.
        explain: Tell what each score is made of.
    """

    text: str | None = None
    vector: bytes | None = None
    coordinate: Coordinate | None = None
    field_match: FieldMatch | None = None
    mode: RecallMode | None = RecallMode.HYBRID
    top_k: int = 0
    given: Filter = EVERYTHING
    min_score: float | None = None
    min_commit_seq: int = 0
    as_of_us: int | None = None
    context: str = ""
    page_token: str = ""
    explain: bool = True


class RecallHit(NamedTuple):
    """A recalled memory with its score in [0, 1] and the parts of it."""

    record: MemoryRecord
    score: float
    parts: ScoreParts


class RecallAnswer(NamedTuple):
    """The hits, best first, and how much was looked at; an empty token means that there are no more."""

    hits: Sequence[RecallHit]
    commit_seq: int
    is_exact: bool
    degraded: tuple[str, ...] = ()
    is_truncated: bool = False
    next_token: str = ""


def check_query(engine: Engine, scope: Scope, query: RecallQuery) -> int:
    """Check a query and return how many hits a page has.

    Raises:
        InvalidInput: With every violation.
    """
    found = Violations()
    validation.check_namespace(found, scope.namespace)
    _check_question(found, engine, query)
    validation.check_filter(found, query.given)
    top_k = validation.check_count(
        found, "top_k", query.top_k, default=limits.DEFAULT_TOP_K, maximum=limits.MAX_TOP_K
    )
    found.require(query.mode is not None, "mode", "must be hybrid, vector or keyword")
    if query.min_score is not None:
        found.require(0 <= query.min_score <= 1, "min_score", "must be from 0 to 1")
    found.require(query.min_commit_seq >= 0, "min_commit_seq", "must be 0 or more")
    if query.as_of_us is not None:
        is_time = limits.MIN_TIME_US <= query.as_of_us <= limits.MAX_TIME_US
        found.require(is_time, "as_of", "must be between the years 1 and 9999")
    if query.context:
        _check_text(found, "context", query.context)
    found.raise_if_any()
    return top_k


def _check_question(found: Violations, engine: Engine, query: RecallQuery) -> None:
    if query.text is not None:
        found.require(bool(query.text.strip()), "text", "must not be empty")
        _check_text(found, "text", query.text)
    elif query.vector is not None:
        dimensions = engine.limits.embedding_dimensions
        validation.check_vector(found, "vector", query.vector, dimensions)
    elif query.coordinate is not None:
        validation.check_coordinate(found, "coordinate", query.coordinate)
    elif query.field_match is not None:
        found.require(bool(query.field_match.term), "field_match.term", "must not be empty")
        _check_text(found, "field_match.term", query.field_match.term)
    else:
        found.add("query", "must be a text, a vector, a coordinate or a field match")


def _check_text(found: Violations, path: str, text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    most = limits.MAX_TEXT_BYTES
    found.require(size <= most, path, f"must be at most {most} bytes of UTF-8")
