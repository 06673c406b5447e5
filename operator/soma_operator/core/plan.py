"""From wished and live objects to the fewest writes.

Rule 1: a live object is never compared as a whole; only fields that we set count. Others belong to others.
Rule 2: no write when nothing differs, so that a converged resource costs no write at all.
Rule 3: an object that another controller owns is never touched.
"""

from dataclasses import dataclass

from soma_operator.core.difference import covers
from soma_operator.core.kinds import (
    CHILD_KINDS,
    OPTIONAL_KINDS,
    PERSISTENT_VOLUME_CLAIM,
    Manifest,
    controller_of,
    is_deleting,
    kind_of,
    name_of,
    never_got_volume,
)
from soma_operator.core.observed import Observed, find
from soma_operator.core.render import Prepared
from soma_operator.core.render.metadata import MANAGED_BY, MANAGED_BY_LABEL


@dataclass(frozen=True, slots=True)
class Apply:
    """Write a manifest by server-side apply."""

    manifest: Manifest
    why: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a live object that is no longer wished for."""

    live: Manifest


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A name that is taken, so that a child cannot be written now.

    Attributes:
        manifest: The child that was to be written.
        is_leaving: Whether the one in the way is being deleted, so that waiting helps.
    """

    manifest: Manifest
    is_leaving: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write that the API server refused for a reason that a person must mend.

    Attributes:
        manifest: What was to be written.
        is_forbidden: Whether rights or a quota forbade it, which may change without us; else the content is wrong.
        message: The API server's sentence.
    """

    manifest: Manifest
    is_forbidden: bool
    message: str


@dataclass(frozen=True, slots=True)
class Applied:
    """The children as they are after the plan was carried out; a status is computed from nothing less."""

    children: tuple[Manifest, ...]
    obstacles: tuple[Obstacle, ...]
    refusals: tuple[Refusal, ...]
    is_complete: bool
    """Whether every wish is written; false also while paused with something to write."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Writes in order, and what stands in the way of others."""

    actions: tuple[Apply | Delete, ...]
    obstacles: tuple[Obstacle, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the world is as wished."""
        return not self.actions and not self.obstacles


def plan(prepared: Prepared, observed: Observed) -> Plan:
    """Return what must be written to make the live objects as wished."""
    actions: list[Apply | Delete] = []
    obstacles: list[Obstacle] = []
    for manifest in prepared.manifests:
        live = find(observed.children, kind_of(manifest), name_of(manifest))
        obstacle = _obstacle(manifest, live, observed)
        if live is not None and obstacle is None and _is_stillborn_claim(live, manifest):
            # Nothing was ever stored on it, and it cannot be changed: it makes room for the wished one.
            actions.append(Delete(live))
            obstacle = Obstacle(manifest, is_leaving=True)
        why = None if obstacle else _difference(manifest, live)
        if obstacle:
            obstacles.append(obstacle)
        elif why:
            actions.append(Apply(manifest, why))
    actions.extend(Delete(live) for live in _unwished(prepared, observed))
    return Plan(tuple(actions), tuple(obstacles))


def _obstacle(manifest: Manifest, live: Manifest | None, observed: Observed) -> Obstacle | None:
    if live is None:
        return None
    if is_deleting(live):
        return Obstacle(manifest, is_leaving=True)
    controller = controller_of(live)
    if controller is not None:
        if controller["uid"] == observed.metadata["uid"]:
            return None
        # One of an earlier resource with our name: the garbage collector is about to take it.
        is_earlier = (controller["kind"], controller["name"]) == (
            observed.resource["kind"],
            observed.metadata["name"],
        )
        return Obstacle(manifest, is_leaving=is_earlier)
    if kind_of(live) == PERSISTENT_VOLUME_CLAIM:
        return None  # A retained claim has no owner: taking it up is what it was kept for.
    is_ours = (live["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY
    return None if is_ours else Obstacle(manifest, is_leaving=False)


_FIXED = ("storageClassName", "accessModes", "resources")
"""What a claim without a volume cannot be given anew."""


def _is_stillborn_claim(live: Manifest, manifest: Manifest) -> bool:
    """Return whether a claim never got a volume, and asks for another class, mode or size than is wished."""
    if kind_of(live) != PERSISTENT_VOLUME_CLAIM or not never_got_volume(live):
        return False
    asked = {key: manifest["spec"][key] for key in _FIXED if key in manifest["spec"]}
    return not covers(live["spec"], asked)


def _difference(manifest: Manifest, live: Manifest | None) -> str | None:
    if live is None:
        return "Missing"
    return None if covers(live, manifest) else "Different"


def _unwished(prepared: Prepared, observed: Observed) -> list[Manifest]:
    """Return children of ours that the manifests no longer name; never a claim, which holds the data."""
    wished = {(kind_of(one), name_of(one)) for one in prepared.manifests}
    unwished = [
        live
        for live in observed.children
        if (kind_of(live), name_of(live)) not in wished
        and kind_of(live) != PERSISTENT_VOLUME_CLAIM
        and not is_deleting(live)
        and (controller_of(live) or {}).get("uid") == observed.metadata["uid"]
    ]
    return sorted(unwished, key=lambda live: (_ORDER.index(kind_of(live)), name_of(live)))


_ORDER = (*CHILD_KINDS, *OPTIONAL_KINDS)
