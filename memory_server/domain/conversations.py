"""Which episodes belong to one conversation."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from memory_server.domain.memory import MemoryRecord
from memory_server.domain.ranking import EPISODE_GAP_US

SESSION = "session"
"""Name of the metadata value that tells which conversation an episode is part of."""


@dataclass(slots=True)
class Conversation:
    """Episodes of one session, or without sessions those with no long silence in between; by event time."""

    name: str
    """Stays the same while episodes are added at its end."""
    episodes: list[MemoryRecord] = field(default_factory=list)


def session_of(record: MemoryRecord) -> str:
    """Return the session that a memory names; empty: none."""
    session = record.metadata.get(SESSION)
    return session if isinstance(session, str) else ""


def conversations(episodes: Iterable[MemoryRecord]) -> list[Conversation]:
    """Return the conversations of episodes, in the order of their first ones."""
    sessions: dict[str, Conversation] = {}
    found: list[Conversation] = []
    open_run: Conversation | None = None
    for record in sorted(episodes, key=_order):
        session = session_of(record)
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
