"""Deployment of the memory server."""

from soma_operator.api.v1alpha1 import GRPC_PORT, HTTP_PORT, RESTART_ANNOTATION
from soma_operator.core.kinds import DEPLOYMENT, Manifest
from soma_operator.core.render.config_map import DATA_DIR, GRACE_PERIOD_S, environment
from soma_operator.core.render.metadata import (
    CONFIG_HASH_ANNOTATION,
    child,
    content_hash,
    labels_of,
    selector_of,
)
from soma_operator.core.resolve import ResolvedMemory

USER_ID = 10001
"""User and group of the image; also the group that the volume is given to."""

CONTAINER = "memory-server"

TMP_DIR = "/tmp"  # noqa: S108 - a path in the pod, backed by an emptyDir: all else is read-only


def deployment(memory: ResolvedMemory) -> Manifest:
    """Return the Deployment."""
    spec = {
        "replicas": memory.spec.replicas,
        "revisionHistoryLimit": 5,
        "progressDeadlineSeconds": memory.spec.update_strategy.progress_deadline_seconds,
        # The embedded store is held by one server at a time: the old pod goes before the new one comes.
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": selector_of(memory.name)},
        "template": _pod_template(memory),
    }
    return child(DEPLOYMENT, memory.name, memory, spec=spec)


def _pod_template(memory: ResolvedMemory) -> Manifest:
    annotations = {CONFIG_HASH_ANNOTATION: content_hash(environment(memory))}
    if memory.restarted_at is not None:
        annotations[RESTART_ANNOTATION] = memory.restarted_at
    return {
        "metadata": {"labels": labels_of(memory), "annotations": annotations},
        "spec": _pod_spec(memory),
    }


def _pod_spec(memory: ResolvedMemory) -> Manifest:
    spec: Manifest = {
        "serviceAccountName": memory.name,
        "automountServiceAccountToken": False,
        # Kubernetes would set variables such as MEMORY_PORT for each Service; one of them may look like a setting.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_PERIOD_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            # Walking over every file of a large store at each start is needed once only.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(memory)],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": memory.names.claim}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    if memory.image.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in memory.image.pull_secrets]
    return spec


def _container(memory: ResolvedMemory) -> Manifest:
    container: Manifest = {
        "name": CONTAINER,
        "image": memory.image.full,
        "imagePullPolicy": memory.image.pull_policy,
        "envFrom": [{"configMapRef": {"name": memory.names.config_map}}],
        "ports": [
            {"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"},
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
        ],
        "startupProbe": _probe("/healthz", period_s=1, failures=120),
        "livenessProbe": _probe("/healthz", period_s=10, failures=3),
        "readinessProbe": _probe("/readyz", period_s=2, failures=2),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # The last lines of the log then tell in the status why the server stopped.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "data", "mountPath": DATA_DIR},
            {"name": "tmp", "mountPath": TMP_DIR},
        ],
    }
    resources = memory.spec.resources.model_dump(exclude_defaults=True)
    if resources:
        container["resources"] = resources
    return container


def _probe(path: str, *, period_s: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period_s,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }
