"""The Jobs of a SomaMemoryBackup: one makes the copy, one removes it."""

from dataclasses import replace
from typing import Any

from soma_operator.api.v1alpha1 import GRPC_PORT, Auth, SomaMemoryBackupSpec, Tls
from soma_operator.core.backup.picture import BackupPicture, is_asleep
from soma_operator.core.content import content_hash
from soma_operator.core.kinds import SOMA_MEMORY_BACKUP, Manifest
from soma_operator.core.render.environment import (
    CERTIFICATE,
    DATA_DIR,
    PRIVATE_KEY,
    environment,
)
from soma_operator.core.render.job import REPORT_FILE, Task, job
from soma_operator.core.render.metadata import BACKUP_APP, owned_by, task_labels
from soma_operator.core.render.place import Place, place
from soma_operator.core.render.pods import TMP_DIR, container_security
from soma_operator.core.render.secrets import GROUP_MAY_READ
from soma_operator.core.resolve import ResolvedMemory

SERVER_DIR, TOKEN_DIR, CLIENT_DIR = "/etc/soma/server", "/etc/soma/token", "/etc/soma/client"
TOKEN = "token"  # noqa: S105 - the key of a Secret
LOOPBACK = "127.0.0.1"
REMOVAL_DEADLINE_S = 3600
DATA_VOLUME = "data"


def copy_name(namespace: str, memory: str, backup: str, uid: str) -> str:
    """Return file or key of a copy, below its target: no other SomaMemoryBackup ever has the same."""
    return f"{namespace}/{memory}/{backup}-{uid[:8]}.sqlite3"


def place_of(backup: Manifest, *, is_read_only: bool = False) -> Place:
    """Return where the copy of a SomaMemoryBackup is."""
    spec = SomaMemoryBackupSpec.model_validate(backup["spec"])
    metadata = backup["metadata"]
    name = copy_name(metadata["namespace"], spec.memory_ref.name, metadata["name"], metadata["uid"])
    return place(spec.target, name, is_read_only=is_read_only)


def job_name(backup: Manifest, purpose: str) -> str:
    """Return the name of a Job of a SomaMemoryBackup; of one that had its name before, it is another."""
    metadata = backup["metadata"]
    return f"{metadata['name'][:44]}-{purpose}-{content_hash(metadata['uid'])[:10]}"


def copying(picture: BackupPicture, memory: Manifest, wish: ResolvedMemory) -> Manifest:
    """Return the Job that makes the copy: from the server, or from the volume while no server runs."""
    there = place_of(picture.resource)
    offline = is_asleep(memory, wish)
    access = _loopback() if offline else _of_server(wish)
    task = Task(
        image=_image(memory, wish),
        arguments=("backup", there.argument, "--replace", "--report", REPORT_FILE),
        environment=(*access.environment, *there.environment),
        volumes=(*access.volumes, *there.volumes, *(_data(wish) if offline else ())),
        mounts=(*access.mounts, *there.mounts),
        deadline_s=SomaMemoryBackupSpec.model_validate(picture.resource["spec"]).deadline_seconds,
        servers=(_server(memory, wish),) if offline else (),
    )
    return _job(picture, "copy", task, wish)


def removal(picture: BackupPicture, memory: Manifest, wish: ResolvedMemory) -> Manifest:
    """Return the Job that removes the copy."""
    there = place_of(picture.resource)
    task = Task(
        image=_image(memory, wish),
        arguments=("delete-backup", there.argument),
        environment=there.environment,
        volumes=there.volumes,
        mounts=there.mounts,
        deadline_s=REMOVAL_DEADLINE_S,
    )
    return _job(picture, "removal", task, wish)


def holds_data(job: Manifest) -> bool:
    """Return whether the pods of a Job have the volume of the memory."""
    volumes = job["spec"]["template"]["spec"]["volumes"]
    return any(one["name"] == DATA_VOLUME for one in volumes)


def secrets_of(backup: Manifest, wish: ResolvedMemory, *, offline: bool) -> frozenset[str]:
    """Return the names of the Secrets that the Job of a copy reads."""
    return place_of(backup).secrets | (frozenset() if offline else _of_server(wish).secrets)


