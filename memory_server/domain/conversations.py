"""Which episodes belong to one conversation."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from memory_server.domain.memory import MemoryRecord, Metadata, MetadataValue
from memory_server.domain.ranking import EPISODE_GAP_US

SESSION_KEYS = (
    "session_id",
    "session",
    "conversation_id",
    "conversation",
    "thread_id",
    "thread",
    "episode_id",
    "episode",
)
"""Metadata by which memories name their session; the first that is there counts."""


@dataclass(slots=True)
class Conversation:
    """Episodes of one session, or without sessions those with no long silence in between; by event time."""

    name: str
    """Stays the same while episodes are added at its end."""
    episodes: list[MemoryRecord] = field(default_factory=list)


def session_value(metadata: Metadata) -> MetadataValue | None:
    """Return the value by which a memory names its session; None: it names none."""
    return next((metadata[key] for key in SESSION_KEYS if key in metadata), None)


def session_of(metadata: Metadata) -> str:
    """Return the name of the session that a memory's metadata names; empty: none."""
    if not metadata:
        return ""
    key = next((key for key in SESSION_KEYS if key in metadata), None)
    return "" if key is None else f"{key}={metadata[key]!r}"


def conversations(episodes: Iterable[MemoryRecord]) -> list[Conversation]:
    """Return the conversations of episodes, in the order of their first ones."""
    sessions: dict[str, Conversation] = {}
    found: list[Conversation] = []
    open_run: Conversation | None = None
    for record in sorted(episodes, key=_order):
        session = session_of(record.metadata)
        if session:
            if session not in sessions:
                sessions[session] = Conversation(f"session:{session}")
                found.append(sessions[session])
            sessions[session].episodes.append(record)
            continue
        if open_run is None or _is_apart(open_run.episodes[-1], record):
            open_run = Conversation(f"first:{record.id}")
            found.append(open_run)
        open_run.episodes.append(record)
    return found


def _is_apart(earlier: MemoryRecord, later: MemoryRecord) -> bool:
    return later.event_time_us - earlier.event_time_us > EPISODE_GAP_US


def _order(record: MemoryRecord) -> tuple[int, int]:
    return (record.event_time_us, record.commit_seq)
