"""The copies that a schedule asks for, and how well they went."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from soma_operator.core.backup.schedule import backup_fields, backup_healthy, due_copy
from soma_operator.core.kinds import Manifest
from soma_operator.core.observed import Observed
from soma_operator.core.plan import Applied
from soma_operator.core.published import format_time
from soma_operator.core.reconcile import Decision, conclude, decide
from soma_operator.core.resolve import resolve
from tests.support.backup_pictures import TARGET, a_backup
from tests.support.somamemories import NOW, UID, a_somamemory, observed_of, settled

# It is 03:04:05.
DAY = timedelta(days=1)


def seen(
    *copies: Manifest, made: timedelta = DAY, spec: Manifest | None = None, **policy: Any
) -> Observed:
    """Return a picture of a memory with a daily schedule, made some time ago."""
    backup = {"target": TARGET, "schedule": "0 2 * * *", **policy}
    memory = a_somamemory(spec={"backup": backup, **(spec or {})})
    memory["metadata"]["creationTimestamp"] = format_time(NOW - made)
    return replace(observed_of(memory, children=settled(memory)), copies=copies)


def due(observed: Observed) -> Manifest | None:
    return due_copy(resolve(observed), observed)


def a_copy(name: str, phase: str, ago: timedelta) -> Manifest:
    return a_backup(name, phase=phase, origin="schedule", made_at=NOW - ago)


def test_a_copy_is_wished_for_when_its_time_has_come() -> None:
    """Named after its time, so that the same time makes one; with nothing that GitOps tools track by."""
    copy = due(seen(deadlineSeconds=60))

    assert copy is not None
    assert copy["metadata"] == {
        "name": "mem-2601020200",
        "namespace": "default",
        "labels": {
            "memory.soma.sh/memory": "mem",
            "memory.soma.sh/memory-uid": UID,
            "memory.soma.sh/origin": "schedule",
        },
        "annotations": {"memory.soma.sh/scheduled-at": "2026-01-02T02:00:00Z"},
    }
    assert copy["spec"] == {
        "memoryRef": {"name": "mem"},
        "target": TARGET,
        "deadlineSeconds": 60,
    }


def test_a_new_memory_waits_for_its_first_time() -> None:
    """What was due before it was made is not."""
    assert due(seen(made=timedelta(minutes=5))) is None


def test_missed_times_are_made_up_for_once() -> None:
    """After three days without an operator there is one copy to be made, not three."""
    copy = due(seen(a_copy("old", "Succeeded", 4 * DAY), made=30 * DAY))

    assert copy is not None
    assert copy["metadata"]["name"] == "mem-2601020200"


def test_a_time_is_used_once() -> None:
    """Whatever became of its copy."""
    for phase in ("Succeeded", "Failed"):
        assert due(seen(a_copy("now", phase, timedelta(hours=1, minutes=4, seconds=5)))) is None


def test_a_clock_that_was_ahead_stops_no_copies() -> None:
    """A copy of a time to come says nothing of the present one."""
    copy = due(seen(a_copy("mem-2701020200", "Succeeded", -365 * DAY), made=30 * DAY))

    assert copy is not None
    assert copy["metadata"]["name"] == "mem-2601020200"


def test_a_copy_of_a_time_that_has_come_holds_it() -> None:
    """When the time comes that a clock was ahead to, its copy is there; the next time has its own."""
    leftover = a_copy("mem-2601020200", "Succeeded", timedelta(hours=1, minutes=4, seconds=5))

    assert due(seen(leftover, made=30 * DAY)) is None
    leftover["metadata"]["annotations"]["memory.soma.sh/scheduled-at"] = format_time(NOW - DAY)
    assert due(seen(leftover, made=30 * DAY)) is not None


@pytest.mark.parametrize("said", ["yesterday", "", "2026-01-02T02:00:00", "null"])
def test_a_time_that_is_none_disturbs_nobody(said: str) -> None:
    """An annotation that somebody wrote over must not keep the memory from being looked at: the copy's age is known."""
    copy = a_copy("now", "Succeeded", timedelta(hours=1, minutes=4, seconds=5))
    copy["metadata"]["annotations"]["memory.soma.sh/scheduled-at"] = said

    assert due(seen(copy, made=30 * DAY)) is None


