"""Maintenance windows: whether one is open, and when the next one opens."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from soma_operator.api.v1alpha1 import MaintenanceWindow
from soma_operator.core.cron import parse_cron


def is_open(windows: Sequence[MaintenanceWindow], now: datetime) -> bool:
    """Return whether a moment is in one of the windows; where there are none, every moment is."""
    return not windows or any(_is_open(window, now) for window in windows)


def opens_at(windows: Sequence[MaintenanceWindow], now: datetime) -> datetime | None:
    """Return when a window opens next; None: none ever does."""
    times = (parse_cron(window.schedule).after(now) for window in windows)
    return min((at for at in times if at is not None), default=None)


def _is_open(window: MaintenanceWindow, now: datetime) -> bool:
    opened = parse_cron(window.schedule).before(now)
    return opened is not None and now < opened + timedelta(minutes=window.duration_minutes)
