"""What a user gives the pods: labels, placement, environment, files, an identity."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.base import ATOMIC, KEYED_BY_NAME, ApiModel, rules
from soma_operator.api.v1alpha1.pod_patch import PodPatch

Labels = dict[str, Annotated[str, Field(max_length=63)]]
Annotations = dict[str, Annotated[str, Field(max_length=4096)]]


class Toleration(ApiModel):
    """A taint that pods may live with."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.operator) || self.operator != 'Exists' || !has(self.value)",
                "a toleration with the operator Exists has no value: remove one of them",
            ),
            (
                "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
                "a toleration without a key tolerates every taint, which takes the operator Exists",
            ),
        )
    )

    key: Annotated[str, Field(max_length=317)] | None = None
    """Key of the taint; absent: every key, with the operator Exists."""

    operator: Literal["Equal", "Exists"] | None = None
    """How value and taint are compared. Default: Equal."""

    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the taint."""

    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; absent: every effect."""

    toleration_seconds: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """How long a taint of effect NoExecute is lived with; absent: for ever."""


class TopologySpreadConstraint(ApiModel):
    """How pods are spread; they are counted by the memory's own labels."""

    topology_key: Annotated[str, Field(min_length=1, max_length=317)]
    """Label of nodes that makes up a domain, such as `topology.kubernetes.io/zone`."""

    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    """What happens to a pod that cannot be placed so."""

    max_skew: Annotated[int, Field(ge=1, le=1000)]
    """Largest difference in pods between two domains."""

    min_domains: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Fewest domains to count; only with DoNotSchedule."""


class KeyReference(ApiModel):
    """A key of a ConfigMap or of a Secret in the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object."""

    key: Annotated[str, Field(min_length=1, max_length=253)]
    """The key whose value is taken."""


class VariableSource(ApiModel):
    """Where the value of a variable is found."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.configMapKeyRef) != has(self.secretKeyRef)",
                "valueFrom is either a configMapKeyRef or a secretKeyRef",
            ),
        )
    )

    config_map_key_ref: KeyReference | None = None
    """A key of a ConfigMap."""

    secret_key_ref: KeyReference | None = None
    """A key of a Secret. The variable is read when a pod starts: of a secret that changes, a file is better."""


class Variable(ApiModel):
    """An environment variable of the server's container."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.value) != has(self.valueFrom)",
                "a variable has either a value or valueFrom",
            ),
            (
                # The server reads its settings in upper and lower case.
                "!self.name.matches('^(?i)soma_')",
                "podTemplate.env must not begin with 'SOMA_': the server's settings are fields of the spec",
            ),
        )
    )

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Name of the variable, such as `HTTPS_PROXY` or `TZ`."""

    value: Annotated[str, Field(max_length=4096)] | None = None
    """Its value."""

    value_from: VariableSource | None = None
    """Where its value is found."""


class FilesVolume(ApiModel):
    """Files of a ConfigMap or of a Secret in the server's container, read-only."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.configMapName) != has(self.secretName)",
                "a volume has either a configMapName or a secretName",
            ),
            (
                "!(self.mountPath + '/').matches('^/(data|tmp|app|opt/soma|etc/soma)/')",
                "mountPath must not be in /data, /tmp, /app, /opt/soma or /etc/soma: these are the server's",
            ),
        )
    )

    name: Annotated[
        str, Field(min_length=1, max_length=50, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    ]
    """Name of the volume, by which it is known here."""

    mount_path: Annotated[
        str,
        Field(max_length=1024, pattern=r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+/?$"),
    ]
    """Folder of the files, such as `/etc/ssl/private-ca`."""

    config_map_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """ConfigMap of the files."""

    secret_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Secret of the files."""


_HAS_NUMBERS = "has(self.runAsUser) || has(self.runAsGroup) || has(self.fsGroup)"


class SeLinuxOptions(ApiModel):
    """Labels of SELinux."""

    user: Annotated[str, Field(max_length=253)] | None = None
    """User."""

    role: Annotated[str, Field(max_length=253)] | None = None
    """Role."""

    type: Annotated[str, Field(max_length=253)] | None = None
    """Type."""

    level: Annotated[str, Field(max_length=253)] | None = None
    """Level, such as `s0:c26,c5`."""


