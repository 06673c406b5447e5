"""Where copies of a memory are kept."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.base import ApiModel, rules
from soma_operator.api.v1alpha1.security import SecretName

_FOLDERS = r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"


def _relative(field: str) -> dict[str, object]:
    return rules(
        (
            f"self == '' || (self.matches('{_FOLDERS}') && !('/' + self + '/').contains('/../'))",
            f"{field} must be names of letters, digits, '.', '_' and '-' with '/' between them, none of them '..'",
        )
    )


class VolumeTarget(ApiModel):
    """A volume of the cluster."""

    claim_name: Annotated[str, Field(min_length=1, max_length=253)]
    """PersistentVolumeClaim in the namespace of the memory; it must be there."""

    path: Annotated[str, Field(max_length=255, json_schema_extra=_relative("volume.path"))] = ""
    """Folder on the volume. Default: its root."""


class S3Target(ApiModel):
    """A bucket of an S3-compatible store."""

    endpoint: Annotated[
        str,
        Field(
            max_length=255,
            json_schema_extra=rules(
                (
                    "self.matches('^https?://[A-Za-z0-9.-]+(:[0-9]+)?$')",
                    "s3.endpoint must be a URL without a path, such as 'https://s3.eu-central-1.amazonaws.com'",
                )
            ),
        ),
    ]
    """URL of the store; the bucket is named in the path of requests."""

    bucket: Annotated[
        str,
        Field(
            max_length=63,
            json_schema_extra=rules(
                (
                    "self.matches('^[a-z0-9][a-z0-9.-]+[a-z0-9]$')",
                    "s3.bucket must be 3 to 63 characters of a-z, 0-9, '.' and '-', first and last a letter or digit",
                )
            ),
        ),
    ]
    """Bucket; it must be there."""

    prefix: Annotated[str, Field(max_length=255, json_schema_extra=_relative("s3.prefix"))] = ""
    """Beginning of the keys in the bucket. Default: none."""

    region: Annotated[str, Field(min_length=1, max_length=63)] = "us-east-1"
    """Region that requests are signed for. Default: us-east-1."""

    credentials_secret_name: SecretName
    """Secret with `accessKeyId` and `secretAccessKey`, and `sessionToken` where there is one."""

    ca_secret_name: SecretName | None = None
    """Secret with `ca.crt`, the authority of the store's certificate. Default: the public authorities."""


class BackupTarget(ApiModel):
    """Where copies of a memory are kept."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(self.type == 'Volume') == has(self.volume)",
                "target.volume goes with target.type Volume, and with no other",
            ),
            (
                "(self.type == 'S3') == has(self.s3)",
                "target.s3 goes with target.type S3, and with no other",
            ),
        )
    )

    type: Literal["Volume", "S3"]
    """Volume: a PersistentVolumeClaim. S3: a bucket of an S3-compatible store."""

    volume: VolumeTarget | None = None
    """Settings of the type Volume."""

    s3: S3Target | None = None
    """Settings of the type S3."""
