"""What a new memory begins with: the Job that fills its storage before the first server starts."""

from dataclasses import dataclass

from soma_operator.core.backup.picture import SUCCEEDED, phase_of
from soma_operator.core.backup.tasks import place_of
from soma_operator.core.jobs import exit_codes, has_failed, pods_of, why_failed
from soma_operator.core.kinds import Manifest, name_of
from soma_operator.core.observed import Observed
from soma_operator.core.pods import RESTORING, Finding, diagnose, shortened
from soma_operator.core.render.environment import DATA_DIR
from soma_operator.core.render.job import Task, job
from soma_operator.core.render.metadata import RESTORE_APP, owner_reference, task_labels
from soma_operator.core.render.place import Place, place
from soma_operator.core.resolve import SOURCE_ANNOTATION, ResolvedMemory, restore_job_name

NOT_EMPTY, NO_COPY, MISUSED = 5, 3, 2
"""Exit codes of `soma restore` after which another attempt makes no sense."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A copy to begin with."""

    place: Place
    sha256: str | None


def restoring_job(memory: ResolvedMemory, observed: Observed) -> Manifest | None:
    """Return the Job that is to be made; None: it is there, or nothing is to be restored, or not yet."""
    if not memory.is_restoring or observed.restore.job is not None:
        return None
    source = _source(memory, observed)
    return None if isinstance(source, Finding) else _job(memory, source)


def restore_problem(memory: ResolvedMemory, observed: Observed) -> Finding | None:
    """Return why the storage does not hold yet what it is to begin with; None: it does, or begins empty."""
    if not memory.is_restoring:
        return None
    made = observed.restore.job
    if made is None:
        source = _source(memory, observed)
        if isinstance(source, Finding):
            return source
        return Finding(RESTORING, f"{source.place.shown} is being restored", is_patient=True)
    if not has_failed(made):
        problem = diagnose(pods_of(made, observed.restore.pods))
        text = f"{made['metadata']['annotations'][SOURCE_ANNOTATION]} is being restored"
        return problem or Finding(RESTORING, text, is_patient=True)
    return _failed(memory, made, observed.restore.pods)


def _failed(memory: ResolvedMemory, made: Manifest, pods: tuple[Manifest, ...]) -> Finding:
    cause = shortened(why_failed(made, pods))
    again = f"delete the Job {name_of(made)} for another try"
    if NOT_EMPTY in exit_codes(made, pods):
        text = (
            f"the claim {memory.names.claim} holds memories already, and a copy is restored into an empty one only: "
            "create a SomaMemory of another name, or one without spec.bootstrap to go on with them"
        )
        return Finding("StorageNotEmpty", text, is_final=True)
    return Finding(
        "RestoreFailed",
        f"the storage was not restored: {cause}; mend that, then {again}",
        is_final=True,
    )


def _source(memory: ResolvedMemory, observed: Observed) -> _Source | Finding:
    wish = memory.spec.bootstrap
    if wish.location is not None:
        there = place(wish.location.target, wish.location.name, is_read_only=True)
        return _Source(there, wish.location.sha256)
    copy = observed.restore.source
    if copy is None:
        text = (
            f"there is no SomaMemoryBackup {wish.backup_name} in this namespace: create it, or create the SomaMemory "
            "anew with spec.bootstrap.location"
        )
        return Finding("BackupNotFound", text)
    if phase_of(copy) != SUCCEEDED:
        text = f"the SomaMemoryBackup {wish.backup_name} is no verified copy: its own conditions say why"
        return Finding("BackupNotReady", text)
    return _Source(place_of(copy, is_read_only=True), copy["status"]["sha256"])


def _job(memory: ResolvedMemory, source: _Source) -> Manifest:
    there = source.place
    digest = () if source.sha256 is None else ("--sha256", source.sha256)
    task = Task(
        image=memory.image.full,
        arguments=("restore", there.argument, "--data", DATA_DIR, "--once", there.shown, *digest),
        environment=there.environment,
        volumes=(
            *there.volumes,
            {"name": "data", "persistentVolumeClaim": {"claimName": memory.names.claim}},
        ),
        mounts=(*there.mounts, {"name": "data", "mountPath": DATA_DIR}),
        deadline_s=memory.spec.backup.deadline_seconds,
        final_codes=(MISUSED, NO_COPY, NOT_EMPTY),
    )
    name = restore_job_name(memory.name, memory.uid)
    labels = task_labels(RESTORE_APP, memory.name, memory.name)
    made = job(name, task, memory, labels, owner_reference(memory))
    made["metadata"]["annotations"] = {SOURCE_ANNOTATION: there.shown}
    return made
