"""Revisions: what pods are made of, which one runs, and why it may not be the newest.

Rule 1: a revision is the settings and the pod template together; both change at once, and both go back at once.
Rule 2: what only a new release of the operator changes waits: an upgrade of the operator restarts no pod.
Rule 3: what waits for a window, or for the end of a pod, spares pods that serve; where none does, it waits for nothing.
Rule 4: a revision that served is the last good one; one that stalled gives way to it, and stays away until the
        generation or the revision is another one. The spec is never touched.
Rule 5: a revision that a person rejects gives way to the one that served before it, as long as it is rejected.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from soma_operator.api.v1alpha1 import RESTART_ANNOTATION
from soma_operator.core.content import content_hash
from soma_operator.core.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    SOMA_MEMORY,
    Manifest,
    controller_of,
    is_deleting,
    kind_of,
)
from soma_operator.core.observed import Observed
from soma_operator.core.resolve import ResolvedMemory, split_image, version_of
from soma_operator.core.windows import is_open

Pending = Literal[
    "ApprovalNeeded", "NewRelease", "SecretNotFound", "PodDeletionNeeded", "WindowClosed"
]
"""Why the newest revision waits, as a reason."""

NAME_LENGTH = 10

REVISION_ANNOTATION = f"{SOMA_MEMORY.group}/revision"
"""On the Deployment: name of the revision that its template is of."""

CAUSED_BY_PODS = frozenset(
    {
        "ProgressDeadlineExceeded",
        "ImageNotAvailable",
        "ContainerNotStarted",
        "CrashLooping",
        "OutOfMemory",
        "PodUnschedulable",
        "PodsRefused",
        "Refused",
    }
)
"""Reasons of Stalled that an earlier revision may not have; a lost volume or a taken name it would have as well."""


@dataclass(frozen=True, slots=True)
class Revision:
    """Something that pods are made of.

    Attributes:
        wish: Hash of the part of the spec that speaks of pods.
        environment: Settings of the server.
        template: Template of the pods.
    """

    wish: str
    environment: Mapping[str, str]
    template: Manifest

    @property
    def name(self) -> str:
        """A short name: the same content has the same name."""
        return content_hash([self.wish, self.pods])[:NAME_LENGTH]

    @property
    def pods(self) -> str:
        """Hash of all that reaches a pod: a change of it makes new pods."""
        return content_hash([self.environment, self.template])

    @property
    def image(self) -> str:
        """Image of the server."""
        image: str = self.template["spec"]["containers"][0]["image"]
        return image

    @property
    def version(self) -> str:
        """Short name of the image for people."""
        _, tag, digest = split_image(self.image)
        return version_of(tag, digest)

    @property
    def restarted_at(self) -> str | None:
        """Value of the annotation that asked for a restart last."""
        annotations: Mapping[str, str] = self.template["metadata"]["annotations"]
        return annotations.get(RESTART_ANNOTATION)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which revision runs.

    Attributes:
        newest: What the spec and this operator make.
        running: What the pods are to run.
        last_good: What served last, where it is known.
        earlier_good: What served before that one, where it is known.
        pending: Why the newest one waits; None: it does not.
        failed: Revision of this generation that was taken back.
        is_rejected: Whether a person wishes that the newest one does not run.
    """

    newest: Revision
    running: Revision
    last_good: Revision | None = None
    earlier_good: Revision | None = None
    pending: Pending | None = None
    failed: Revision | None = None
    is_rejected: bool = False

    @property
    def keeps_wish_waiting(self) -> bool:
        """Whether the user's own change waits as the user wished it to; what waits for a Secret does not."""
        is_wished = self.pending in ("ApprovalNeeded", "PodDeletionNeeded", "WindowClosed")
        return is_wished and self.newest.wish != self.running.wish

    @property
    def kept(self) -> tuple[Revision, ...]:
        """Revisions that are to be stored: the running one first."""
        all_of_them = (self.running, self.last_good, self.earlier_good, self.failed)
        return tuple({one.name: one for one in all_of_them if one}.values())


_OF_PODS: dict[str, Any] = {
    "image": True,
    "storage": {"type": True, "embedded": {"synchronous"}},
    "embeddings": True,
    "resources": True,
    "pod_template": True,
    "monitoring": {"log_level", "audit"},
    "limits": True,
    "tls": {"mode", "secret_name", "client_auth", "client_ca_secret_name"},
    "auth": True,
}
"""Fields of the spec that reach pods."""


def wish_of(memory: ResolvedMemory) -> str:
    """Return the hash of what the user, not the release, says about pods."""
    said = memory.spec.model_dump(mode="json", include=_OF_PODS, exclude_defaults=True)
    age = memory.spec.service.max_connection_age_seconds
    # Apart from the others: most of the service reaches no pod, and what is not said must not change the hash.
    return content_hash([said, memory.restarted_at, *([] if age is None else [age])])


def choose(newest: Revision, memory: ResolvedMemory, observed: Observed) -> Choice:
    """Decide which revision runs."""
    stored = _stored(observed)
    last_good = stored.get(str(observed.status.get("lastGoodRevision")))
    earlier_good = stored.get(str(observed.status.get("earlierGoodRevision")))
    current = stored.get(_current_name(observed))
    rejected = _rejected(newest, stored, memory, last_good)
    if rejected:
        is_last = last_good is not None and last_good.name == newest.name
        before = earlier_good if is_last else last_good
        if before is not None:
            return Choice(newest, before, before, failed=rejected, is_rejected=True)
        if current is not None and current.name != newest.name:
            # Nothing is known to have served: what runs goes on.
            return Choice(newest, current, failed=rejected, is_rejected=True)
        return Choice(newest, newest, last_good, is_rejected=True)
    failed = _failed(newest, stored, memory, observed) if last_good else None
    if last_good and failed:
        return Choice(newest, last_good, last_good, earlier_good, failed=failed)
    pending = _pending(newest, current, memory, observed) if current else None
    if current and pending:
        return Choice(newest, current, last_good, earlier_good, pending=pending)
    return Choice(newest, newest, last_good, earlier_good)


def _pending(
    newest: Revision, current: Revision, memory: ResolvedMemory, observed: Observed
) -> Pending | None:
    if newest.pods == current.pods:
        return None
    if observed.missing_secrets:
        return "SecretNotFound"  # Its pods could not start, while the present ones serve.
    if newest.name == memory.approved_revision:
        return None
    if memory.restarted_at != current.restarted_at:
        return None  # Pods are restarted anyway, because somebody asked for it.
    strategy = memory.spec.update_strategy
    if strategy.type == "Supervised":
        return "ApprovalNeeded"
    if strategy.type == "OnDelete":
        return "PodDeletionNeeded" if _serves(observed) and not _loses_a_pod(observed) else None
    if strategy.maintenance_windows:
        is_due = not _serves(observed) or is_open(strategy.maintenance_windows, observed.now)
        return None if is_due else "WindowClosed"
    return "NewRelease" if newest.wish == current.wish else None


def _serves(observed: Observed) -> bool:
    """Return whether there is a pod that a change would disturb."""
    deployment = observed.child(DEPLOYMENT, observed.key.name) or {}
    return bool(deployment.get("status", {}).get("readyReplicas", 0))


def _loses_a_pod(observed: Observed) -> bool:
    return any(is_deleting(pod) for pod in observed.pods)


def _rejected(
    newest: Revision,
    stored: Mapping[str, Revision],
    memory: ResolvedMemory,
    last_good: Revision | None,
) -> Revision | None:
    """Return the revision by whose rejection a person wishes that the newest one does not run.

    It is the named one, which is to be kept: a later release that makes the same wish is known by it.
    """
    if newest.name == memory.rejected_revision:
        return newest
    named = stored.get(str(memory.rejected_revision))
    if named is None or newest.wish != named.wish:
        return None
    # The same wish made by another release is what was rejected, unless somebody asks for it, or it is the way back.
    is_wished = newest.name == memory.approved_revision or newest == last_good
    return None if is_wished else named


def _failed(
    newest: Revision, stored: Mapping[str, Revision], memory: ResolvedMemory, observed: Observed
) -> Revision | None:
    """Return the revision of this generation that gives way to the last good one."""
    status = observed.status
    if observed.is_new_generation or not memory.spec.update_strategy.rollback.enabled:
        return None
    failed = stored.get(str(status.get("failedRevision")))
    told = observed.condition("RolledBack")
    if told is not None and told["reason"] == "Rejected":
        return None  # Whoever rejected it does so no longer.
    if failed is not None:
        # The same wish made by another release is not another try, unless somebody asks for it.
        is_same = newest.wish == failed.wish and memory.approved_revision != newest.name
        return failed if is_same or newest.name == failed.name else None
    name = status.get("currentRevision")
    running = newest if name == newest.name else stored.get(str(name))
    stalled = observed.condition("Stalled")
    if stalled is None or stalled["reason"] not in CAUSED_BY_PODS or running is None:
        return None
    was_good = status.get("lastGoodRevision") == name
    # A release that came meanwhile makes the same wish, and waits: it is not what failed.
    return running if gives_way(running, newest) and not was_good else None


def gives_way(running: Revision, newest: Revision) -> bool:
    """Return whether a running revision that stalls is taken back; another wish that waits is a person's turn."""
    return running.wish == newest.wish


def _current_name(observed: Observed) -> str:
    """Return what runs: the Deployment knows it best; without one, the status does."""
    deployment = observed.child(DEPLOYMENT, observed.key.name)
    annotations = (deployment or {}).get("metadata", {}).get("annotations") or {}
    return str(annotations.get(REVISION_ANNOTATION, observed.status.get("currentRevision")))


def _stored(observed: Observed) -> dict[str, Revision]:
    found: list[dict[str, Any]] = [
        one["data"]
        for one in observed.children
        if kind_of(one) == CONTROLLER_REVISION
        and (controller_of(one) or {}).get("uid") == observed.metadata["uid"]
    ]
    revisions = [Revision(one["wish"], one["environment"], one["template"]) for one in found]
    return {one.name: one for one in revisions}
