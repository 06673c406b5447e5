"""The loop around the decisions about SomaMemoryBackups: observe, decide, make Jobs, publish."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from soma_common.errors import InvalidInput
from soma_operator.api.v1alpha1 import SomaMemoryBackupSpec
from soma_operator.controller import FORBIDDEN_RETRY_S, Run
from soma_operator.core.backup.decide import BackupDecision, decide_backup
from soma_operator.core.backup.outcome import BACKUP_CONDITION_TYPES, waiting_status
from soma_operator.core.backup.picture import (
    ENDED,
    BackupPicture,
    is_asleep,
    phase_of,
)
from soma_operator.core.backup.tasks import secrets_of
from soma_operator.core.events import Reporter, transitions
from soma_operator.core.kinds import (
    JOB,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    SOMA_MEMORY,
    SOMA_MEMORY_BACKUP,
    Kind,
    Manifest,
)
from soma_operator.core.observed import Defaults, ObjectKey
from soma_operator.core.plan import Apply, Refusal
from soma_operator.core.pods import Finding
from soma_operator.core.published import Status, is_published
from soma_operator.core.render.metadata import BACKUP_APP, INSTANCE_LABEL, MEMORY_LABEL, NAME_LABEL
from soma_operator.observer import class_of
from soma_operator.ports import Cluster
from soma_operator.writer import Writer


class BackupController:
    """Reconciles SomaMemoryBackups.

    Args:
        cluster: The objects.
        defaults: What the release decides.
        reporter: Who tells Events.
        now: Wall time.
        may_write: Whether this process is the leader, asked before each write.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        defaults: Defaults,
        reporter: Reporter,
        now: Callable[[], datetime],
        may_write: Callable[[], bool],
    ) -> None:
        self._cluster = cluster
        self._defaults = defaults
        self._now = now
        self._writer = Writer(
            cluster, BACKUP_CONDITION_TYPES, reporter=reporter, may_write=may_write
        )

    async def reconcile(self, key: ObjectKey) -> Run:
        """Bring one copy from a wish to its end; may be repeated and cancelled any time.

        Raises:
            SomaError: The API server did not do its part; to be tried again.
        """
        resource = await self._cluster.read(SOMA_MEMORY_BACKUP, key.namespace, key.name)
        if resource is None:
            return Run("gone")
        picture = await self._look_around(resource, key)
        decision = decide_backup(picture)
        spent = resource if decision.is_spent else decision.spent_job
        if spent is not None:
            await self._writer.delete(spent, key, why="Spent")
            return Run("changed")
        return await self._carry_out(decision, picture)

    async def _carry_out(self, decision: BackupDecision, picture: BackupPicture) -> Run:
        status, wait_s = decision.status, decision.requeue_after_s
        if decision.job is not None:
            made = await self._writer.apply(Apply(decision.job, "Missing"), picture.key)
            if isinstance(made, Refusal):
                status, wait_s = waiting_status(picture, _refused(made)), FORBIDDEN_RETRY_S
        is_told = status is None or await self._tell(status, picture)
        return Run("unchanged" if is_told and decision.job is None else "changed", wait_s)

    async def _tell(self, status: Status, picture: BackupPicture) -> bool:
        """Publish a status; return whether it was published before."""
        if is_published(status, picture, BACKUP_CONDITION_TYPES):
            return True
        await self._writer.publish(status, transitions(status, picture), picture)
        return False

    async def _look_around(self, resource: Manifest, key: ObjectKey) -> BackupPicture:
        of_it = {NAME_LABEL: BACKUP_APP, INSTANCE_LABEL: key.name}
        name: str = resource["spec"]["memoryRef"]["name"]
        memory, siblings, jobs, pods = await asyncio.gather(
            self._cluster.read(SOMA_MEMORY, key.namespace, name),
            self._cluster.find(SOMA_MEMORY_BACKUP, key.namespace, {MEMORY_LABEL: name}),
            self._cluster.find(JOB, key.namespace, of_it),
            self._cluster.find(POD, key.namespace, of_it),
        )
        picture = BackupPicture(
            resource=resource,
            memory=memory,
            siblings=tuple(siblings),
            jobs=tuple(jobs),
            pods=tuple(pods),
            missing=(),
            now=self._now(),
            defaults=self._defaults,
            of_class=None if memory is None else await class_of(self._cluster, memory),
        )
        if jobs or memory is None or phase_of(resource) in ENDED:
            return picture
        return await self._with_missing(picture, memory)

    async def _with_missing(self, picture: BackupPicture, memory: Manifest) -> BackupPicture:
        """Look for what the Job would mount: a pod whose parts are missing hangs, and says nothing."""
        try:
            spec = SomaMemoryBackupSpec.model_validate(picture.resource["spec"])
            wish = picture.resolved(memory)
        except (ValidationError, InvalidInput):
            return picture  # What is wrong with it is told by the decision.
        wished = [
            (SECRET, name)
            for name in sorted(secrets_of(picture.resource, wish, offline=is_asleep(memory, wish)))
        ]
        if spec.target.volume is not None:
            wished.append((PERSISTENT_VOLUME_CLAIM, spec.target.volume.claim_name))
        there = await asyncio.gather(
            *(self._cluster.exists(kind, picture.key.namespace, name) for kind, name in wished)
        )
        missing = [what for what, is_there in zip(wished, there, strict=True) if not is_there]
        return replace(picture, missing=tuple(_not_found(kind, name) for kind, name in missing))


def _not_found(kind: Kind, name: str) -> Finding:
    if kind == SECRET:
        return Finding(
            "SecretNotFound", f"the Secret {name} does not exist in this namespace: create it"
        )
    text = f"the PersistentVolumeClaim {name} does not exist in this namespace: create it, or make another backup"
    return Finding("ClaimNotFound", text)


def _refused(refusal: Refusal) -> Finding:
    reason = "Forbidden" if refusal.is_forbidden else "Refused"
    return Finding(reason, f"the Job that makes the copy may not be made: {refusal.message}")
