"""The controllers of a cluster, played by a test around a `Bench`."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from soma_operator.core.kinds import (
    DEPLOYMENT,
    PERSISTENT_VOLUME_CLAIM,
    SOMA_MEMORY,
    SOMA_MEMORY_CLASS,
    STORAGE_CLASS,
    Kind,
    Manifest,
)
from tests.support.controller_bench import KEY, Bench
from tests.support.somamemories import DEFAULTS

DEBUG: Manifest = {"monitoring": {"logLevel": "Debug"}}
"""A change of the spec that makes other pods."""


class PlayedCluster(Bench):
    """A bench on which volumes are bound, and pods become ready or do not."""

    async def serve(self, **spec: Any) -> None:
        """Make a SomaMemory and let it become ready."""
        default = {"storageclass.kubernetes.io/is-default-class": "true"}
        await self.cluster.create(
            {
                "apiVersion": STORAGE_CLASS.api_version,
                "kind": STORAGE_CLASS.name,
                "metadata": {"name": "disk", "annotations": default},
            }
        )
        await self.make(**spec)
        await self.settle()
        await self.bind()
        await self.pods(are_ready=True)

    async def bind(self) -> None:
        """Give the claim its volume."""
        claim = await self.one(PERSISTENT_VOLUME_CLAIM, f"{KEY.name}-data")
        asked = claim["spec"]["resources"]["requests"]["storage"]
        claim["spec"]["volumeName"] = "pv"
        await self.cluster.replace(
            {**claim, "status": {"phase": "Bound", "capacity": {"storage": asked}}}
        )

    async def pods(self, *, are_ready: bool) -> None:
        """Let the Deployment's controller see its spec; then reconcile."""
        deployment = await self.one(DEPLOYMENT, KEY.name)
        count = deployment["spec"].get("replicas", 1)
        ready = count if are_ready else 0
        seen = deployment["metadata"]["generation"]
        status = {"observedGeneration": seen, "replicas": count, "updatedReplicas": count}
        status |= {"readyReplicas": ready, "availableReplicas": ready}
        await self.cluster.replace({**deployment, "status": status})
        await self.settle()

    async def change(self, spec: Manifest, *, are_ready: bool) -> None:
        """Change the spec, and let its pods become ready, or not."""
        await self.edit(spec)
        await self.settle()
        await self.pods(are_ready=are_ready)

    async def annotate(self, **values: str | None) -> None:
        """Set annotations of the SomaMemory, or remove them; then reconcile."""
        stored = await self.one(SOMA_MEMORY, KEY.name)
        named = {
            f"memory.soma.sh/{name.replace('_', '-')}": value for name, value in values.items()
        }
        annotations = {**(stored["metadata"].get("annotations") or {}), **named}
        kept = {name: value for name, value in annotations.items() if value is not None}
        await self.cluster.replace(
            {**stored, "metadata": {**stored["metadata"], "annotations": kept}}
        )
        await self.settle()

    async def give_class(self, spec: Manifest) -> None:
        """Make the SomaMemoryClass `gold`, or change it; then reconcile."""
        for stored in await self.cluster.find(SOMA_MEMORY_CLASS):
            await self.cluster.replace({**stored, "spec": spec})
            await self.settle()
            return
        kind = {"apiVersion": SOMA_MEMORY_CLASS.api_version, "kind": SOMA_MEMORY_CLASS.name}
        await self.cluster.create({**kind, "metadata": {"name": "gold"}, "spec": spec})

    async def after(self, seconds: float) -> None:
        """Let time pass; then reconcile."""
        self.later += timedelta(seconds=seconds)
        await self.settle()

    def release(self, version: str) -> None:
        """Let another release of the operator take over."""
        image = f"registry.test/soma-memory-server:{version}"
        defaults = replace(DEFAULTS, server_image=image, operator_version=version)
        self.controller._observer._defaults = defaults

    async def one(self, kind: Kind, name: str) -> Manifest:
        """Return an object that is there."""
        found = await self.cluster.read(kind, KEY.namespace, name)
        assert found is not None
        return found

    async def status(self) -> Manifest:
        """Return the status of the SomaMemory."""
        found: Manifest = (await self.one(SOMA_MEMORY, KEY.name))["status"]
        return found

    async def running(self) -> str:
        """Return the name of the revision that the Deployment has."""
        deployment = await self.one(DEPLOYMENT, KEY.name)
        return str(deployment["metadata"]["annotations"]["memory.soma.sh/revision"])
