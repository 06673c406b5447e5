"""Where a copy is kept, as a pod reaches it: an argument for `soma`, and what it needs beside it."""

from dataclasses import dataclass

from soma_operator.api.v1alpha1 import BackupTarget
from soma_operator.core.kinds import Manifest
from soma_operator.core.render.environment import AUTHORITY
from soma_operator.core.render.secrets import GROUP_MAY_READ

VOLUME_DIR = "/backups"
S3_AUTHORITY_DIR = "/etc/soma/s3"

ACCESS_KEY, SECRET_KEY, SESSION_TOKEN = "accessKeyId", "secretAccessKey", "sessionToken"
"""Keys of the Secret with the credentials of a bucket."""


@dataclass(frozen=True, slots=True)
class Place:
    """One copy, for a pod.

    Attributes:
        argument: What `soma` is given: a path in the pod, or `s3://bucket/key`.
        shown: The same for people, who know claims and no paths in pods.
        secrets: Secrets that the pod reads for it.
    """

    argument: str
    shown: str
    environment: tuple[Manifest, ...] = ()
    volumes: tuple[Manifest, ...] = ()
    mounts: tuple[Manifest, ...] = ()
    secrets: frozenset[str] = frozenset()


def place(target: BackupTarget, name: str, *, is_read_only: bool = False) -> Place:
    """Return a copy below a target.

    Args:
        target: Where copies are kept.
        name: File or key of the copy, below the target's path or prefix.
        is_read_only: Whether the pod may only read there.
    """
    if target.s3 is not None:
        return _in_bucket(target, "/".join(part for part in (target.s3.prefix, name) if part))
    assert target.volume is not None, "the CRD has a rule for it"
    path = "/".join(part for part in (target.volume.path, name) if part)
    claim = {"claimName": target.volume.claim_name, "readOnly": is_read_only}
    return Place(
        argument=f"{VOLUME_DIR}/{path}",
        shown=f"pvc://{target.volume.claim_name}/{path}",
        volumes=({"name": "backups", "persistentVolumeClaim": claim},),
        mounts=({"name": "backups", "mountPath": VOLUME_DIR, "readOnly": is_read_only},),
    )


def _in_bucket(target: BackupTarget, key: str) -> Place:
    wish = target.s3
    assert wish is not None
    credentials = wish.credentials_secret_name
    environment = (
        {"name": "AWS_ENDPOINT_URL", "value": wish.endpoint},
        {"name": "AWS_REGION", "value": wish.region},
        _from_secret("AWS_ACCESS_KEY_ID", credentials, ACCESS_KEY),
        _from_secret("AWS_SECRET_ACCESS_KEY", credentials, SECRET_KEY),
        _from_secret("AWS_SESSION_TOKEN", credentials, SESSION_TOKEN, is_optional=True),
    )
    address = f"s3://{wish.bucket}/{key}"
    if wish.ca_secret_name is None:
        return Place(address, address, environment, secrets=frozenset({credentials}))
    items = [{"key": AUTHORITY, "path": AUTHORITY}]
    secret = {"secretName": wish.ca_secret_name, "items": items, "defaultMode": GROUP_MAY_READ}
    authority = {"name": "AWS_CA_BUNDLE", "value": f"{S3_AUTHORITY_DIR}/{AUTHORITY}"}
    return Place(
        address,
        address,
        (*environment, authority),
        volumes=({"name": "s3", "secret": secret},),
        mounts=({"name": "s3", "mountPath": S3_AUTHORITY_DIR, "readOnly": True},),
        secrets=frozenset({credentials, wish.ca_secret_name}),
    )


def _from_secret(name: str, secret: str, key: str, *, is_optional: bool = False) -> Manifest:
    return {
        "name": name,
        "valueFrom": {"secretKeyRef": {"name": secret, "key": key, "optional": is_optional}},
    }
