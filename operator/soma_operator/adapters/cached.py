"""The port Cluster with a memory: what the watches and our own writes told is not asked for again.

Rule 1: an object is replaced by a newer one only; the resource version tells which one is newer.
Rule 2: what a write of ours returned is in the memory before the write returns: we read our own writes.
Rule 3: only objects that carry our label are watched; any other one that we came to know is read anew each time.
Rule 4: that the memory holds nothing is no proof: a thing is made by a request that fails where there is one.
Rule 5: a conflict means that the memory was old: the object is read anew before the conflict is told.
Rule 6: now and then everything is listed, and what is no longer there is forgotten: an event may have been lost.
Rule 7: what an event told as gone stays gone: an answer that was under way then, such as a list, does not bring it
        back. That something was not found is no such proof: the answer may have been an old one.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from soma_common.errors import AlreadyExists, Conflict, NotFound
from soma_operator.core.kinds import (
    CHILD_KINDS,
    DEPLOYMENT,
    JOB,
    OWN_KINDS,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SOMA_MEMORY,
    STORAGE_CLASS,
    Kind,
    Manifest,
    kind_of,
    name_of,
)
from soma_operator.core.observed import ObjectKey
from soma_operator.core.render.metadata import (
    INSTANCE_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    MEMORY_LABEL,
)
from soma_operator.ports import Cluster, Mark

OURS = frozenset(OWN_KINDS)
"""Kinds of which every object is watched, whoever made it."""

REMEMBERED = frozenset({*OURS, JOB, POD, *CHILD_KINDS})

GONE_KEPT = 4096
"""How many objects that are gone are known as such: many more than go while one answer is under way."""

STORAGE_CLASSES_LIVE_S = 10.0
"""How long a list of storage classes is good: it is asked for while volumes are awaited only."""


class Address(NamedTuple):
    """Names one object."""

    kind: Kind
    namespace: str | None
    name: str


class Memory:
    """Objects as they were told last."""

    def __init__(self) -> None:
        self._objects: dict[Address, Manifest] = {}
        self._of_instance: dict[tuple[Kind, str | None, str], set[Address]] = defaultdict(set)
        self._gone: dict[str, int] = {}
        """By UID, the last to go last: up to which version a state of it is from before it went."""
        self.newest = 0
        """The newest resource version that was told."""

    def __len__(self) -> int:
        """Return how many objects are remembered."""
        return len(self._objects)

    def get(self, address: Address) -> Manifest | None:
        """Return an object."""
        return self._objects.get(address)

    def find(self, kind: Kind, namespace: str | None, instance: str) -> list[Manifest]:
        """Return the objects of one SomaMemory."""
        addresses = self._of_instance.get((kind, namespace, instance), set())
        return [self._objects[address] for address in sorted(addresses, key=lambda one: one.name)]

    def put(self, manifest: Manifest) -> None:
        """Remember an object, unless a newer state of it is known, or that it is gone."""
        address = address_of(manifest)
        known = self._objects.get(address)
        if known is not None and _version(known) > _version(manifest):
            return
        if _version(manifest) <= self._gone.get(_uid(manifest), -1):
            return
        self._forget(address)
        self.newest = max(self.newest, _version(manifest))
        self._objects[address] = _slim(manifest)
        instance = _instance(manifest)
        if instance is not None:
            self._of_instance[address.kind, address.namespace, instance].add(address)

    def leave(self, manifest: Manifest) -> None:
        """Forget an object that an event says is gone, or has lost our label, unless a newer state is known.

        Args:
            manifest: Its last state; the version is that of its going.
        """
        address, version = address_of(manifest), _version(manifest)
        self._gone.pop(_uid(manifest), None)
        self._gone[_uid(manifest)] = version
        if len(self._gone) > GONE_KEPT:
            del self._gone[next(iter(self._gone))]
        known = self._objects.get(address)
        if known is not None and _version(known) <= version:
            self._forget(address)

    def miss(self, address: Address, before: int) -> None:
        """Forget an object that was asked for and is not there, unless it was told of meanwhile.

        Args:
            address: Its name.
            before: The newest version that was told before it was asked for.
        """
        known = self._objects.get(address)
        if known is not None and _version(known) <= before:
            self._forget(address)

    def replace_all(
        self, kind: Kind, namespace: str | None, listed: Iterable[Manifest], before: int
    ) -> None:
        """Take over a list; what it does not hold, and what was not told since `before`, is gone."""
        present = set()
        for one in listed:
            self.put(one)
            present.add(address_of(one))
        gone = [
            address
            for address, one in self._objects.items()
            if address.kind == kind
            and namespace in (None, address.namespace)
            and address not in present
            and _version(one) <= before
        ]
        for address in gone:
            self._forget(address)

    def all_of(self, kind: Kind) -> list[Manifest]:
        """Return every object of a kind."""
        return [one for address, one in self._objects.items() if address.kind == kind]

    def versions(self, kind: Kind = SOMA_MEMORY) -> dict[ObjectKey, str]:
        """Return the resource version of every object of a kind of ours."""
        return {
            ObjectKey(one["metadata"]["namespace"], name_of(one)): one["metadata"][
                "resourceVersion"
            ]
            for one in self.all_of(kind)
        }

    def _forget(self, address: Address) -> None:
        known = self._objects.pop(address, None)
        instance = None if known is None else _instance(known)
        if instance is not None:
            key = address.kind, address.namespace, instance
            self._of_instance[key].discard(address)
            if not self._of_instance[key]:
                del self._of_instance[key]


class CachedCluster:
    """Objects of a Kubernetes API, most of them remembered; see the port for its promises.

    A read may be older than what others wrote a moment ago, never older than what we wrote or read before.

    Args:
        cluster: The API server.
        memory: What was told so far.
        clock: Monotonic time, seconds.
    """

    def __init__(self, cluster: Cluster, memory: Memory, *, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._memory = memory
        self._clock = clock
        self._storage_classes: tuple[float, list[Manifest]] | None = None
        self._listing = asyncio.Lock()

    async def refresh(self, namespaces: Iterable[str | None]) -> None:
        """List all that is remembered, and take it over."""
        ours = {MANAGED_BY_LABEL: MANAGED_BY}
        for kind in sorted(REMEMBERED, key=lambda one: one.plural):
            for namespace in namespaces if kind.namespaced else (None,):
                before = self._memory.newest
                labels = None if kind in OURS else ours
                listed = await self._cluster.find(kind, namespace, labels)
                self._memory.replace_all(kind, namespace, listed, before)

    async def read(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Return an object."""
        if kind not in REMEMBERED:
            return await self._cluster.read(kind, namespace, name)
        known = self._memory.get(Address(kind, namespace, name))
        if known is None or kind in OURS or _instance(known) is not None:
            return known
        return await self.read_now(kind, namespace, name)

    async def read_now(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Return an object as it is now."""
        before = self._memory.newest
        found = await self._cluster.read_now(kind, namespace, name)
        if kind in REMEMBERED and found is not None:
            self._memory.put(found)
        elif kind in REMEMBERED:
            self._memory.miss(Address(kind, namespace, name), before)
        return found

    async def exists(self, kind: Kind, namespace: str, name: str) -> bool:
        """Return whether an object is there."""
        return await self._cluster.exists(kind, namespace, name)

    async def find(
        self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects that carry these labels."""
        if kind == STORAGE_CLASS:
            return await self._recent_storage_classes()
        wished = dict(labels or {})
        instance = wished.get(MEMORY_LABEL if kind in OURS else INSTANCE_LABEL)
        if kind in REMEMBERED and instance is not None:
            found = self._memory.find(kind, namespace, instance)
            return [one for one in found if wished.items() <= one["metadata"]["labels"].items()]
        return await self._cluster.find(kind, namespace, labels)

    async def serves(self, kind: Kind) -> bool:
        """Return whether the cluster knows the kind."""
        return await self._cluster.serves(kind)

    async def apply(self, manifest: Manifest) -> Manifest:
        """Make an object as the manifest says."""
        async with self._conflicts_seen(manifest):
            return self._remembered(await self._cluster.apply(manifest))

    async def make(self, manifest: Manifest) -> Manifest:
        """Make a new object as the manifest says."""
        async with self._conflicts_seen(manifest):
            return self._remembered(await self._cluster.make(manifest))

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Make the status of an object as the manifest says."""
        async with self._conflicts_seen(manifest):
            return self._remembered(await self._cluster.apply_status(manifest))

    async def drop_conditions(self, live: Manifest, types: frozenset[str]) -> Manifest:
        """Remove conditions from the status."""
        async with self._conflicts_seen(live):
            return self._remembered(await self._cluster.drop_conditions(live, types))

    async def set_mark(self, live: Manifest, field: Mark, items: list[Any]) -> Manifest:
        """Make a list of the metadata as given."""
        async with self._conflicts_seen(live):
            return self._remembered(await self._cluster.set_mark(live, field, items))

    async def create(self, manifest: Manifest) -> Manifest:
        """Make a new object."""
        return self._remembered(await self._cluster.create(manifest))

    async def replace(self, manifest: Manifest) -> Manifest:
        """Overwrite an object."""
        async with self._conflicts_seen(manifest):
            return self._remembered(await self._cluster.replace(manifest))

    async def delete(self, live: Manifest) -> None:
        """Delete an object."""
        async with self._conflicts_seen(live):
            await self._cluster.delete(live)
            address = address_of(live)
            if address.kind in REMEMBERED:
                # It may wait for finalizers: what is left of it is read, not guessed.
                await self.read_now(*address)

    async def _recent_storage_classes(self) -> list[Manifest]:
        # After a start many ask at once: one of them lists, the others wait for it.
        async with self._listing:
            known = self._storage_classes
            if known is None or self._clock() > known[0] + STORAGE_CLASSES_LIVE_S:
                known = self._clock(), await self._cluster.find(STORAGE_CLASS)
                self._storage_classes = known
            return known[1]

    @asynccontextmanager
    async def _conflicts_seen(self, manifest: Manifest) -> AsyncIterator[None]:
        try:
            yield
        except (AlreadyExists, Conflict, NotFound):
            await self.read_now(*address_of(manifest))
            raise

    def _remembered(self, manifest: Manifest) -> Manifest:
        if kind_of(manifest) in REMEMBERED:
            self._memory.put(manifest)
        return manifest


def address_of(manifest: Manifest) -> Address:
    """Return what names an object."""
    return Address(kind_of(manifest), manifest["metadata"].get("namespace"), name_of(manifest))


def _instance(manifest: Manifest) -> str | None:
    """Return whose object it is, if it carries our label and so is watched."""
    labels: Mapping[str, str] = manifest["metadata"].get("labels") or {}
    if kind_of(manifest) in OURS:
        return labels.get(MEMORY_LABEL)
    return labels.get(INSTANCE_LABEL) if labels.get(MANAGED_BY_LABEL) == MANAGED_BY else None


def _version(manifest: Manifest) -> int:
    """Return the resource version as a number that grows, as Kubernetes promises for what it stores."""
    return int(manifest["metadata"].get("resourceVersion") or 0)


def _uid(manifest: Manifest) -> str:
    """Return what tells an object from an earlier one of its name."""
    uid: str = manifest["metadata"]["uid"]
    return uid


def _slim(manifest: Manifest) -> Manifest:
    """Return an object without who owns which field.

    Of Deployments it tells who scales them, of claims whether their storage class was named.
    """
    if kind_of(manifest) in (DEPLOYMENT, PERSISTENT_VOLUME_CLAIM):
        return manifest
    metadata: dict[str, Any] = {
        key: value for key, value in manifest["metadata"].items() if key != "managedFields"
    }
    return {**manifest, "metadata": metadata}
