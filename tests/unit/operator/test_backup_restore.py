"""What a new memory begins with."""

from dataclasses import replace
from typing import Any

import pytest

from soma_operator.core.backup.restore import restoring_job
from soma_operator.core.explain import explain
from soma_operator.core.kinds import DEPLOYMENT, JOB, Manifest, kind_of
from soma_operator.core.observed import Observed, Restore
from soma_operator.core.plan import Applied, Apply
from soma_operator.core.reconcile import Decision, conclude, decide
from soma_operator.core.resolve import resolve
from tests.support.backup_pictures import TARGET, a_backup, a_pod_of, with_end
from tests.support.gitops import kstatus
from tests.support.somamemories import a_somamemory, conditions_of, observed_of, settled

FROM_BACKUP: Manifest = {"type": "Backup", "backupName": "one"}
FROM_PLACE: Manifest = {
    "type": "Location",
    "location": {"target": TARGET, "name": "default/mem/one.sqlite3", "sha256": "cd" * 32},
}


def new(wish: Manifest = FROM_BACKUP, **parts: Any) -> Observed:
    """Return a picture of a new memory that begins with a copy."""
    memory = a_somamemory("new", spec={"bootstrap": wish})
    given = {"source": a_backup(phase="Succeeded"), **parts}
    observed = observed_of(memory, children=settled(a_somamemory("new")))
    return replace(observed, restore=Restore(**given))


def made(observed: Observed) -> Manifest:
    job = restoring_job(resolve(observed), observed)
    assert job is not None
    return job


def told(observed: Observed) -> tuple[Decision, Manifest]:
    """Return what is decided, and the status that follows when it was carried out."""
    decision = decide(observed)
    assert isinstance(decision, Decision)
    done = Applied(observed.children, (), (), is_complete=True)
    status = conclude(observed, decision, done).status
    assert status is not None
    return decision, status


def test_the_job_reads_the_copy_and_fills_the_claim() -> None:
    """The copy is mounted for reading, the claim for writing; the digest is that of the SomaMemoryBackup."""
    pod = made(new())["spec"]["template"]["spec"]

    shown = "pvc://backups/team/default/mem/one-uid-of-o.sqlite3"
    assert pod["containers"][0]["args"] == [
        "restore",
        "/backups/team/default/mem/one-uid-of-o.sqlite3",
        "--data",
        "/data",
        "--once",
        shown,
        "--sha256",
        "ab" * 32,
    ]
    claims = {
        one["persistentVolumeClaim"]["claimName"]: one["persistentVolumeClaim"].get("readOnly")
        for one in pod["volumes"]
        if "persistentVolumeClaim" in one
    }
    assert claims == {"backups": True, "new-data": None}


def test_a_copy_may_be_named_by_its_place() -> None:
    """Without a SomaMemoryBackup, such as one of another cluster."""
    arguments = made(new(FROM_PLACE, source=None))["spec"]["template"]["spec"]["containers"][0][
        "args"
    ]

    assert arguments[1] == "/backups/team/default/mem/one.sqlite3"
    assert arguments[-1] == "cd" * 32


def test_an_attempt_that_cannot_help_is_the_last() -> None:
    """Storage that is not empty, a copy that is not there, arguments that are wrong."""
    policy = made(new())["spec"]["podFailurePolicy"]["rules"]

    assert policy == [
        {
            "action": "FailJob",
            "onExitCodes": {"operator": "In", "values": [2, 3, 5], "containerName": "soma"},
        }
    ]


def test_no_server_runs_before_the_storage_is_restored() -> None:
    """The Deployment is there, without pods; the Job is made with the other children."""
    decision, status = told(new())

    kinds = [kind_of(one.manifest) for one in decision.plan.actions if isinstance(one, Apply)]
    assert {JOB, DEPLOYMENT} <= set(kinds)
    assert decision.memory.replicas.wished == 0
    assert conditions_of(status)["Ready"] == ("False", "Restoring")
    assert conditions_of(status)["Reconciling"] == ("True", "Restoring")
    assert "restoredFrom" not in status["storage"]
    assert kstatus({**new().resource, "status": status}) == "InProgress"


def test_restoring_takes_as_long_as_it_takes() -> None:
    """A large copy is no failed roll-out: a year later the status is what it was."""
    began = told(new())[1]
    observed = new(job=made(new()))
    resource = {**observed.resource, "status": began}
    late = replace(observed, resource=resource, now=observed.now.replace(year=2027))

    decision = decide(late)

    assert isinstance(decision, Decision)
    assert conclude(late, decision, Applied(late.children, (), (), is_complete=True)).status is None


def test_what_was_restored_is_kept_in_the_status_and_servers_start() -> None:
    """From then on neither Job nor SomaMemoryBackup is needed."""
    observed = new(job=with_end(made(new()), "Complete"))
    decision, status = told(observed)

    assert decision.memory.replicas.wished == 1
    assert (
        status["storage"]["restoredFrom"] == "pvc://backups/team/default/mem/one-uid-of-o.sqlite3"
    )
    later = replace(observed, resource={**observed.resource, "status": status}, restore=Restore())
    assert not resolve(later).is_restoring


WAITS = [
    (new(source=None), "BackupNotFound"),
    (new(source=a_backup(phase="Failed")), "BackupNotReady"),
    (new(source=a_backup(phase="Running")), "BackupNotReady"),
    (new(source=a_backup()), "BackupNotReady"),
]


@pytest.mark.parametrize(("observed", "reason"), WAITS)
def test_a_copy_that_is_not_verified_is_waited_for(observed: Observed, reason: str) -> None:
    """No Job is made of it; the status names it, and it is looked at again."""
    decision, status = told(observed)

    assert restoring_job(resolve(observed), observed) is None
    assert decision.memory.replicas.wished == 0
    assert any(line.startswith("! no server starts yet: ") for line in explain(decision, observed))
    assert conditions_of(status)["Ready"] == ("False", reason)
    assert "one" in status["conditions"][0]["message"]


FAILURES = [(5, "StorageNotEmpty", "another name"), (1, "RestoreFailed", "the copy is damaged")]


@pytest.mark.parametrize(("code", "reason", "words"), FAILURES)
def test_a_restore_that_fails_is_told_with_its_mend(code: int, reason: str, words: str) -> None:
    """No server starts on a storage that is not what was wished for."""
    job = with_end(made(new()), "Failed")
    pod = a_pod_of(job, code, "the copy is damaged")

    decision, status = told(new(job=job, pods=(pod,)))

    assert decision.memory.replicas.wished == 0
    assert conditions_of(status)["Stalled"] == ("True", reason)
    assert words in status["conditions"][0]["message"]
    assert kstatus({**new().resource, "status": status}) == "Failed"
