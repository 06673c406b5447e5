"""Everything a decision about one SomaMemoryBackup looks at."""

from collections.abc import Mapping
from dataclasses import dataclass

from soma_operator.core.kinds import Manifest, is_deleting
from soma_operator.core.observed import Defaults, Observed, Seen
from soma_operator.core.pods import Finding
from soma_operator.core.published import condition
from soma_operator.core.render.metadata import MEMORY_UID_LABEL, ORIGIN_LABEL
from soma_operator.core.resolve import ResolvedMemory, resolve, resolve_for_deletion

SUCCEEDED, FAILED, EXPIRING = "Succeeded", "Failed", "Expiring"
ENDED = frozenset({SUCCEEDED, FAILED, EXPIRING})
"""Phases in which the copy is made, or never will be."""


@dataclass(frozen=True, slots=True)
class BackupPicture(Seen):
    """A picture of one SomaMemoryBackup and of all that belongs to it.

    Attributes:
        memory: The SomaMemory that it names; None: there is none.
        of_class: The SomaMemoryClass of that; None: it has none.
        siblings: SomaMemoryBackups that the operator wished for by the same SomaMemory, this one among them.
        jobs: Its Jobs.
        pods: Pods of its Jobs.
        missing: What its Job needs and what is not there.
        defaults: What the release decides.
    """

    memory: Manifest | None
    siblings: tuple[Manifest, ...]
    jobs: tuple[Manifest, ...]
    pods: tuple[Manifest, ...]
    missing: tuple[Finding, ...]
    defaults: Defaults
    of_class: Manifest | None = None

    def resolved(self, memory: Manifest) -> ResolvedMemory:
        """Return its SomaMemory with nothing left open, by itself alone.

        Raises:
            InvalidInput: It does not have the form of this version.
        """
        understand = resolve_for_deletion if is_deleting(memory) else resolve
        return understand(
            Observed(
                memory,
                children=(),
                pods=(),
                storage_classes=None,
                now=self.now,
                defaults=self.defaults,
                of_class=self.of_class,
            )
        )


def phase_of(backup: Manifest) -> str:
    """Return the phase that was published last; empty before the first look."""
    return str((backup.get("status") or {}).get("phase", ""))


def is_asleep(memory: Manifest, wish: ResolvedMemory) -> bool:
    """Return whether no server is to run, so that a copy is made of the volume itself."""
    if is_deleting(memory):
        return True
    available = condition(memory.get("status") or {}, "Available")
    is_serving = available is not None and available["status"] == "True"
    # Who pauses a memory and then lets it sleep has a server that runs on, and holds the volume.
    return wish.replicas.wished == 0 and not (wish.is_paused and is_serving)


def is_of_another(picture: BackupPicture) -> bool:
    """Return whether the memory of that name is another one than the operator wished the copy of."""
    memory = picture.memory
    return memory is not None and memory["metadata"]["uid"] != copied_uid(picture)


def copied_uid(picture: BackupPicture) -> str | None:
    """Return the UID of the memory that is copied; a person who wishes for a copy means the name."""
    named = (picture.memory or {"metadata": {}})["metadata"].get("uid")
    uid: str | None = _labels(picture.resource).get(MEMORY_UID_LABEL, named)
    return uid


def of_origin(backups: tuple[Manifest, ...], origin: str, uid: str) -> list[Manifest]:
    """Return the copies that the operator wished for by one SomaMemory, the oldest first."""
    found = [
        one
        for one in backups
        if _labels(one).get(ORIGIN_LABEL) == origin and _labels(one).get(MEMORY_UID_LABEL) == uid
    ]
    return sorted(
        found, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"])
    )


def _labels(manifest: Manifest) -> Mapping[str, str]:
    labels: Mapping[str, str] = manifest["metadata"].get("labels") or {}
    return labels
