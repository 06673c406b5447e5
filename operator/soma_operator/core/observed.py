"""Everything a reconcile looks at, read before it decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from soma_operator.core.kinds import Kind, Manifest, kind_of, name_of


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """Names one resource of ours."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture of a resource of ours, whatever its kind.

    Attributes:
        resource: The resource as stored.
        now: When the picture was taken.
    """

    resource: Manifest
    now: datetime

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata."""
        metadata: Mapping[str, Any] = self.resource["metadata"]
        return metadata

    @property
    def key(self) -> ObjectKey:
        """Its key."""
        return ObjectKey(self.metadata["namespace"], self.metadata["name"])

    @property
    def status(self) -> Mapping[str, Any]:
        """Its status as published last."""
        status: Mapping[str, Any] = self.resource.get("status") or {}
        return status


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the installed release decides for resources that do not say it themselves."""

    server_image: str
    server_pull_policy: str
    operator_version: str


@dataclass(frozen=True, slots=True)
class Restore:
    """What there is of a restore into a new memory.

    Attributes:
        job: The Job that restores.
        pods: Its pods.
        source: The SomaMemoryBackup that is restored from.
    """

    job: Manifest | None = None
    pods: tuple[Manifest, ...] = ()
    source: Manifest | None = None


@dataclass(frozen=True, slots=True)
class Observed(Seen):
    """A picture of one SomaMemory and of all that belongs to it.

    Attributes:
        children: Live objects that have the name of a child, whoever made them; the order carries no meaning.
        pods: Pods that carry the labels of this SomaMemory.
        storage_classes: All storage classes. None: not read, because nothing waits for a volume or because
            the operator may not read them.
        unserved: Kinds of wished children that this cluster does not know.
        missing_secrets: Names of Secrets that the resource speaks of and that are not there.
        copies: SomaMemoryBackups that the operator wished for by this resource.
        restore: What fills the storage before the first server starts.
        of_class: The SomaMemoryClass that the resource names. None: it names none, or there is none of that name.
        defaults: What the release decides.
    """

    children: tuple[Manifest, ...]
    pods: tuple[Manifest, ...]
    storage_classes: tuple[Manifest, ...] | None
    defaults: Defaults
    unserved: frozenset[Kind] = frozenset()
    missing_secrets: frozenset[str] = frozenset()
    copies: tuple[Manifest, ...] = ()
    restore: Restore = Restore()
    of_class: Manifest | None = None

    def condition(self, kind: str) -> Mapping[str, Any] | None:
        """Return a condition of the status as published last."""
        conditions: list[Mapping[str, Any]] = self.status.get("conditions", [])
        return next((one for one in conditions if one["type"] == kind), None)

    @property
    def is_new_generation(self) -> bool:
        """Whether the published status speaks of an earlier spec."""
        return bool(self.status.get("observedGeneration") != self.metadata["generation"])

    def child(self, kind: Kind, name: str) -> Manifest | None:
        """Return the live object of this kind and name."""
        return find(self.children, kind, name)


def find(objects: tuple[Manifest, ...], kind: Kind, name: str) -> Manifest | None:
    """Return the object of this kind and name, if it is there."""
    return next((one for one in objects if kind_of(one) == kind and name_of(one) == name), None)
