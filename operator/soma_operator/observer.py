"""Reads everything that a decision about one SomaMemory looks at."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from soma_common.errors import PermissionRefused
from soma_operator.core.inherit import class_name_of
from soma_operator.core.kinds import (
    CERTIFICATE,
    CHILD_KINDS,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    JOB,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_MONITOR,
    SCALED_OBJECT,
    SECRET,
    SERVICE,
    SOMA_MEMORY,
    SOMA_MEMORY_BACKUP,
    SOMA_MEMORY_CLASS,
    STORAGE_CLASS,
    Kind,
    Manifest,
    kind_of,
    name_of,
)
from soma_operator.core.observed import Defaults, ObjectKey, Observed, Restore
from soma_operator.core.render.metadata import (
    INSTANCE_LABEL,
    MEMORY_LABEL,
    MEMORY_UID_LABEL,
    NAME_LABEL,
    RESTORE_APP,
    selector_of,
)
from soma_operator.core.resolve import Names, restore_job_name, secret_names
from soma_operator.ports import Cluster


@dataclass(frozen=True, slots=True)
class _Optional:
    """Live children of optional kinds, and the kinds that the cluster does not know."""

    children: tuple[Manifest, ...]
    unserved: frozenset[Kind]


def _is_monitored(spec: Manifest) -> bool:
    return bool(spec.get("monitoring", {}).get("podMonitor", {}).get("enabled"))


def _is_scaled_by_keda(spec: Manifest) -> bool:
    return bool(spec.get("autoscaling", {}).get("type") == "KEDA")


def _is_issued(spec: Manifest) -> bool:
    return bool(spec.get("tls", {}).get("certManager"))


_TOLD_BY: Mapping[Kind, tuple[str, Callable[[Manifest], bool]]] = {
    CERTIFICATE: ("CertificateReady", _is_issued),
    POD_MONITOR: ("Monitored", _is_monitored),
    SCALED_OBJECT: ("Autoscaled", _is_scaled_by_keda),
}
"""Of each optional kind the condition that tells of it, and whether a spec wishes for it."""


async def class_of(cluster: Cluster, resource: Manifest) -> Manifest | None:
    """Return the SomaMemoryClass that a SomaMemory names; None: it names none, or there is none of that name.

    Raises:
        SomaError: The API server did not do its part.
    """
    name = class_name_of(resource)
    if name is None:
        return None
    # Both may be applied at once: that the watch has not told of the class is no proof that there is none.
    return await cluster.read(SOMA_MEMORY_CLASS, None, name) or await cluster.read_now(
        SOMA_MEMORY_CLASS, None, name
    )


class Observer:
    """Takes pictures of SomaMemories.

    Args:
        cluster: The objects.
        defaults: What the release decides.
        now: Wall time.
    """

    def __init__(
        self, cluster: Cluster, *, defaults: Defaults, now: Callable[[], datetime]
    ) -> None:
        self._cluster = cluster
        self._defaults = defaults
        self._now = now

    async def observe(self, key: ObjectKey) -> Observed | None:
        """Return what there is; None when there is no such resource.

        Raises:
            SomaError: The API server did not do its part.
        """
        resource = await self._cluster.read(SOMA_MEMORY, key.namespace, key.name)
        return None if resource is None else await self.look_around(resource)

    async def look_around(self, resource: Manifest) -> Observed:
        """Return a picture of a resource as it is given, with what there is of its children.

        Raises:
            SomaError: The API server did not do its part.
        """
        key = ObjectKey(resource["metadata"]["namespace"], name_of(resource))
        names = Names(key.name)
        reads = [
            self._cluster.read(kind, key.namespace, name)
            for kind in CHILD_KINDS
            if kind not in (CONTROLLER_REVISION, PERSISTENT_VOLUME_CLAIM)
            for name in _child_names(kind, names)
        ]
        labels = selector_of(key.name)
        of_class = await class_of(self._cluster, resource)
        pods, revisions, optional, missing, claim, copies, restore, *children = (
            await asyncio.gather(
                self._cluster.find(POD, key.namespace, labels),
                self._cluster.find(CONTROLLER_REVISION, key.namespace, labels),
                self._optional(resource, of_class, key),
                self._missing_secrets(resource, of_class, key),
                self._claim(resource, key),
                self._copies(resource, key),
                self._restore(resource, key),
                *reads,
            )
        )
        assert isinstance(pods, list)
        assert isinstance(revisions, list)
        assert isinstance(optional, _Optional)
        assert isinstance(missing, frozenset)
        assert isinstance(copies, tuple)
        assert isinstance(restore, Restore)
        children.append(claim)
        live = (*(one for one in children if isinstance(one, dict)), *revisions, *optional.children)
        return Observed(
            resource=resource,
            children=live,
            pods=tuple(pods),
            storage_classes=await self._storage_classes(live),
            now=self._now(),
            defaults=self._defaults,
            unserved=optional.unserved,
            missing_secrets=missing,
            copies=copies,
            restore=restore,
            of_class=of_class,
        )

    async def _copies(self, resource: Manifest, key: ObjectKey) -> tuple[Manifest, ...]:
        """Look at the copies that the operator wished for, where some are or were wished for."""
        spec, status = resource.get("spec") or {}, resource.get("status") or {}
        if "backup" not in spec and "backup" not in status:
            return ()
        mine = {MEMORY_LABEL: key.name, MEMORY_UID_LABEL: resource["metadata"]["uid"]}
        return tuple(await self._cluster.find(SOMA_MEMORY_BACKUP, key.namespace, mine))

    async def _restore(self, resource: Manifest, key: ObjectKey) -> Restore:
        """Look at what fills the storage of a new memory, until it is filled."""
        wish = (resource.get("spec") or {}).get("bootstrap", {})
        storage = (resource.get("status") or {}).get("storage", {})
        if wish.get("type", "Empty") == "Empty" or "restoredFrom" in storage:
            return Restore()
        job = restore_job_name(key.name, resource["metadata"]["uid"])
        labels = {NAME_LABEL: RESTORE_APP, INSTANCE_LABEL: key.name}
        source = str(wish.get("backupName"))
        return Restore(
            job=await self._cluster.read(JOB, key.namespace, job),
            pods=tuple(await self._cluster.find(POD, key.namespace, labels)),
            source=await self._cluster.read(SOMA_MEMORY_BACKUP, key.namespace, source),
        )

    async def _claim(self, resource: Manifest, key: ObjectKey) -> Manifest | None:
        """Look at the claim: a retained one is not watched, so that after a start only the status knows of it."""
        name = Names(key.name).claim
        known = await self._cluster.read(PERSISTENT_VOLUME_CLAIM, key.namespace, name)
        told = resource.get("status", {}).get("storage", {}).get("claimName")
        if known is None and told == name:
            return await self._cluster.read_now(PERSISTENT_VOLUME_CLAIM, key.namespace, name)
        return known

    async def _missing_secrets(
        self, resource: Manifest, of_class: Manifest | None, key: ObjectKey
    ) -> frozenset[str]:
        names = sorted(secret_names(resource, of_class))
        there = await asyncio.gather(
            *(self._cluster.exists(SECRET, key.namespace, name) for name in names)
        )
        return frozenset(name for name, is_there in zip(names, there, strict=True) if not is_there)

    async def _optional(
        self, resource: Manifest, of_class: Manifest | None, key: ObjectKey
    ) -> "_Optional":
        """Look at children of kinds that the cluster may not know, where they are or were wished for."""
        told = {one["type"] for one in (resource.get("status") or {}).get("conditions", [])}
        said = [one.get("spec") or {} for one in (resource, of_class) if one is not None]
        children, unserved = [], set()
        for kind, (condition, is_wished) in _TOLD_BY.items():
            if condition not in told and not any(map(is_wished, said)):
                continue
            if not await self._cluster.serves(kind):
                unserved.add(kind)
                continue
            children.append(await self._cluster.read(kind, key.namespace, key.name))
        return _Optional(tuple(one for one in children if one), frozenset(unserved))

    async def _storage_classes(self, children: tuple[Manifest, ...]) -> tuple[Manifest, ...] | None:
        claims = [child for child in children if kind_of(child) == PERSISTENT_VOLUME_CLAIM]
        if claims and all(claim.get("status", {}).get("phase") == "Bound" for claim in claims):
            return None
        try:
            return tuple(await self._cluster.find(STORAGE_CLASS))
        except PermissionRefused:
            return (
                None  # Serving single namespaces only: the diagnosis is poorer, the work the same.
            )


def _child_names(kind: Kind, names: Names) -> tuple[str, ...]:
    if kind == SERVICE:
        return (names.resource, names.pods_service)
    return (names.config_map if kind == CONFIG_MAP else names.resource,)