def test_one_copy_at_a_time() -> None:
    """As long as one is not ended, the next one waits."""
    for phase in ("Pending", "Running", None):
        running = a_backup("mem-1", phase=phase, origin="schedule", made_at=NOW - 2 * DAY)
        assert due(seen(running, made=30 * DAY)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"suspended": True},
        {"spec": {"paused": True}},
        {"spec": {"hibernated": True}},
        {"spec": {"replicas": 0}},
        {"spec": {"bootstrap": {"type": "Backup", "backupName": "one"}}},
        {"schedule": "0 0 30 2 *"},
    ],
    ids=str,
)
def test_no_copy_is_wished_for_while(change: dict[str, Any]) -> None:
    """Suspended, paused, asleep, being restored, or with a day that never comes."""
    assert due(seen(**change)) is None


def test_the_longest_names_fit() -> None:
    """A memory's name of 52 characters leaves room for the time."""
    memory = a_somamemory("m" * 52, spec={"backup": {"target": TARGET, "schedule": "@hourly"}})
    memory["metadata"]["creationTimestamp"] = format_time(NOW - DAY)
    copy = due(observed_of(memory))

    assert copy is not None
    assert len(copy["metadata"]["name"]) == 63


HOUR = timedelta(hours=1, minutes=4, seconds=5)

HEALTH = [
    (seen(), ("Unknown", "NoBackupYet")),
    (seen(a_copy("a", "Running", HOUR)), ("Unknown", "NoBackupYet")),
    (seen(a_copy("a", "Succeeded", HOUR)), ("True", "Verified")),
    (seen(a_copy("a", "Succeeded", DAY), a_copy("b", "Running", HOUR)), ("True", "Verified")),
    (seen(a_copy("a", "Succeeded", DAY), a_copy("b", "Failed", HOUR)), ("False", "BackupFailed")),
    (seen(a_copy("a", "Failed", DAY), a_copy("b", "Succeeded", HOUR)), ("True", "Verified")),
    (seen(a_copy("a", "Succeeded", HOUR), suspended=True), ("Unknown", "BackupSuspended")),
    (seen(schedule="0 0 31 4 *"), ("False", "ScheduleNeverFires")),
]


@pytest.mark.parametrize(("observed", "expected"), HEALTH)
def test_health_is_that_of_the_newest_copy(observed: Observed, expected: tuple[str, str]) -> None:
    """Verified, failed, or nothing yet; a copy that is under way says nothing."""
    aspect = backup_healthy(resolve(observed), observed)

    assert aspect is not None
    assert (aspect.type, aspect.status, aspect.reason) == ("BackupHealthy", *expected)


def test_without_a_schedule_nothing_is_said() -> None:
    """Neither condition nor fields: nobody wished for copies."""
    observed = observed_of()

    assert backup_healthy(resolve(observed), observed) is None
    assert backup_fields(resolve(observed), observed) == {}


def test_a_failure_names_the_copy_and_its_cause() -> None:
    """The mend is in the message of the memory, too."""
    observed = seen(a_copy("b", "Failed", HOUR))

    aspect = backup_healthy(resolve(observed), observed)

    assert aspect is not None
    assert aspect.message == "b failed: b says so"


def test_a_copy_that_cannot_be_removed_is_told() -> None:
    """Storage that fills up unseen would end all copies."""
    stuck = a_backup("a", phase="Expiring", origin="schedule")
    stuck["status"]["conditions"][0]["reason"] = "RemovalFailed"
    observed = seen(stuck, a_copy("b", "Succeeded", HOUR))

    aspect = backup_healthy(resolve(observed), observed)

    assert aspect is not None
    assert (aspect.status, aspect.reason) == ("False", "RemovalFailed")


def test_the_status_names_the_last_copies_and_the_next() -> None:
    """What was verified last, what failed since, when the next one is due."""
    observed = seen(a_copy("a", "Succeeded", DAY), a_copy("b", "Failed", HOUR))

    assert backup_fields(resolve(observed), observed)["backup"] == {
        "lastSuccessful": "a",
        "lastSuccessfulAt": format_time(NOW - DAY),
        "lastFailed": "b",
        "nextAt": "2026-01-03T02:00:00Z",
    }


def test_the_next_time_wakes_the_memory() -> None:
    """Nobody tells the operator that it is two o'clock."""
    observed = seen(a_copy("a", "Succeeded", HOUR))
    decision = decide(observed)
    assert isinstance(decision, Decision)
    done = Applied(observed.children, (), (), is_complete=True)

    outcome = conclude(observed, decision, done)

    assert outcome.requeue_after_s == timedelta(hours=22, minutes=55, seconds=55).total_seconds()
