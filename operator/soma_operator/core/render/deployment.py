"""Deployment of the memory server."""

from soma_operator.core.kinds import DEPLOYMENT, Manifest
from soma_operator.core.render.metadata import child, selector_of, version_label
from soma_operator.core.resolve import ResolvedMemory
from soma_operator.core.revision import REVISION_ANNOTATION, Revision


def deployment(memory: ResolvedMemory, revision: Revision) -> Manifest:
    """Return the Deployment."""
    wish = memory.spec.update_strategy
    spec: Manifest = {
        "revisionHistoryLimit": 5,
        "progressDeadlineSeconds": wish.progress_deadline_seconds,
        "strategy": _strategy(memory),
        "selector": {"matchLabels": selector_of(memory.name)},
        "template": revision.template,
    }
    if wish.min_ready_seconds:
        spec["minReadySeconds"] = wish.min_ready_seconds
    if memory.replicas.is_ours:
        spec["replicas"] = memory.replicas.wished
    manifest = child(DEPLOYMENT, memory.name, memory, spec=spec)
    manifest["metadata"]["annotations"] = {REVISION_ANNOTATION: revision.name}
    # Here alone: what runs may be older than the wish, and a label on every child would be a write on every one.
    manifest["metadata"]["labels"] |= version_label(revision.version)
    return manifest


def _strategy(memory: ResolvedMemory) -> Manifest:
    if memory.is_exclusive:
        # The store is held by one server at a time: the old pod goes before the new one comes.
        return {"type": "Recreate"}
    # One server after the other, and none goes before its successor is ready.
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
