"""What controllers write: children, statuses and Events, each only as the leader."""

import logging
from collections.abc import Callable, Iterable

from soma_common.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NotFound,
    PermissionRefused,
    SomaError,
    Unavailable,
)
from soma_operator.core.events import Event, Reporter, event_manifest
from soma_operator.core.kinds import SOMA_MEMORY_BACKUP, Manifest, kind_of, name_of
from soma_operator.core.observed import ObjectKey, Seen
from soma_operator.core.plan import Apply, Refusal
from soma_operator.core.published import Status, status_manifest, strangers
from soma_operator.ports import Cluster

_log = logging.getLogger(__name__)


class Writer:
    """Writes for one kind of resource.

    Args:
        cluster: The objects.
        condition_types: Every condition that a status of that kind may have.
        reporter: Who tells Events.
        may_write: Whether this process is the leader, asked before each write.
    """

    def __init__(
        self,
        cluster: Cluster,
        condition_types: tuple[str, ...],
        *,
        reporter: Reporter,
        may_write: Callable[[], bool],
    ) -> None:
        self._cluster = cluster
        self._condition_types = condition_types
        self._reporter = reporter
        self._may_write = may_write

    async def apply(self, action: Apply, key: ObjectKey) -> Manifest | Refusal:
        """Write an object that belongs to a resource; return it, or why the API server did not take it.

        Raises:
            Conflict: What was to be made is there.
            SomaError: The API server did not do its part.
        """
        self._check_leadership()
        # What is not known is not written over: it may be somebody else's, and not watched.
        write = self._cluster.make if action.why == "Missing" else self._cluster.apply
        try:
            live = await write(action.manifest)
        except AlreadyExists as error:
            if await self._is_foreign_copy(action.manifest):
                return Refusal(
                    action.manifest,
                    False,
                    "one of this name is there, made by somebody else: delete it",
                )
            raise Conflict("a child that was missing is there", **error.facts) from None
        except InvalidInput as error:
            return Refusal(action.manifest, False, str(error.facts["detail"]))
        except PermissionRefused as error:
            return Refusal(action.manifest, True, str(error.facts["detail"]))
        self._tell_write("applied a child", key, live, why=action.why)
        return live

    async def guard(self, manifest: Manifest) -> Manifest:
        """Set a finalizer; return the resource as it is then.

        Raises:
            SomaError: As `Cluster.apply`.
        """
        self._check_leadership()
        return await self._cluster.apply(manifest)

    async def release(self, resource: Manifest, finalizer: str) -> Manifest | None:
        """Release a finalizer, whoever set it; return the resource as it is then, if it is still there.

        Raises:
            SomaError: As `Cluster.set_mark`.
        """
        self._check_leadership()
        left = [one for one in resource["metadata"]["finalizers"] if one != finalizer]
        live = await self._cluster.set_mark(resource, "finalizers", left)
        if "deletionTimestamp" not in live["metadata"]:
            return live
        # The answer shows a resource that this very write may have ended.
        key = live["metadata"]
        return await self._cluster.read_now(kind_of(live), key["namespace"], key["name"])

    async def disown(self, child: Manifest, owner: Seen) -> Manifest:
        """Let an object outlive a resource that owns it; return the object.

        Raises:
            SomaError: As `Cluster.set_mark`.
        """
        self._check_leadership()
        uid = owner.metadata["uid"]
        others = [one for one in child["metadata"]["ownerReferences"] if one["uid"] != uid]
        live = await self._cluster.set_mark(child, "ownerReferences", others)
        self._tell_write("let go of a child", owner.key, live, why="Retained")
        return live

    async def _is_foreign_copy(self, manifest: Manifest) -> bool:
        """Return whether a copy's name is taken: it has no owner that would make way, so looking again helps nobody."""
        if kind_of(manifest) != SOMA_MEMORY_BACKUP:
            return False
        wished = manifest["metadata"]
        live = await self._cluster.read(SOMA_MEMORY_BACKUP, wished["namespace"], wished["name"])
        return live is not None and live["metadata"].get("labels") != wished["labels"]

    async def delete(self, live: Manifest, key: ObjectKey, *, why: str = "Unwished") -> None:
        """Delete an object that belongs to a resource.

        Raises:
            SomaError: As `Cluster.delete`.
        """
        self._check_leadership()
        await self._cluster.delete(live)
        self._tell_write("deleted a child", key, live, why=why)

    async def publish(self, status: Status, events: Iterable[Event], observed: Seen) -> Manifest:
        """Publish a status, and tell what is new in it; return the resource.

        Raises:
            SomaError: As `Cluster.apply_status`, but for a resource that is gone.
        """
        self._check_leadership()
        try:
            resource = await self._cluster.apply_status(status_manifest(status, observed))
            if types := strangers(status, resource, self._condition_types):
                resource = await self._cluster.drop_conditions(resource, types)
        except NotFound:
            return observed.resource  # Deleted meanwhile: nobody is left to tell.
        for event in events:
            await self._tell(event, observed)
        return resource

    async def _tell(self, event: Event, observed: Seen) -> None:
        generation = observed.metadata["generation"]
        facts = {**fields_of(observed.key), "reason": event.reason, "generation": generation}
        _log.info("state changed", extra=facts)
        try:
            await self._cluster.create(event_manifest(event, observed, self._reporter))
        except AlreadyExists:
            return
        except SomaError as error:
            # An Event is a courtesy: what matters is in the status, and must not be held up.
            facts = {**fields_of(observed.key), "reason": error.reason}
            _log.warning("failed to write an event", extra=facts)

    def _check_leadership(self) -> None:
        if not self._may_write():
            raise Unavailable("this process is no longer the leader")

    def _tell_write(self, text: str, key: ObjectKey, live: Manifest, *, why: str) -> None:
        child = f"{live['kind']}/{name_of(live)}"
        _log.info(text, extra={**fields_of(key), "child": child, "reason": why})


def fields_of(key: ObjectKey) -> dict[str, str]:
    """Return the key as fields of a log line."""
    return {"k8s_namespace": key.namespace, "k8s_name": key.name}
