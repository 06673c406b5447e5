"""What is done with the memories of a namespace: lifetimes, limits, quotas, decay."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from memory_server.domain.limits import (
    MAX_DECAY_FIELDS,
    MAX_DECAY_LEVELS,
    MAX_VERSIONS,
)
from memory_server.domain.quota import StorageQuota
from memory_server.domain.validation import Violations

DEFAULT_MAX_VERSIONS = 10
DEFAULT_DECAY_THRESHOLD = 2.0

MAX_DURATION_S = 100 * 366 * 24 * 3600
"""A hundred years: what is meant to last longer has no end."""

MAX_COUNT = 2**53
"""Greatest count that every client language can name exactly."""


@dataclass(frozen=True, slots=True)
class DecayLevel:
    """Top-level payload fields that memories of this age lose, seconds."""

    age_s: int
    drop_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoreDecay:
    """Reduces what is old, unused and unimportant to `keep_fields`; see `decay.decay_score`."""

    threshold: float = DEFAULT_DECAY_THRESHOLD
    keep_fields: tuple[str, ...] = ()


MAX_EVICTED = 1_000
"""Most memories that go with one store beyond `max_memories`, so that none holds up the others for long: where a limit
was lowered far, upkeep removes the rest."""


@dataclass(frozen=True, slots=True)
class NamespacePolicy:
    """The rules of one namespace; 0 means no lifetime, no limit, no quota, no weight for being recent.

    Attributes:
        default_ttl_s: Life of memories that are stored without an expire time.
        max_memories: Beyond, the least important go, of equals the oldest: with a store that needs the room, or soon.
        max_versions: Versions kept of a memory besides the current one.
        recency_half_life_s: Age at which being recent counts half.
        decay_levels: Youngest first.
        score_decay: None: nothing is reduced by its score.
        quota_memories: Writes beyond are refused, after what has expired and what is beyond `max_memories` has gone.
        quota_payload_bytes: Likewise.
    """

    default_ttl_s: int = 0
    max_memories: int = 0
    max_versions: int = DEFAULT_MAX_VERSIONS
    recency_half_life_s: int = 0
    decay_levels: tuple[DecayLevel, ...] = ()
    score_decay: ScoreDecay | None = None
    quota_memories: int = 0
    quota_payload_bytes: int = 0

    @property
    def has_quota(self) -> bool:
        """Whether there is a quota of the namespace's own."""
        return bool(self.quota_memories or self.quota_payload_bytes)

    @property
    def quota(self) -> StorageQuota:
        """How much the namespace may hold."""
        return StorageQuota(self.quota_memories, self.quota_payload_bytes)

    def expire_time_us(self, given_us: int | None, now_us: int) -> int | None:
        """Return when a memory will be gone that is stored now: when its author says, else after the default life."""
        if given_us is not None or not self.default_ttl_s:
            return given_us
        return now_us + self.default_ttl_s * 1_000_000

    @property
    def has_decay(self) -> bool:
        """Whether memories lose fields as they age."""
        return bool(self.decay_levels) or self.score_decay is not None


DEFAULT_POLICY = NamespacePolicy()


@dataclass(frozen=True, slots=True)
class NamespaceInfo:
    """One namespace."""

    name: str
    policy: NamespacePolicy
    version: int
    create_time_us: int
    commit_seq: int


def check_policy(found: Violations, policy: NamespacePolicy, path: str = "policy") -> None:
    """Check that every rule can be kept."""
    for name in ("default_ttl_s", "recency_half_life_s"):
        value = getattr(policy, name)
        found.require(
            0 <= value <= MAX_DURATION_S, f"{path}.{name}", f"must be 0 to {MAX_DURATION_S}"
        )
    for name in ("max_memories", "quota_memories", "quota_payload_bytes"):
        found.require(
            0 <= getattr(policy, name) <= MAX_COUNT, f"{path}.{name}", f"must be 0 to {MAX_COUNT}"
        )
    is_right = 0 <= policy.max_versions <= MAX_VERSIONS
    found.require(is_right, f"{path}.max_versions", f"must be 0 to {MAX_VERSIONS}")
    _check_levels(found, policy.decay_levels, f"{path}.decay_levels")
    if policy.score_decay is not None:
        is_finite = math.isfinite(policy.score_decay.threshold)
        found.require(is_finite, f"{path}.score_decay.threshold", "must be finite")
        _check_fields(
            found, policy.score_decay.keep_fields, f"{path}.score_decay.keep_fields", least=0
        )


def _check_levels(found: Violations, levels: Sequence[DecayLevel], path: str) -> None:
    most = MAX_DECAY_LEVELS
    found.require(len(levels) <= most, path, f"must have at most {most} levels")
    youngest_s = 0
    for place, level in enumerate(levels):
        is_right = youngest_s < level.age_s <= MAX_DURATION_S
        found.require(is_right, f"{path}[{place}].age_s", "must be greater than the one before")
        youngest_s = max(youngest_s, level.age_s)
        _check_fields(found, level.drop_fields, f"{path}[{place}].drop_fields", least=1)


def _check_fields(found: Violations, names: Sequence[str], path: str, *, least: int) -> None:
    is_right = least <= len(names) <= MAX_DECAY_FIELDS
    found.require(is_right, path, f"must have {least} to {MAX_DECAY_FIELDS} names")
    for place, name in enumerate(names):
        found.require(bool(name), f"{path}[{place}]", "must not be empty")
