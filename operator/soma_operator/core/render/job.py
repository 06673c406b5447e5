"""Jobs: a command of `soma` that runs to its end, in a pod with as few rights as the server's."""

from dataclasses import dataclass

from soma_operator.core.kinds import JOB, Manifest
from soma_operator.core.render.pods import TMP_DIR, container_security, pod_security
from soma_operator.core.resolve import ResolvedMemory

REPORT_FILE = "/dev/termination-log"
"""What a command writes there is in the status of its pod."""

ATTEMPTS = 3
KEPT_S = 86400
"""A Job that ended is kept for a day, for who wants to read its log."""

TOOL = "soma"


@dataclass(frozen=True, slots=True)
class Task:
    """What a Job does.

    Attributes:
        image: Image of the command.
        arguments: Of `soma`.
        environment: Variables, as in a container.
        volumes: Of the pod.
        mounts: Of the command's container.
        deadline_s: How long all attempts may take.
        servers: Containers that serve beside the command, as long as it runs.
        final_codes: Exit codes after which another attempt makes no sense.
    """

    image: str
    arguments: tuple[str, ...]
    environment: tuple[Manifest, ...]
    volumes: tuple[Manifest, ...]
    mounts: tuple[Manifest, ...]
    deadline_s: int
    servers: tuple[Manifest, ...] = ()
    final_codes: tuple[int, ...] = ()


def job(
    name: str, task: Task, memory: ResolvedMemory, labels: dict[str, str], owner: Manifest
) -> Manifest:
    """Return the Job of a task, placed as a memory's servers are."""
    spec: Manifest = {
        "backoffLimit": ATTEMPTS - 1,
        "activeDeadlineSeconds": task.deadline_s,
        "ttlSecondsAfterFinished": KEPT_S,
        "template": {"metadata": {"labels": labels}, "spec": _pod_spec(task, memory)},
    }
    if task.final_codes:
        codes = {"operator": "In", "values": list(task.final_codes), "containerName": TOOL}
        spec["podFailurePolicy"] = {"rules": [{"action": "FailJob", "onExitCodes": codes}]}
    metadata = {
        "name": name,
        "namespace": memory.namespace,
        "labels": labels,
        "ownerReferences": [owner],
    }
    return {"apiVersion": JOB.api_version, "kind": JOB.name, "metadata": metadata, "spec": spec}


def _pod_spec(task: Task, memory: ResolvedMemory) -> Manifest:
    given = memory.spec.pod_template
    placement = given.model_dump(
        mode="json",
        by_alias=True,
        exclude_defaults=True,
        include={"node_selector", "tolerations", "priority_class_name"},
    )
    spec: Manifest = {
        "restartPolicy": "Never",
        # The ServiceAccount of the namespace: the memory's own may be gone before its last copy is made.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(given.security_context),
        "containers": [_container(task, memory)],
        "volumes": [{"name": "tmp", "emptyDir": {}}, *task.volumes],
        **placement,
    }
    if task.servers:
        spec["initContainers"] = list(task.servers)
    if memory.image.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in memory.image.pull_secrets]
    return spec


def _container(task: Task, memory: ResolvedMemory) -> Manifest:
    return {
        "name": TOOL,
        "image": task.image,
        "imagePullPolicy": memory.image.pull_policy,
        "command": ["python", "-m", "somamemory", "--json"],
        "args": list(task.arguments),
        "env": [*task.environment],
        "resources": memory.spec.backup.resources.model_dump(exclude_defaults=True),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": TMP_DIR}, *task.mounts],
    }
