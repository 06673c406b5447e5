"""Which copies of a schedule go. Rule: the newest verified one never does."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from soma_operator.api.v1alpha1 import Retention
from soma_operator.core.backup.picture import FAILED, SUCCEEDED, phase_of
from soma_operator.core.kinds import Manifest, name_of
from soma_operator.core.published import parse_time

FAILED_KEPT = 3
"""Failed ones hold no copy; the last of them are kept for who looks for the cause."""


def expired(copies: list[Manifest], retention: Retention, now: datetime) -> frozenset[str]:
    """Return the names of copies that go.

    Args:
        copies: Those of one schedule, the oldest first.
        retention: What is kept.
        now: Present time.
    """
    return frozenset(name_of(one) for one in _expired(copies, retention, now))


def expires_at(name: str, copies: list[Manifest], retention: Retention) -> datetime | None:
    """Return when its age makes a copy go; None: no age does, as things are."""
    older = {name_of(one): one for one in _verified(copies)[:-1]}
    if retention.keep_days is None or name not in older:
        return None
    return _ended_at(older[name]) + timedelta(days=retention.keep_days)


def _expired(copies: list[Manifest], retention: Retention, now: datetime) -> Iterator[Manifest]:
    verified = _verified(copies)
    if retention.keep_last is not None:
        yield from verified[: -retention.keep_last]
    if retention.keep_days is not None:
        oldest = now - timedelta(days=retention.keep_days)
        yield from (one for one in verified[:-1] if _ended_at(one) <= oldest)
    yield from [one for one in copies if phase_of(one) == FAILED][:-FAILED_KEPT]


def _verified(copies: list[Manifest]) -> list[Manifest]:
    return [one for one in copies if phase_of(one) == SUCCEEDED]


def _ended_at(copy: Manifest) -> datetime:
    return parse_time(copy["status"]["completedAt"])