def _job(picture: BackupPicture, purpose: str, task: Task, wish: ResolvedMemory) -> Manifest:
    metadata = picture.metadata
    labels = task_labels(BACKUP_APP, metadata["name"], wish.name)
    owner = owned_by(SOMA_MEMORY_BACKUP, metadata["name"], metadata["uid"])
    return job(job_name(picture.resource, purpose), task, wish, labels, owner)


def _image(memory: Manifest, wish: ResolvedMemory) -> str:
    # What runs may be older than the wish: a wish that was taken back may have an image that nobody can pull.
    return str((memory.get("status") or {}).get("image", wish.image.full))


def _of_server(wish: ResolvedMemory) -> Place:
    """Return how the server is reached, as the environment of `soma`."""
    policy, tls = wish.spec.backup, wish.spec.tls
    address = f"{wish.name}.{wish.namespace}.svc:{wish.spec.service.port}"
    environment = [{"name": "SOMA_ADDRESS", "value": address}]
    mounted: list[tuple[str, str, str, list[str]]] = []
    if tls.is_on and tls.secret_name is not None:
        # Trusted is the very certificate that the server shows, whoever signed it.
        environment.append({"name": "SOMA_CA_FILE", "value": f"{SERVER_DIR}/{CERTIFICATE}"})
        mounted.append(("server", SERVER_DIR, tls.secret_name, [CERTIFICATE]))
    if policy.token_secret_name is not None:
        environment.append({"name": "SOMA_TOKEN_FILE", "value": f"{TOKEN_DIR}/{TOKEN}"})
        mounted.append(("token", TOKEN_DIR, policy.token_secret_name, [TOKEN]))
    if policy.client_certificate_secret_name is not None:
        environment.append({"name": "SOMA_CERT_FILE", "value": f"{CLIENT_DIR}/{CERTIFICATE}"})
        environment.append({"name": "SOMA_KEY_FILE", "value": f"{CLIENT_DIR}/{PRIVATE_KEY}"})
        name = policy.client_certificate_secret_name
        mounted.append(("client", CLIENT_DIR, name, [CERTIFICATE, PRIVATE_KEY]))
    return Place(
        argument=address,
        shown=address,
        environment=tuple(environment),
        volumes=tuple(_secret(name, secret, keys) for name, _, secret, keys in mounted),
        mounts=tuple(
            {"name": name, "mountPath": folder, "readOnly": True} for name, folder, _, _ in mounted
        ),
        secrets=frozenset(secret for _, _, secret, _ in mounted),
    )


def _loopback() -> Place:
    """Return how a server in the same pod is reached."""
    address = f"{LOOPBACK}:{GRPC_PORT}"
    return Place(address, address, ({"name": "SOMA_ADDRESS", "value": address},))


def _secret(name: str, secret: str, keys: list[str]) -> Manifest:
    items = [{"key": key, "path": key} for key in keys]
    return {
        "name": name,
        "secret": {"secretName": secret, "items": items, "defaultMode": GROUP_MAY_READ},
    }


def _data(wish: ResolvedMemory) -> tuple[Manifest, ...]:
    claim = {"claimName": wish.names.claim}
    return ({"name": DATA_VOLUME, "persistentVolumeClaim": claim},)


def _server(memory: Manifest, wish: ResolvedMemory) -> Manifest:
    """Return a server for the pod alone: it holds the store, and nobody else can reach it."""
    # It is reached by nobody but its own pod, so it needs neither certificate nor tokens.
    alone = replace(wish, spec=wish.spec.model_copy(update={"tls": Tls(), "auth": Auth()}))
    settings = {**environment(alone), "SOMA_GRPC_HOST": LOOPBACK}
    container: dict[str, Any] = {
        "name": "memory-server",
        "image": _image(memory, wish),
        "imagePullPolicy": wish.image.pull_policy,
        # A sidecar: it serves as long as the command runs, and ends with it.
        "restartPolicy": "Always",
        "env": [{"name": name, "value": value} for name, value in sorted(settings.items())],
        "startupProbe": {
            "httpGet": {"path": "/readyz", "port": int(settings["SOMA_HTTP_PORT"])},
            "periodSeconds": 1,
            "timeoutSeconds": 3,
            "failureThreshold": 300,
        },
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": DATA_VOLUME, "mountPath": DATA_DIR},
            {"name": "tmp", "mountPath": TMP_DIR},
        ],
    }
    resources = wish.spec.resources.model_dump(exclude_defaults=True)
    return {**container, "resources": resources} if resources else container
