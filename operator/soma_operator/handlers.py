"""kopf as informer: watch events become remembered objects and keys in the queue. No decisions here.

Only `on.event`: such handlers write nothing to the resource, need no finalizer and keep no state (pitfalls 3-9, 14-17
of kopf operators, numbered in ADR 101). Retry, resync and status belong to others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf

from soma_operator.adapters.access import Access
from soma_operator.adapters.cached import Memory
from soma_operator.core.inherit import class_name_of
from soma_operator.core.kinds import (
    CHILD_KINDS,
    JOB,
    POD,
    SOMA_MEMORY,
    SOMA_MEMORY_BACKUP,
    SOMA_MEMORY_CLASS,
    Kind,
    Manifest,
)
from soma_operator.core.observed import ObjectKey
from soma_operator.core.render.metadata import (
    BACKUP_APP,
    INSTANCE_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NAME_LABEL,
)
from soma_operator.queue import WorkQueue

WATCHED_CHILDREN = (*CHILD_KINDS, JOB, POD)

TOKEN_LIFE_S = 600.0
"""kopf keeps a token until it is refused; it is given a fresh one this often (pitfall 18)."""

_WATCHER_PREFIX = "watcher for "
"""Beginning of the names of kopf's watching tasks."""


@dataclass(slots=True)
class Informers:
    """Watches of SomaMemories, SomaMemoryBackups and of what belongs to them.

    Attributes:
        queue: SomaMemories to look at.
        backups: SomaMemoryBackups to look at.
        memory: Where the objects are remembered.
        seen: Resource version of each SomaMemory, as the watch told it last.
    """

    queue: WorkQueue
    backups: WorkQueue
    memory: Memory
    access: Access
    namespaces: tuple[str, ...]
    now: Callable[[], datetime]
    seen: dict[ObjectKey, str] = field(default_factory=dict)
    _started: asyncio.Event = field(default_factory=asyncio.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: Collection[asyncio.Task[Any]] = ()

    async def spawn(self) -> None:
        """Start the watches; `run` must follow."""
        self._tasks = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=_settings(),
            standalone=True,
            clusterwide=not self.namespaces,
            namespaces=self.namespaces,
            ready_flag=self._started,
            stop_flag=self._stop,
        )

    async def run(self, ignored: Collection[asyncio.Task[Any]]) -> None:
        """Watch until stopped.

        Args:
            ignored: Tasks that are not kopf's: at its end it cancels every other task of the loop.
        """
        await kopf.run_tasks(self._tasks, ignored=frozenset(ignored))

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()

    def problem(self) -> str | None:
        """Return which watches are dead: a process that watches nothing must not look alive (pitfall 1)."""
        if not self._started.is_set():
            return None
        alive = {
            task.get_name()
            for task in asyncio.all_tasks()
            if task.get_name().startswith(_WATCHER_PREFIX) and not task.done()
        }
        # Classes belong to no namespace: they are watched once.
        wished = (2 + len(WATCHED_CHILDREN)) * max(len(self.namespaces), 1) + 1
        return None if len(alive) >= wished else f"{len(alive)} of {wished} watches are alive"

    @property
    def is_started(self) -> bool:
        """Whether the watches were started."""
        return self._started.is_set()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login)
        kopf.on.event(*_address(SOMA_MEMORY), registry=registry)(self._resource_changed)
        kopf.on.event(*_address(SOMA_MEMORY_BACKUP), registry=registry)(self._backup_changed)
        kopf.on.event(*_address(SOMA_MEMORY_CLASS), registry=registry)(self._class_changed)
        for kind in WATCHED_CHILDREN:
            watch = kopf.on.event(*_address(kind), registry=registry, id=f"{kind.plural}_changed")
            watch(self._told_of(kind))
        return registry

    async def _login(self, **_: Any) -> kopf.ConnectionInfo:
        access = self.access
        return kopf.ConnectionInfo(
            server=access.server,
            ca_data=access.authorities,
            insecure=access.is_insecure,
            token=access.bearer(),
            certificate_data=access.certificate,
            private_key_data=access.private_key,
            expiration=(
                self.now().astimezone(UTC) + timedelta(seconds=TOKEN_LIFE_S)
                if access.token_file
                else None
            ),
        )

    async def _resource_changed(
        self,
        *,
        event: kopf.RawEvent,
        type: str | None,
        name: str,
        namespace: str | None,
        meta: kopf.Meta,
        **_: Any,
    ) -> None:
        assert namespace is not None, "the kind is namespaced"
        key = ObjectKey(namespace, name)
        self._remember(SOMA_MEMORY, event)
        if type == "DELETED":
            self.seen.pop(key, None)
        else:
            self.seen[key] = meta["resourceVersion"]
        self.queue.add(key, generation=meta.get("generation"))
        self._wake_backups_of(key)

    async def _backup_changed(
        self,
        *,
        event: kopf.RawEvent,
        name: str,
        namespace: str | None,
        spec: kopf.Spec,
        meta: kopf.Meta,
        **_: Any,
    ) -> None:
        assert namespace is not None, "the kind is namespaced"
        self._remember(SOMA_MEMORY_BACKUP, event)
        self.backups.add(ObjectKey(namespace, name), generation=meta.get("generation"))
        copied = ObjectKey(namespace, spec["memoryRef"]["name"])
        self.queue.add(copied)
        self._wake_backups_of(copied)

    async def _class_changed(self, *, event: kopf.RawEvent, name: str, **_: Any) -> None:
        self._remember(SOMA_MEMORY_CLASS, event)
        for resource in self.memory.all_of(SOMA_MEMORY):
            if class_name_of(resource) == name:
                metadata = resource["metadata"]
                self.queue.add(ObjectKey(metadata["namespace"], metadata["name"]))

    def _wake_backups_of(self, key: ObjectKey) -> None:
        """Look again at the copies that a memory wished for: a newer one, or another wish, may end an older one."""
        for copy in self.memory.find(SOMA_MEMORY_BACKUP, key.namespace, key.name):
            self.backups.add(ObjectKey(key.namespace, copy["metadata"]["name"]))

    def _told_of(self, kind: Kind) -> Callable[..., Awaitable[None]]:
        async def child_changed(
            *, event: kopf.RawEvent, namespace: str | None, labels: kopf.Labels, **_: Any
        ) -> None:
            self._remember(kind, event)
            instance = labels.get(INSTANCE_LABEL)
            if namespace and instance:
                is_of_backup = labels.get(NAME_LABEL) == BACKUP_APP
                queue = self.backups if is_of_backup else self.queue
                queue.add(ObjectKey(namespace, instance))

        return child_changed

    def _remember(self, kind: Kind, event: kopf.RawEvent) -> None:
        # Items of a list do not say what they are.
        told: Manifest = {"apiVersion": kind.api_version, "kind": kind.name, **event["object"]}
        if event["type"] == "DELETED":
            self.memory.leave(told)
        else:
            self.memory.put(told)


def _address(kind: Kind) -> tuple[str, str, str]:
    return kind.group, kind.version, kind.plural


def _settings() -> kopf.OperatorSettings:
    """Every setting of kopf that matters to us, in this one place."""
    settings = kopf.OperatorSettings()
    # Which kinds there are is known: the CRD is waited for before, and watching CRDs and namespaces takes more rights.
    settings.scanning.disabled = True
    settings.posting.enabled = False  # We tell Events ourselves, on transitions only (pitfall 23).
    settings.posting.loggers = False
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 5
    # Bookmarks come every minute: a longer silence is a dead connection (pitfall 2).
    settings.watching.inactivity_timeout = 70
    settings.watching.chunk_size = 500
    # Filtered by the API server: no pod of the cluster but ours ever reaches our memory (pitfall 12).
    for kind in WATCHED_CHILDREN:
        settings.watching.label_selectors[_address(kind)] = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = (1, 1, 2, 3, 5, 8, 13)
    settings.networking.trust_env = False
    # Handlers only add a key; a limit could stand still (pitfall 13).
    settings.queueing.worker_limit = None
    settings.process.ultimate_exiting_timeout = 25  # Below the pod's grace period of 30.
    return settings
