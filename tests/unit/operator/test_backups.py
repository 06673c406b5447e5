"""The decision about one SomaMemoryBackup: which Job it takes, and what is told of it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from soma_dev.argocd import FOLDER
from soma_dev.paths import ROOT
from soma_operator.core.backup.decide import decide_backup
from soma_operator.core.backup.picture import BackupPicture
from soma_operator.core.backup.tasks import job_name
from soma_operator.core.kinds import Manifest
from soma_operator.core.pods import Finding
from tests.support.backup_pictures import (
    a_backup,
    a_pod_of,
    a_report,
    a_serving_memory,
    picture_of,
    with_end,
)
from tests.support.gitops import kstatus
from tests.support.lua import run_lua
from tests.support.somamemories import UID, a_somamemory, conditions_of

SECRETS: Manifest = {
    "tls": {"mode": "Secret", "secretName": "cert", "clientAuth": "Require"},
    "auth": {"type": "Tokens", "tokensSecretName": "callers"},
    "backup": {"tokenSecretName": "token", "clientCertificateSecretName": "client"},
}
S3: Manifest = {
    "type": "S3",
    "s3": {
        "endpoint": "https://s3.test",
        "bucket": "memories",
        "prefix": "team",
        "credentialsSecretName": "keys",
        "caSecretName": "authority",
    },
}


UNRESTORED = a_somamemory(spec={"bootstrap": {"type": "Backup", "backupName": "other"}})
PAUSED_AWAKE = a_serving_memory({"hibernated": True, "paused": True, "auth": SECRETS["auth"]})


def job_of(picture: BackupPicture) -> Manifest:
    job = decide_backup(picture).job
    assert job is not None
    return job


def pod_of(job: Manifest) -> Manifest:
    pod: Manifest = job["spec"]["template"]["spec"]
    return pod


def status_of(picture: BackupPicture) -> Manifest:
    status = decide_backup(picture).status
    assert status is not None
    return status


def variables(container: Manifest) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


def test_a_copy_is_asked_of_the_server() -> None:
    """The command of the Job reaches the Service, writes below the target, and reports to the kubelet."""
    job = job_of(picture_of(memory=a_serving_memory()))

    command = pod_of(job)["containers"][0]
    assert command["image"] == "registry.test/running:1"
    assert command["args"] == [
        "backup",
        "/backups/team/default/mem/one-uid-of-o.sqlite3",
        "--replace",
        "--report",
        "/dev/termination-log",
    ]
    assert variables(command) == {"SOMA_ADDRESS": "mem.default.svc:50053"}
    assert job["metadata"]["ownerReferences"][0]["uid"] == "uid-of-one"


def test_the_pod_of_a_copy_is_restricted_and_not_the_servers() -> None:
    """No token of the API server, no right of root; and no Service sends it calls."""
    job = job_of(picture_of(memory=a_serving_memory()))

    pod = pod_of(job)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "somamemory-backup"
    assert labels["app.kubernetes.io/managed-by"] == "soma-operator"


def test_the_pod_of_a_copy_asks_for_what_the_wish_says() -> None:
    """A quota of the namespace may want limits; without a wish the command asks for little."""
    limits = {"cpu": "1", "memory": "256Mi"}
    wish = a_serving_memory({"backup": {"resources": {"limits": limits}}})

    asked = [
        pod_of(job_of(picture_of(memory=one)))["containers"][0]["resources"]
        for one in (a_serving_memory(), wish)
    ]

    assert asked == [{"requests": {"cpu": "50m", "memory": "64Mi"}}, {"limits": limits}]


def test_credentials_are_mounted_and_named() -> None:
    """Certificate of the server, token and own certificate come from Secrets, as files."""
    command = pod_of(job_of(picture_of(memory=a_serving_memory(SECRETS))))

    assert variables(command["containers"][0]) == {
        "SOMA_ADDRESS": "mem.default.svc:50053",
        "SOMA_CA_FILE": "/etc/soma/server/tls.crt",
        "SOMA_TOKEN_FILE": "/etc/soma/token/token",
        "SOMA_CERT_FILE": "/etc/soma/client/tls.crt",
        "SOMA_KEY_FILE": "/etc/soma/client/tls.key",
    }
    secrets = {
        one["name"]: one["secret"]["secretName"] for one in command["volumes"] if "secret" in one
    }
    assert secrets == {"server": "cert", "token": "token", "client": "client"}


def test_a_bucket_is_named_and_its_credentials_stay_in_the_secret() -> None:
    """Endpoint and region are variables; the keys are references to the Secret."""
    command = pod_of(job_of(picture_of(a_backup(target=S3), memory=a_serving_memory())))

    container = command["containers"][0]
    assert container["args"][1] == "s3://memories/team/default/mem/one-uid-of-o.sqlite3"
    told = variables(container)
    assert told["AWS_ENDPOINT_URL"] == "https://s3.test"
    assert told["AWS_REGION"] == "us-east-1"
    assert told["AWS_CA_BUNDLE"] == "/etc/soma/s3/ca.crt"
    assert told["AWS_SECRET_ACCESS_KEY"] == {
        "secretKeyRef": {"name": "keys", "key": "secretAccessKey", "optional": False}
    }
    assert told["AWS_SESSION_TOKEN"]["secretKeyRef"]["optional"] is True


@pytest.mark.parametrize(
    "memory",
    [
        a_somamemory(spec={"hibernated": True, **SECRETS}),
        a_somamemory(spec={"replicas": 0, **SECRETS}),
        a_somamemory(spec=SECRETS, is_deleting=True),
    ],
    ids=["hibernated", "stopped", "deleted"],
)
def test_what_sleeps_is_copied_by_a_server_of_its_own(memory: Manifest) -> None:
    """A sidecar on the loopback has the volume: no Service, no credential, nobody else can write."""
    pod = pod_of(job_of(picture_of(memory=memory)))

    server = pod["initContainers"][0]
    settings = variables(server)
    assert server["restartPolicy"] == "Always"
    assert settings["SOMA_GRPC_HOST"] == "127.0.0.1"
    assert not {"SOMA_TLS_CERT_FILE", "SOMA_AUTH_TOKENS_FILE"} & set(settings)
    assert variables(pod["containers"][0]) == {"SOMA_ADDRESS": "127.0.0.1:50053"}
    claims = [
        one["persistentVolumeClaim"]["claimName"]
        for one in pod["volumes"]
        if "persistentVolumeClaim" in one
    ]
    assert sorted(claims) == ["backups", "mem-data"]
    mounts = {one["name"] for one in pod["containers"][0]["volumeMounts"]}
    assert "data" not in mounts


def test_a_storage_that_is_being_restored_is_not_opened() -> None:
    """A server on it would make a store, and the copy that is to come would find it not empty."""
    restored = {**UNRESTORED, "status": {"storage": {"restoredFrom": "pvc://a/b"}}}
    asleep = {**restored, "spec": {**restored["spec"], "replicas": 0}}

    assert decide_backup(picture_of(memory=UNRESTORED)).job is None
    assert decide_backup(picture_of(memory=asleep)).job is not None


def argo(backup: Manifest, status: Manifest | None = None) -> str:
    """Return what Argo CD calls a SomaMemoryBackup, by our own check."""
    resource = backup if status is None else {**backup, "status": status}
    answer = run_lua(ROOT / FOLDER / "backup-health.lua", resource)
    assert answer["message"]
    return str(answer["status"])


def test_a_new_backup_is_in_progress_for_argo_cd() -> None:
    """Else a sync wave would pass it before it is looked at."""
    assert argo(a_backup()) == "Progressing"
    assert kstatus(a_backup()) == "InProgress"


LATE = timedelta(seconds=3600)

WAITS = [
    (picture_of(memory=UNRESTORED), "MemoryNotServing"),
    (picture_of(memory=PAUSED_AWAKE), "CredentialNotNamed"),
    (picture_of(), "MemoryNotFound"),
    (picture_of(memory=a_somamemory()), "MemoryNotServing"),
    (picture_of(memory=a_serving_memory({"service": {"port": "x"}})), "MemoryNotServing"),
    (
        picture_of(memory=a_serving_memory(), missing=[Finding("SecretNotFound", "no keys")]),
        "SecretNotFound",
    ),
    (
        picture_of(memory=a_serving_memory({"auth": SECRETS["auth"]})),
        "CredentialNotNamed",
    ),
    (picture_of(memory=a_serving_memory({"tls": SECRETS["tls"]})), "CredentialNotNamed"),
]


@pytest.mark.parametrize(("picture", "reason"), WAITS)
def test_what_is_missing_is_waited_for_and_told(picture: BackupPicture, reason: str) -> None:
    """No pod hangs: the Job is made when all is there, and the status says what is not."""
    decision = decide_backup(picture)

    assert decision.job is None
    assert decision.requeue_after_s == 5.0
    status = status_of(picture)
    assert status["phase"] == "Pending"
    assert conditions_of(status) == {"Ready": ("False", reason), "Reconciling": ("True", reason)}
    assert kstatus({**picture.resource, "status": status}) == "InProgress"
    assert argo(picture.resource, status) == "Progressing"


@pytest.mark.parametrize(("picture", "reason"), WAITS)
def test_waiting_ends_at_the_deadline(picture: BackupPicture, reason: str) -> None:
    """What did not come in time is the reason of the failure."""
    late = picture_of(memory=picture.memory, missing=picture.missing, later=LATE)

    status = status_of(late)

    assert status["phase"] == "Failed"
    assert conditions_of(status) == {"Ready": ("False", reason), "Stalled": ("True", reason)}
    assert status["conditions"][0]["message"].startswith("given up after 3600 seconds: ")
    assert kstatus({**late.resource, "status": status}) == "Failed"
    assert argo(late.resource, status) == "Degraded"


def begun(jobs_end: str | None = None, pods: Iterable[tuple[int, str]] = ()) -> BackupPicture:
    """Return the picture of a copy whose Job was made, and what became of it."""
    memory = a_serving_memory()
    job = job_of(picture_of(memory=memory))
    job["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z"
    made = [a_pod_of(job, code, said, number) for number, (code, said) in enumerate(pods)]
    ended = job if jobs_end is None else with_end(job, jobs_end, "BackoffLimitExceeded")
    return picture_of(memory=memory, jobs=[ended], pods=made)


def test_a_running_job_is_a_running_copy() -> None:
    """Between beginning and end the status says so, and nothing else is made."""
    decision = decide_backup(begun())

    assert decision.job is None
    assert decision.status is not None
    assert decision.status["phase"] == "Running"
    assert conditions_of(decision.status)["Reconciling"] == ("True", "Copying")


@pytest.mark.parametrize("origin", ["schedule", "deletion", None])
@pytest.mark.parametrize("is_begun", [False, True])
def test_a_namesake_is_not_copied_for_a_memory_that_is_gone(
    origin: str | None, is_begun: bool
) -> None:
    """Who deletes a memory and creates one of its name would find that one's memories in the other's last copy."""
    copy, another = a_backup(origin=origin), a_serving_memory()
    jobs = [job_of(picture_of(copy, memory=a_serving_memory()))] if is_begun else []
    another["metadata"]["uid"] = "another"
    picture = picture_of(copy, memory=another, jobs=jobs)

    decision = decide_backup(picture)

    assert decision.status is not None
    if origin is None:
        assert decision.status["phase"] in ("Pending", "Running"), "a person meant the name"
        return
    assert decision.job is None
    assert conditions_of(decision.status)["Stalled"] == ("True", "MemoryNotFound")
    assert kstatus({**copy, "status": decision.status}) == "Failed"


def test_a_copy_that_was_complete_before_is_one() -> None:
    """It was made of the memory that is gone, whoever has its name by now."""
    copy, another = a_backup(origin="deletion"), a_serving_memory()
    job = job_of(picture_of(copy, memory=a_serving_memory()))
    another["metadata"]["uid"] = "another"
    done = with_end(job, "Complete")
    picture = picture_of(copy, memory=another, jobs=[done], pods=[a_pod_of(job, 0, a_report())])

    status = decide_backup(picture).status

    assert status is not None
    assert status["phase"] == "Succeeded"
    assert status["memoryUid"] == UID


def test_a_copy_is_what_its_pod_reports() -> None:
    """Size, digest, commit and place come from the command that read the copy back."""
    status = status_of(begun("Complete", [(1, "error: away"), (0, a_report(memory_count=12))]))

    assert status["phase"] == "Succeeded"
    assert conditions_of(status) == {"Ready": ("True", "Verified")}
    assert kstatus({**a_backup(), "status": status}) == "Current"
    assert argo(a_backup(), status) == "Healthy"
    facts = ("sizeBytes", "size", "sha256", "commitSeq", "memories", "location")
    assert {name: status[name] for name in facts} == {
        "sizeBytes": 3145728,
        "size": "3.0Mi",
        "sha256": "ab" * 32,
        "commitSeq": 7,
        "memories": 12,
        "location": "pvc://backups/team/default/mem/one-uid-of-o.sqlite3",
    }


@pytest.mark.parametrize("report", ["", "not JSON", "{}", '{"size_bytes": 1}'])
def test_a_copy_without_a_report_is_none(report: str) -> None:
    """What nobody vouches for is not called verified."""
    status = status_of(begun("Complete", [(0, report)]))

    assert (status["phase"], status["conditions"][0]["reason"]) == ("Failed", "ReportLost")


def test_a_job_that_gave_up_tells_the_last_words() -> None:
    """The newest attempt says why; without words the Job does."""
    told = status_of(begun("Failed", [(1, "error: first"), (4, "error: no server answers")]))
    silent = status_of(begun("Failed"))

    assert told["phase"] == "Failed"
    assert "error: no server answers" in told["conditions"][0]["message"]
    assert "BackoffLimitExceeded" in silent["conditions"][0]["message"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_ended_copy_is_never_made_again(phase: str) -> None:
    """Its Job may be gone, its memory may be gone: nothing is made, nothing is told."""
    for memory in (None, a_serving_memory()):
        decision = decide_backup(picture_of(a_backup(phase=phase), memory=memory, later=LATE))

        assert (decision.status, decision.job, decision.is_spent) == (None, None, False)


def test_the_job_that_holds_the_volume_of_a_memory_goes_when_it_ended() -> None:
    """As long as its pods are there, the claim cannot go with its memory; other Jobs stay for their logs."""
    leaving, serving = a_somamemory(is_deleting=True), a_serving_memory()
    offline, online = (job_of(picture_of(memory=memory)) for memory in (leaving, serving))
    copy = a_backup(phase="Succeeded")

    assert decide_backup(picture_of(copy, memory=leaving, jobs=[offline])).spent_job == offline
    assert decide_backup(picture_of(copy, memory=serving, jobs=[online])).spent_job is None


def scheduled(count: int, **last: Any) -> list[Manifest]:
    """Return verified copies of a schedule, a day apart."""
    now = picture_of().now
    return [
        a_backup(
            f"mem-{number}",
            phase="Succeeded",
            origin="schedule",
            made_at=now - timedelta(days=count - 1 - number),
        )
        for number in range(count)
    ]


def kept(**retention: int) -> Manifest:
    policy = {"target": a_backup()["spec"]["target"], "schedule": "@daily", "retention": retention}
    return a_serving_memory({"backup": policy})


def removed(memory: Manifest, copies: list[Manifest], **more: Any) -> list[str]:
    """Return which copies are removed."""
    decisions = {
        one["metadata"]["name"]: decide_backup(
            picture_of(one, memory=memory, siblings=copies, **more)
        )
        for one in copies
    }
    for decision in decisions.values():
        assert (decision.job is None) == (decision.status is None)
    return [name for name, decision in decisions.items() if decision.job is not None]


def test_retention_by_number_and_age() -> None:
    """Beyond the number, or older than the days: either makes a copy go; without bounds none does."""
    copies = scheduled(4)

    assert removed(kept(), copies) == []
    assert removed(kept(keepLast=3), copies) == ["mem-0"]
    assert removed(kept(keepLast=1), copies) == ["mem-0", "mem-1", "mem-2"]
    assert removed(kept(keepDays=2), copies) == ["mem-0", "mem-1"]
    assert removed(kept(keepLast=3, keepDays=2), copies) == ["mem-0", "mem-1"]


def test_the_newest_verified_copy_never_goes() -> None:
    """However old it is, and however many failed after it."""
    copies = scheduled(1)
    copies += [
        a_backup(f"failed-{number}", phase="Failed", origin="schedule") for number in range(5)
    ]

    gone = removed(kept(keepLast=1, keepDays=1), copies, later=timedelta(days=1000))

    assert gone == ["failed-0", "failed-1"]


def test_retention_is_for_the_copies_of_this_memory_s_schedule_only() -> None:
    """Copies made by hand, last copies, and those of a namesake that is gone stay."""
    copies = scheduled(2)
    foreign = scheduled(2)
    for one in foreign:
        one["metadata"]["labels"]["memory.soma.sh/memory-uid"] = "another"
    others = [
        a_backup("by-hand", phase="Succeeded"),
        a_backup("last", phase="Succeeded", origin="deletion"),
    ]

    assert removed(kept(keepLast=1), [*copies, *others]) == ["mem-0"]
    assert removed(kept(keepLast=1), foreign) == []


@pytest.mark.parametrize(
    "memory",
    [
        None,
        a_somamemory(spec=kept(keepLast=1)["spec"], is_deleting=True),
        a_serving_memory({**kept(keepLast=1)["spec"], "paused": True}),
        a_serving_memory({"backup": {**kept(keepLast=1)["spec"]["backup"], "suspended": True}}),
    ],
    ids=["gone", "deleted", "paused", "suspended"],
)
def test_nothing_goes_without_a_memory_that_says_so(memory: Manifest | None) -> None:
    """Copies outlive their memory; paused or suspended, all stay."""
    copies = scheduled(3)

    for one in copies:
        decision = decide_backup(picture_of(one, memory=memory, siblings=copies))
        assert (decision.job, decision.is_spent) == (None, False)


def test_a_copy_goes_after_what_it_stored() -> None:
    """The Job that removes comes first; the record goes when it is done, and stays when it failed."""
    copies, memory = scheduled(2), kept(keepLast=1)
    old = copies[0]
    removing = job_of(picture_of(old, memory=memory, siblings=copies))
    assert pod_of(removing)["containers"][0]["args"] == [
        "delete-backup",
        "/backups/team/default/mem/mem-0-uid-of-m.sqlite3",
    ]
    old["status"]["phase"] = "Expiring"

    under_way = decide_backup(picture_of(old, memory=memory, jobs=[removing]))
    done = decide_backup(picture_of(old, memory=memory, jobs=[with_end(removing, "Complete")]))
    failed = decide_backup(
        picture_of(old, memory=memory, jobs=[with_end(removing, "Failed", "no room")])
    )

    assert under_way.status is not None
    assert conditions_of(under_way.status)["Reconciling"] == ("True", "Expiring")
    assert done.is_spent
    assert failed.status is not None
    assert conditions_of(failed.status)["Stalled"] == ("True", "RemovalFailed")
    assert "no room" in failed.status["conditions"][0]["message"]
    assert not failed.is_spent


def test_age_wakes_its_copy() -> None:
    """A copy that is to go by its age is looked at when it is that old."""
    copies = scheduled(2)

    decision = decide_backup(picture_of(copies[0], memory=kept(keepDays=3), siblings=copies))

    assert decision.requeue_after_s == timedelta(days=2).total_seconds()


def test_names_of_jobs_fit_and_differ() -> None:
    """A Job's name has 63 characters at most; two resources of one name have two."""
    one, other = a_backup("x" * 63), a_backup("x" * 63)
    other["metadata"]["uid"] = "another"

    names = {
        job_name(backup, purpose) for backup in (one, other) for purpose in ("copy", "removal")
    }

    assert len(names) == 4
    assert max(map(len, names)) <= 63
