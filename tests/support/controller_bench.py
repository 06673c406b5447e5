"""A controller on an API server in memory."""

from datetime import timedelta
from typing import Any

from soma_operator.adapters.in_memory import InMemoryCluster
from soma_operator.backup_controller import BackupController
from soma_operator.controller import Controller
from soma_operator.core.events import Reporter
from soma_operator.core.kinds import CHILD_KINDS, OPTIONAL_KINDS, SOMA_MEMORY, Kind, Manifest
from soma_operator.core.observed import ObjectKey
from soma_operator.core.published import format_time
from soma_operator.core.render.metadata import APPLIED_HASH_ANNOTATION
from soma_operator.core.revision import REVISION_ANNOTATION
from tests.support.somamemories import DEFAULTS, NOW, conditions_of

KEY = ObjectKey("default", "mem")


class Bench:
    """A controller and the world it works on."""

    def __init__(self) -> None:
        self.cluster = InMemoryCluster()
        self.is_leader = True
        self.later = timedelta()
        parts: dict[str, Any] = {
            "defaults": DEFAULTS,
            "reporter": Reporter("memory.soma.sh/soma-operator", "test"),
            "now": lambda: NOW + self.later,
            "may_write": lambda: self.is_leader,
        }
        self.controller = Controller(self.cluster, **parts)
        self.backups = BackupController(self.cluster, **parts)

    async def make(self, **spec: Any) -> None:
        made = format_time(NOW)
        metadata = {"name": KEY.name, "namespace": KEY.namespace, "creationTimestamp": made}
        manifest = {"apiVersion": SOMA_MEMORY.api_version, "kind": SOMA_MEMORY.name}
        await self.cluster.create(
            {**manifest, "metadata": metadata, "spec": {"replicas": 1, **spec}}
        )

    async def settle(self) -> None:
        """Reconcile until nothing is left to do that needs nobody else."""
        while (await self.controller.reconcile(KEY)).result == "changed":
            pass

    async def secret(self, name: str) -> None:
        metadata = {"name": name, "namespace": KEY.namespace}
        await self.cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})

    async def conditions(self) -> dict[str, tuple[str, str]]:
        resource = await self.cluster.read(SOMA_MEMORY, KEY.namespace, KEY.name)
        assert resource is not None
        return conditions_of(resource["status"])

    async def world(self) -> list[Manifest]:
        """Everything that matters of all objects."""
        kinds = (*CHILD_KINDS, SOMA_MEMORY)
        found = [one for kind in kinds for one in await self.cluster.find(kind)]
        return [{**one, "metadata": one["metadata"]["name"]} for one in found]

    async def edit(self, spec: Manifest) -> None:
        stored = await self.cluster.read(SOMA_MEMORY, KEY.namespace, KEY.name)
        assert stored is not None
        await self.cluster.replace({**stored, "spec": {"replicas": 1, **spec}})

    async def children(self) -> dict[str, Manifest]:
        """The children without what differs between two objects of the same content."""
        kinds = (*CHILD_KINDS, *OPTIONAL_KINDS)
        found = [one for kind in kinds for one in await self.cluster.find(kind)]
        for child in found:
            metadata = child["metadata"]
            for field in ("uid", "resourceVersion", "generation"):
                metadata.pop(field, None)
            for hashed in (APPLIED_HASH_ANNOTATION, REVISION_ANNOTATION):
                metadata.get("annotations", {}).pop(hashed, None)
            for owner in metadata.get("ownerReferences", []):
                del owner["uid"]
            # Items of a shared list are told apart by their keys: their order carries no meaning.
            child.get("spec", {}).get("ports", []).sort(key=lambda port: port["name"])
        return {f"{one['kind']}/{one['metadata']['name']}": one for one in found}

    def fail(self, verb: str, kind: Kind, error: Exception) -> None:
        def before(its_verb: str, its_kind: Kind) -> None:
            if (its_verb, its_kind) == (verb, kind):
                raise error

        self.cluster.before = before

    def heal(self) -> None:
        self.cluster.before = lambda _verb, _kind: None
