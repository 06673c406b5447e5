"""Questions and their answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from somamemory.model.memories import Memory
from somamemory.model.values import Scalar


class RecallMode(StrEnum):
    """Which legs a text query uses."""

    HYBRID = "hybrid"
    VECTOR = "vector"
    KEYWORD = "keyword"


class Completeness(StrEnum):
    """How much of what matches was looked at."""

    UNKNOWN = "unknown"
    EXACT = "exact"
    APPROXIMATE = "approximate"
    DEGRADED = "degraded"


@dataclass(frozen=True)
class ScoreParts:
    """The parts of one score."""

    keyword: float
    vector: float
    links: float
    """What came from a memory that is linked with it, or stands beside it in its conversation."""
    coordinate_distance: float
    recency: float = 0.0
    importance: float = 0.0
    context: float = 0.0
    named_time: float = 0.0
    """What it added that its event was at a time that the query names."""


@dataclass(frozen=True)
class RecallHit:
    """One recalled memory."""

    memory: Memory
    score: float
    """In [0, 1]; higher is better."""
    parts: ScoreParts | None
    """Set when `explain` was asked for."""


@dataclass(frozen=True)
class Recalled(Sequence[RecallHit]):
    """The answer to a query: a sequence of hits, best first."""

    hits: tuple[RecallHit, ...]
    completeness: Completeness
    degraded: tuple[str, ...]
    """The legs that were not available."""
    commit_seq: int
    next_page_token: str = ""
    """Empty: there are no more."""

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[RecallHit]:
        return iter(self.hits)

    def __getitem__(self, index: Any) -> Any:  # a slice gives a tuple, an index gives a hit
        return self.hits[index]


@dataclass(frozen=True)
class FieldMatch:
    """Looks for a string anywhere inside payloads; `%` and `_` are plain characters."""

    term: str
    substring: bool = False
    """False: a whole string equals the term. True: it contains the term."""
    case_sensitive: bool = False


@dataclass(frozen=True)
class AnyOf:
    """The value equals one of these."""

    values: tuple[Scalar, ...]

    def __init__(self, *values: Scalar) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True)
class Between:
    """The value is a number in this range, ends included; None leaves an end open."""

    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Present:
    """The key is there, or is not."""

    present: bool = True


Test = Scalar | AnyOf | Between | Present
"""One test of a metadata value; a plain value means that it is equal."""


@dataclass(frozen=True)
class Filter:
    """Which memories are looked at: all given parts must hold."""

    kinds: Sequence[str] = ()
    metadata: Mapping[str, Test] = field(default_factory=dict)
    event_time_from: datetime | None = None
    event_time_until: datetime | None = None
    """Before this moment."""
    min_importance: float | None = None
    importance_below: float | None = None
