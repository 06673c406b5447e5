"""The pods: template and settings, which together are a revision."""

from soma_operator.api.v1alpha1 import GRPC_PORT, HTTP_PORT, RESTART_ANNOTATION, PodSecurity
from soma_operator.core.content import content_hash
from soma_operator.core.kinds import Manifest
from soma_operator.core.render.environment import DATA_DIR, GRACE_PERIOD_S, environment
from soma_operator.core.render.given import files_mounts, files_volumes, variables
from soma_operator.core.render.metadata import CONFIG_HASH_ANNOTATION, labels_of, selector_of
from soma_operator.core.render.patched import patched
from soma_operator.core.render.secrets import secret_mounts, secret_volumes
from soma_operator.core.resolve import ResolvedMemory
from soma_operator.core.revision import Revision, wish_of

USER_ID = 10001
"""User and group of the image; also the group that the volume is given to."""

_NUMBERS = ("runAsUser", "runAsGroup", "fsGroup")

CONTAINER = "memory-server"

TMP_DIR = "/tmp"  # noqa: S108 - a path in the pod, backed by an emptyDir: all else is read-only


def newest_revision(memory: ResolvedMemory) -> Revision:
    """Return what pods are made of by the newest wish and this release.

    Raises:
        InvalidInput: A patch of the user cannot be made.
    """
    return Revision(wish_of(memory), environment(memory), _pod_template(memory))


def _pod_template(memory: ResolvedMemory) -> Manifest:
    given = memory.spec.pod_template
    annotations = {**given.annotations, CONFIG_HASH_ANNOTATION: content_hash(environment(memory))}
    if memory.restarted_at is not None:
        annotations[RESTART_ANNOTATION] = memory.restarted_at
    template = {
        "metadata": {"labels": {**given.labels, **labels_of(memory)}, "annotations": annotations},
        "spec": _pod_spec(memory),
    }
    return patched(template, given.patches)


def _pod_spec(memory: ResolvedMemory) -> Manifest:
    spec: Manifest = {
        "serviceAccountName": memory.spec.pod_template.service_account_name or memory.name,
        "automountServiceAccountToken": False,
        # Kubernetes would set variables such as MEMORY_PORT for each Service; one of them may look like a setting.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_PERIOD_S,
        "securityContext": pod_security(memory.spec.pod_template.security_context),
        "containers": [_container(memory)],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": memory.names.claim}},
            {"name": "tmp", "emptyDir": {}},
            *secret_volumes(memory.spec),
            *files_volumes(memory.spec.pod_template),
        ],
    }
    if memory.image.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in memory.image.pull_secrets]
    return {**spec, **_placement(memory)}


def pod_security(given: PodSecurity) -> Manifest:
    """Return what every pod of ours lets the kubelet enforce: the restricted Pod Security Standard."""
    numbers = {} if given.type == "Assigned" else dict.fromkeys(_NUMBERS, USER_ID)
    said = given.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"type"})
    return {
        "runAsNonRoot": True,
        **numbers,
        # Walking over every file of a large store at each start is needed once only.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
        **said,
    }


def container_security() -> Manifest:
    """Return the same for a container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _placement(memory: ResolvedMemory) -> Manifest:
    wish = memory.spec.pod_template
    given = wish.model_dump(
        mode="json",
        by_alias=True,
        exclude_none=True,
        include={"node_selector", "tolerations", "affinity", "priority_class_name"},
    )
    spread = [
        {
            **one.model_dump(by_alias=True, exclude_none=True),
            "labelSelector": {"matchLabels": selector_of(memory.name)},
        }
        for one in wish.topology_spread_constraints
    ]
    return {
        name: value
        for name, value in {**given, "topologySpreadConstraints": spread}.items()
        if value
    }


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
        "securityContext": container_security(),
        # The last lines of the log then tell in the status why the server stopped.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "data", "mountPath": DATA_DIR},
            {"name": "tmp", "mountPath": TMP_DIR},
            *secret_mounts(memory.spec),
            *files_mounts(memory.spec.pod_template),
        ],
    }
    if memory.spec.pod_template.env:
        container["env"] = variables(memory.spec.pod_template)
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
