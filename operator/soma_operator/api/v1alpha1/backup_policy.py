"""When copies of a memory are made, how many are kept, and what a new memory begins with."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.backup_target import BackupTarget
from soma_operator.api.v1alpha1.base import ApiModel, rules
from soma_operator.api.v1alpha1.schedule import form_rule, order_rule
from soma_operator.api.v1alpha1.security import SecretName
from soma_operator.api.v1alpha1.workload import Resources

SCHEDULE_RULES = rules(form_rule("backup.schedule"), order_rule("backup.schedule"))


class Retention(ApiModel):
    """Which copies of a schedule go; the newest verified one never does."""

    keep_last: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How many verified copies are kept. Default: all."""

    keep_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """How many days a copy is kept. Default: for ever."""


class BackupPolicy(ApiModel):
    """When copies are made, where they are kept, and which of them go."""

    target: BackupTarget | None = None
    """Where copies are kept."""

    schedule: Annotated[str, Field(max_length=48, json_schema_extra=SCHEDULE_RULES)] | None = None
    """When copies are made: five fields of cron, in UTC. Default: never."""

    suspended: bool = False
    """While true, the schedule makes no copies and none of its copies goes. Default: false."""

    retention: Retention = Retention()
    """Which copies of the schedule go once a newer one is verified. Default: none."""

    deadline_seconds: Annotated[int, Field(ge=10, le=86400)] = 3600
    """How long a copy of the schedule may take. Default: 3600."""

    resources: Resources = Resources(requests={"cpu": "50m", "memory": "64Mi"})
    """Compute resources of the commands that make, remove and restore copies, which a quota of the namespace may want
    to be named. Default: requests of 50m and 64Mi, no limits."""

    token_secret_name: SecretName | None = None
    """Secret with `token`, a token with the scope `backup`; every copy of this memory is made with it."""

    client_certificate_secret_name: SecretName | None = None
    """Secret with `tls.crt` and `tls.key`, the certificate that copies are asked for with."""


class RestoreLocation(ApiModel):
    """A copy by its place."""

    target: BackupTarget
    """Where the copy is kept."""

    name: Annotated[
        str,
        Field(
            max_length=512,
            json_schema_extra=rules(
                (
                    "self.matches('^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$') && !('/' + self + '/').contains('/../')",
                    "bootstrap.location.name must be the copy's file or key below volume.path or s3.prefix",
                )
            ),
        ),
    ]
    """File or key of the copy, below `volume.path` or `s3.prefix`."""

    sha256: (
        Annotated[
            str,
            Field(
                max_length=64,
                json_schema_extra=rules(
                    (
                        "self.matches('^[0-9a-f]{64}$')",
                        "bootstrap.location.sha256 must be 64 hexadecimal digits",
                    )
                ),
            ),
        ]
        | None
    ) = None
    """SHA-256 that the copy must have. Default: the copy is checked by itself alone."""


class Bootstrap(ApiModel):
    """What a new memory begins with."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(has(self.type) && self.type == 'Backup') == has(self.backupName)",
                "bootstrap.backupName goes with bootstrap.type Backup, and with no other",
            ),
            (
                "(has(self.type) && self.type == 'Location') == has(self.location)",
                "bootstrap.location goes with bootstrap.type Location, and with no other",
            ),
        )
    )

    type: Literal["Empty", "Backup", "Location"] = "Empty"
    """Empty: nothing. Backup: the copy of a SomaMemoryBackup. Location: a copy by its place. Default: Empty."""

    backup_name: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """SomaMemoryBackup in the same namespace; it must have succeeded."""

    location: RestoreLocation | None = None
    """Where the copy is."""
