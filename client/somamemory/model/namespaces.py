"""Namespaces and their policies."""

from dataclasses import dataclass
from datetime import datetime


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
class DecayLevel:
    """Top-level payload fields that memories of some age lose."""

    age_s: int
    drop_fields: tuple[str, ...]


@dataclass(frozen=True)
class ScoreDecay:
    """Reduces what is old, unused and unimportant to some fields of its payload."""

    threshold: float = 2.0
    keep_fields: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NamespacePolicy:
    """What is done with the memories of a namespace; 0 means no lifetime, no limit, no quota."""

    default_ttl_s: int = 0
    """Life of memories that are stored without an expire time, seconds."""
    max_memories: int = 0
    """Beyond, the least important go, of equals the oldest."""
    max_versions: int = 10
    """Versions kept of a memory besides the current one."""
    recency_half_life_s: int = 0
    """Age at which being recent counts half, seconds."""
    decay_levels: tuple[DecayLevel, ...] = ()
    score_decay: ScoreDecay | None = None
    quota_memories: int = 0
    """Writes beyond are refused."""
    quota_payload_bytes: int = 0


@dataclass(frozen=True)
class Namespace:
    """One namespace."""

    name: str
    policy: NamespacePolicy
    create_time: datetime | None
    version: int
    """Counts the writes of the policy."""
    commit_seq: int