class PodSecurity(ApiModel):
    """Who the pods' processes are. What they may not do is the restricted Pod Security Standard, always."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"!has(self.type) || self.type != 'Assigned' || !({_HAS_NUMBERS})",
                "securityContext.type Assigned leaves runAsUser, runAsGroup and fsGroup to the cluster: remove them",
            ),
        )
    )

    type: Literal["Fixed", "Assigned"] = "Fixed"
    """Fixed: the numbers below. Assigned: the cluster gives them, as OpenShift does. Default: Fixed."""

    run_as_user: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """User. Default: 10001."""

    run_as_group: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Group. Default: 10001."""

    fs_group: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Group that the volume is given to. Default: 10001."""

    supplemental_groups: Annotated[
        list[Annotated[int, Field(ge=0, le=2**31 - 1)]],
        Field(max_length=16, json_schema_extra=ATOMIC),
    ] = []
    """More groups of the processes, such as one that a shared volume belongs to."""

    se_linux_options: SeLinuxOptions | None = None
    """Labels of SELinux. Default: the cluster's."""


class PodTemplate(ApiModel):
    """What the pods get beside what the operator gives them."""

    labels: Annotated[
        Labels,
        Field(
            max_length=32,
            json_schema_extra=rules(
                (
                    "self.all(key, !key.startsWith('app.kubernetes.io/'))",
                    "podTemplate.labels must not begin with 'app.kubernetes.io/': these are the operator's",
                )
            ),
        ),
    ] = {}
    """More labels of the pods."""

    annotations: Annotated[
        Annotations,
        Field(
            max_length=32,
            json_schema_extra=rules(
                (
                    "self.all(key, !key.startsWith('memory.soma.sh/'))",
                    "podTemplate.annotations must not begin with 'memory.soma.sh/': these are the operator's",
                )
            ),
        ),
    ] = {}
    """More annotations of the pods."""

    node_selector: Annotated[Labels, Field(max_length=32)] = {}
    """Labels that a node must have."""

    tolerations: Annotated[list[Toleration], Field(max_length=32, json_schema_extra=ATOMIC)] = []
    """Taints that the pods may live with."""

    affinity: Annotated[
        dict[str, Any],
        Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}),
    ] = {}
    """Affinity as in a pod's spec; the API server judges it when the Deployment is written."""

    topology_spread_constraints: Annotated[
        list[TopologySpreadConstraint],
        Field(
            max_length=8,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["topologyKey", "whenUnsatisfiable"],
            },
        ),
    ] = []
    """How the pods are spread over domains of nodes."""

    priority_class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """PriorityClass of the pods."""

    service_account_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """ServiceAccount of the pods, such as one that a cloud gives rights to; it must be there. Its token is not mounted.
    Default: one of the memory's own, without rights."""

    security_context: PodSecurity = PodSecurity()
    """Who the processes are, of servers and of the Jobs of copies."""

    env: Annotated[list[Variable], Field(max_length=64, json_schema_extra=KEYED_BY_NAME)] = []
    """More environment variables of the server's container, such as those of a proxy."""

    volumes: Annotated[list[FilesVolume], Field(max_length=16, json_schema_extra=KEYED_BY_NAME)] = (
        []
    )
    """More files in the server's container."""

    patches: Annotated[list[PodPatch], Field(max_length=32, json_schema_extra=ATOMIC)] = []
    """Changes of the server's pods that no field speaks of, in their order: for sidecars, host aliases, hooks. One that
    cannot be made is told as InvalidSpec."""

    @property
    def secret_names(self) -> frozenset[str]:
        """Names of the Secrets without which a pod cannot start."""
        refs = [one.value_from.secret_key_ref for one in self.env if one.value_from is not None]
        named = [
            *(ref.name for ref in refs if ref is not None),
            *(one.secret_name for one in self.volumes),
        ]
        return frozenset(name for name in named if name is not None)
