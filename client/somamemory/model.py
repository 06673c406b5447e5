"""The nouns of the client: frozen values, times in UTC, payloads as Python dicts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = Sequence[float] | NDArray[np.floating[Any]]
else:
    Vector = Any

DEFAULT_NAMESPACE = "default"

Payload = Mapping[str, Any] | bytes
"""A JSON object: a mapping, or the exact bytes of its JSON text."""

Scalar = str | int | float | bool
"""One metadata value."""

Ref = str | Sequence[float]
"""Names one memory: its id, or its coordinate."""

Item_co = TypeVar("Item_co", covariant=True)


class MemoryKind(StrEnum):
    """What a memory is about."""

    UNKNOWN = "unknown"
    EPISODIC = "episodic"
    """Something that happened at a point in time."""
    SEMANTIC = "semantic"
    """Something that is so."""


class Durability(StrEnum):
    """What an acknowledged write has survived."""

    UNKNOWN = "unknown"
    FSYNCED = "fsynced"
    """Stable storage: survives the loss of the process and of power."""


class IndexState(StrEnum):
    """How an acknowledged write is found by recall."""

    UNKNOWN = "unknown"
    SEARCHABLE = "searchable"
    EMBEDDING_PENDING = "embedding_pending"
    REMOVED = "removed"


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


class LinkDirection(StrEnum):
    """Which ends of links are followed."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A memory as its author writes it; see `calls.store` for each field."""

    payload: Payload
    id: str = ""
    coordinate: Sequence[float] | None = None
    kind: str = MemoryKind.EPISODIC
    text: str = ""
    importance: float | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    event_time: datetime | None = None
    expire_time: datetime | None = None
    embedding: Vector | None = None
    request_id: str = ""
    expected_version: int | None = None


@dataclass(frozen=True)
class Memory:
    """A memory as the server keeps it."""

    namespace: str
    id: str
    payload_json: bytes
    """The payload, byte for byte as it was stored."""
    kind: MemoryKind
    text: str
    importance: float
    metadata: Mapping[str, Scalar]
    coordinate: tuple[float, ...] | None
    event_time: datetime | None
    expire_time: datetime | None
    version: int
    """Counts the writes of this memory: 1 for the first."""
    commit_seq: int
    create_time: datetime | None
    update_time: datetime | None
    embedding_model: str
    """`caller` when the author gave the embedding; empty when there is none yet."""

    @cached_property
    def payload(self) -> dict[str, Any]:
        """The payload as a dict, decoded at the first use."""
        decoded: dict[str, Any] = json.loads(self.payload_json)
        return decoded


@dataclass(frozen=True)
class Receipt:
    """What the server promises about one acknowledged write."""

    id: str
    """The memory's id; empty for a link."""
    request_id: str
    commit_seq: int
    """Position in the server's order of commits; give it to `recall` as `min_commit_seq`."""
    version: int
    durability: Durability
    index_state: IndexState
    replayed: bool
    """True: this request id was carried out before, and this is that answer."""


@dataclass(frozen=True)
class ScoreParts:
    """The parts of one score."""

    keyword: float
    vector: float
    links: float
    """What came from the episode just before or just after."""
    coordinate_distance: float


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

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[RecallHit]:
        return iter(self.hits)

    def __getitem__(self, index: Any) -> Any:  # a slice gives a tuple, an index gives a hit
        return self.hits[index]


@dataclass(frozen=True)
class Link:
    """One link as it is kept."""

    from_id: str
    to_id: str
    type: str
    weight: float
    metadata: Mapping[str, Scalar]
    version: int


@dataclass(frozen=True)
class Neighbor:
    """One memory found by a walk over links."""

    memory: Memory
    distance: int
    """How many links away, 1 or more."""
    link: Link
    """The link by which it was reached first."""


@dataclass(frozen=True)
class Neighborhood:
    """The answer to a walk."""

    neighbors: tuple[Neighbor, ...]
    truncated: bool
    """True: there are more than the limit."""


@dataclass(frozen=True)
class Page(Generic[Item_co]):
    """Some of the things asked for, and the token that gives the next ones."""

    items: tuple[Item_co, ...]
    next_token: str


@dataclass(frozen=True)
class Stats:
    """Counts of one namespace."""

    memory_count: int
    episodic_count: int
    semantic_count: int
    link_count: int
    payload_bytes: int
    embedded_count: int
    commit_seq: int


@dataclass(frozen=True)
class Limits:
    """What the server refuses beyond."""

    max_message_bytes: int
    max_payload_bytes: int
    max_text_bytes: int
    max_batch_items: int
    max_top_k: int
    max_page_size: int
    max_coordinate_dimensions: int
    max_link_depth: int
    request_id_ttl_s: int


@dataclass(frozen=True)
class ServerInfo:
    """The server's facts."""

    version: str
    store: str
    durability: Durability
    embedding_model: str
    embedding_dimensions: int
    limits: Limits
    commit_seq: int
    tenant: str
    authentication: str
    """`none` means that anybody is the tenant `default`."""


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
