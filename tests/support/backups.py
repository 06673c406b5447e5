"""Copies in tests: what users, the Job controller and the kubelet do."""

import json
from dataclasses import dataclass

from soma_operator.core.kinds import (
    JOB,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SOMA_MEMORY_BACKUP,
    Manifest,
    name_of,
)
from soma_operator.core.render.metadata import MEMORY_LABEL, MEMORY_UID_LABEL, ORIGIN_LABEL
from tests.support.kube_api import Room, eventually

TARGET: Manifest = {"type": "Volume", "volume": {"claimName": "backups", "path": "team"}}

SNAPSHOT: Manifest = {"deletionPolicy": "Snapshot", "backup": {"target": TARGET}}

REPORT: Manifest = {"size_bytes": 3 * 1024 * 1024, "sha256": "ab" * 32, "commit_seq": 7}

MADE_AT = "2026-01-02T03:04:05Z"


@dataclass(frozen=True, slots=True)
class BackupRoom:
    """One namespace of one test, with words about copies."""

    room: Room

    def make(self, name: str, *, labels: dict[str, str] | None = None) -> Manifest:
        """Create a SomaMemoryBackup of the SomaMemory `mem`."""
        metadata = {"name": name, "namespace": self.room.namespace, "labels": labels or {}}
        annotations = {"memory.soma.sh/scheduled-at": MADE_AT} if labels else {}
        manifest = {
            "apiVersion": SOMA_MEMORY_BACKUP.api_version,
            "kind": SOMA_MEMORY_BACKUP.name,
            "metadata": {**metadata, "annotations": annotations},
            "spec": {"memoryRef": {"name": "mem"}, "target": TARGET},
        }
        return self.room.api.create(manifest)

    @staticmethod
    def of_schedule(memory: Manifest) -> dict[str, str]:
        """Return the labels of a copy that the schedule of a memory made."""
        uid = memory["metadata"]["uid"]
        return {MEMORY_LABEL: "mem", MEMORY_UID_LABEL: uid, ORIGIN_LABEL: "schedule"}

    def claim(self, name: str) -> None:
        """Make a claim, as a user who has a volume for copies."""
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        manifest = {
            "apiVersion": "v1",
            "kind": PERSISTENT_VOLUME_CLAIM.name,
            "metadata": {"name": name, "namespace": self.room.namespace},
            "spec": spec,
        }
        self.room.api.create(manifest)

    def uid(self, name: str) -> str:
        """Return the UID of a SomaMemoryBackup."""
        return str(self.get(name)["metadata"]["uid"])

    def get(self, name: str) -> Manifest:
        """Return a SomaMemoryBackup."""
        return self.room.api.get(SOMA_MEMORY_BACKUP, self.room.namespace, name)

    def names(self) -> list[str]:
        """Return the names of all SomaMemoryBackups."""
        return sorted(map(name_of, self.room.api.find(SOMA_MEMORY_BACKUP, self.room.namespace)))

    def jobs(self, purpose: str = "copy") -> list[Manifest]:
        """Return the Jobs of a purpose."""
        found = self.room.api.find(JOB, self.room.namespace)
        return [one for one in found if f"-{purpose}-" in name_of(one) or purpose == name_of(one)]

    def job(self, backup: str, purpose: str = "copy") -> Manifest:
        """Wait for a Job of a SomaMemoryBackup."""

        def look() -> Manifest | None:
            found = [
                one for one in self.jobs(purpose) if name_of(one).startswith(f"{backup}-{purpose}")
            ]
            return found[0] if found else None

        return eventually(look, or_say=lambda: str(self.get(backup).get("status")))

    def finish(self, job: Manifest, *, report: Manifest | None = None) -> None:
        """Play a pod that did its work, and the Job controller that saw it."""
        self._pod(job, 0, json.dumps(REPORT if report is None else report))
        done = [_condition("SuccessCriteriaMet"), _condition("Complete")]
        self._end(job, {"succeeded": 1, "completionTime": MADE_AT, "conditions": done})

    def fail(self, job: Manifest, code: int = 1, said: str = "error: no server answers") -> None:
        """Play a pod that failed, and the Job controller that gave up."""
        self._pod(job, code, said)
        failed = [_condition("FailureTarget"), _condition("Failed", "BackoffLimitExceeded")]
        self._end(job, {"failed": 1, "conditions": failed})

    def wait_phase(self, name: str, phase: str) -> Manifest:
        """Wait until a SomaMemoryBackup has a phase; return its status."""

        def look() -> Manifest | None:
            status: Manifest = self.get(name)["status"]
            return status if status.get("phase") == phase else None

        return eventually(look, or_say=lambda: str(self.get(name)["status"]))

    def wait_reason(self, name: str, reason: str) -> str:
        """Wait until Ready of a SomaMemoryBackup has a reason; return its message."""

        def look() -> Manifest | None:
            conditions: list[Manifest] = self.get(name)["status"].get("conditions", [])
            told = [one for one in conditions if (one["type"], one["reason"]) == ("Ready", reason)]
            return told[0] if told else None

        return str(eventually(look, or_say=lambda: str(self.get(name)["status"]))["message"])

    @staticmethod
    def reasons(status: Manifest) -> dict[str, tuple[str, str]]:
        """Return status and reason of each condition by its type."""
        return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}

    def _pod(self, job: Manifest, code: int, message: str) -> None:
        template = job["spec"]["template"]
        name = f"{name_of(job)[:50]}-{len(self.room.api.find(POD, self.room.namespace))}"
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": name_of(job)}
        containers = [{"name": "soma", "image": "registry.test/a"}]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.room.namespace, "labels": labels},
            "spec": {"containers": containers, "restartPolicy": "Never"},
        }
        self.room.make_pod(pod)
        ended = {
            "exitCode": code,
            "message": message,
            "reason": "Completed" if not code else "Error",
        }
        status = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [
                {
                    "name": "soma",
                    "image": "registry.test/a",
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"terminated": ended},
                }
            ],
        }
        self.room.api.patch(POD, self.room.namespace, name, {"status": status}, "/status")

    def _end(self, job: Manifest, status: Manifest) -> None:
        status = {"startTime": MADE_AT, **status}
        self.room.api.patch(JOB, self.room.namespace, name_of(job), {"status": status}, "/status")


def _condition(kind: str, reason: str = "Because") -> Manifest:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": "as it was played",
        "lastTransitionTime": MADE_AT,
        "lastProbeTime": MADE_AT,
    }
