"""What an alert on old copies asks."""

import re
from datetime import timedelta

import pytest
from prometheus_client import generate_latest

from soma_operator.core.kinds import Manifest
from soma_operator.core.published import format_time
from soma_operator.metrics import Metrics
from tests.support.backup_pictures import TARGET
from tests.support.somamemories import NOW, a_somamemory

BACKUP: Manifest = {"target": TARGET, "schedule": "0 2 * * *"}
MADE, VERIFIED = NOW - timedelta(days=9), NOW - timedelta(hours=1)
GOOD: Manifest = {
    "phase": "Ready",
    "conditions": [{"type": "BackupHealthy", "status": "True", "reason": "Verified"}],
    "backup": {"lastSuccessful": "one", "lastSuccessfulAt": format_time(VERIFIED)},
}


def a_memory(
    status: Manifest, *, name: str = "mem", is_deleting: bool = False, **backup: object
) -> Manifest:
    """Return a memory with a schedule, made nine days ago."""
    memory = a_somamemory(
        name, spec={"backup": {**BACKUP, **backup}}, status=status, is_deleting=is_deleting
    )
    memory["metadata"]["creationTimestamp"] = format_time(MADE)
    return memory


def told(*memories: Manifest) -> dict[str, float]:
    """Return the value of each series about copies."""
    metrics = Metrics()
    metrics.tell_backups(lambda: memories)
    page = generate_latest(metrics.registry).decode()
    return {
        series.removeprefix("soma_operator_backup_"): float(value)
        for series, value in re.findall(r"^(soma_operator_backup_\S+) (\S+)$", page, re.MULTILINE)
    }


def of(name: str) -> str:
    return f'{{k8s_name="{name}",k8s_namespace="default"}}'


def test_each_memory_tells_when_its_newest_copy_was_verified() -> None:
    """One series a memory: the Unix time of the newest verified copy, and whether the schedule does well."""
    failing = {
        **GOOD,
        "conditions": [{"type": "BackupHealthy", "status": "False", "reason": "BackupFailed"}],
    }

    series = told(a_memory(GOOD), a_memory(failing, name="other"))

    assert series == {
        f"verified_timestamp_seconds{of('mem')}": VERIFIED.timestamp(),
        f"verified_timestamp_seconds{of('other')}": VERIFIED.timestamp(),
        f"healthy{of('mem')}": 1.0,
        f"healthy{of('other')}": 0.0,
    }


@pytest.mark.parametrize("status", [{}, {"phase": "Progressing", "conditions": []}])
def test_without_a_copy_the_age_is_that_of_the_memory(status: Manifest) -> None:
    """An alert on age finds the memory that never had a copy, too."""
    series = told(a_memory(status))

    assert series == {
        f"verified_timestamp_seconds{of('mem')}": MADE.timestamp(),
        f"healthy{of('mem')}": 0.0,
    }


def test_a_suspended_schedule_goes_on_getting_old() -> None:
    """Who forgot to end the suspension is told."""
    series = told(a_memory(GOOD, suspended=True))

    assert series[f"verified_timestamp_seconds{of('mem')}"] == VERIFIED.timestamp()


@pytest.mark.parametrize("phase", ["Hibernated", "Stopped"])
def test_a_memory_that_sleeps_makes_nobody_wake_up(phase: str) -> None:
    """It stores nothing, so that its copy does not get old."""
    assert told(a_memory({**GOOD, "phase": phase})) == {}


def test_what_has_no_schedule_or_goes_has_no_series() -> None:
    """Memories without a schedule and those that are being deleted are none of this alert's."""
    assert told(a_somamemory(), a_memory(GOOD, is_deleting=True)) == {}
