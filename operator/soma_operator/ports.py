"""Needs of the controller, in its own words."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Literal, Protocol

from soma_operator.core.kinds import Kind, Manifest
from soma_operator.core.observed import ObjectKey

Mark = Literal["finalizers", "ownerReferences"]
"""Lists of the metadata that decide about the end of an object."""


class Cluster(Protocol):
    """Objects of a Kubernetes API.

    Guarantees (checked by tests/contract/operator/test_cluster.py):
        - `apply` makes what is missing, keeps fields of other writers, and removes fields that our earlier manifests
          held and this one does not. Applied twice, the second one changes nothing, not even the resource version.
        - `apply_status` touches the status only, `apply` everything but the status.
        - `generation` grows with the spec and never with the status.
        - A read that starts after a write of ours returned sees that write; what others wrote a moment ago may be
          missing from it, but for `read_now`.

    Raised by every method:
        Unavailable: No answer; a write may have happened, repeat it.
        Overloaded: The API server asks for patience.
        Unauthenticated: It does not take our credential; the next one may be good.
        PermissionRefused: Rights, a quota or an admission rule forbid it; the fact `detail` is the server's sentence.
    """

    async def read(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Return an object; None when there is none."""
        ...

    async def read_now(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """Return an object as it is now; later reads see nothing older."""
        ...

    async def find(
        self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects that carry these labels; of all namespaces when none is named."""
        ...

    async def exists(self, kind: Kind, namespace: str, name: str) -> bool:
        """Return whether an object is there, without reading its content."""
        ...

    async def serves(self, kind: Kind) -> bool:
        """Return whether the cluster knows the kind."""
        ...

    async def apply(self, manifest: Manifest) -> Manifest:
        """Make an object as the manifest says, by server-side apply; return it as it is then.

        Raises:
            InvalidInput: The content is refused; the fact `detail` is the server's sentence.
            Conflict: The object has another `metadata.resourceVersion` than the manifest names.
            NotFound: The namespace does not exist.
        """
        ...

    async def make(self, manifest: Manifest) -> Manifest:
        """Do what `apply` does, but only where nothing has the name; return the new object.

        Raises:
            AlreadyExists: The name is taken, whoever took it; later reads see who did.
            InvalidInput, NotFound: As for `apply`.
        """
        ...

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Make the status of an object as the manifest says; return the object.

        Raises:
            NotFound: There is no such object.
            InvalidInput, Conflict: As for `apply`.
        """
        ...

    async def drop_conditions(self, live: Manifest, types: frozenset[str]) -> Manifest:
        """Remove conditions of these types from the status, whoever wrote them; return the object.

        Raises:
            Conflict: The object changed since it was read.
            NotFound: There is no such object.
        """
        ...

    async def set_mark(self, live: Manifest, field: Mark, items: list[Any]) -> Manifest:
        """Make a list of the metadata as given, whoever wrote its items; return the object.

        An apply takes away what its own manager wrote, and leaves what somebody copied along.

        Raises:
            Conflict: The object changed since it was read.
            NotFound: There is no such object.
        """
        ...

    async def create(self, manifest: Manifest) -> Manifest:
        """Make a new object.

        Raises:
            AlreadyExists: The name is taken.
            InvalidInput, NotFound: As for `apply`.
        """
        ...

    async def replace(self, manifest: Manifest) -> Manifest:
        """Overwrite an object that has the manifest's resource version.

        Raises:
            Conflict: It has another one.
            NotFound: There is no such object.
        """
        ...

    async def delete(self, live: Manifest) -> None:
        """Delete the object that was read as `live`; that it is gone already is success.

        Raises:
            Conflict: It changed since it was read, or another object has taken its name.
        """
        ...


class Watches(Protocol):
    """What wakes the controller: changes of SomaMemories and of what belongs to them."""

    @property
    def seen(self) -> Mapping[ObjectKey, str]:
        """Resource version of each SomaMemory, as the watch told it last."""
        ...

    @property
    def is_started(self) -> bool:
        """Whether watching began."""
        ...

    async def spawn(self) -> None:
        """Prepare the watches; `run` must follow."""
        ...

    async def run(self, ignored: Collection[asyncio.Task[Any]]) -> None:
        """Watch until stopped; tasks that are not ignored may be cancelled at the end."""
        ...

    def stop(self) -> None:
        """End `run`."""
        ...

    def problem(self) -> str | None:
        """Return why changes may go unnoticed; None: they do not."""
        ...
