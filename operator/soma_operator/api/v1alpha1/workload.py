"""How the servers run: image, resources, number."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.base import (
    ATOMIC,
    KEYED_BY_NAME,
    ApiModel,
    LocalObjectReference,
    Quantity,
    rules,
)


class Image(ApiModel):
    """Image of the memory server. What is left out is taken from the operator's own default."""

    repository: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Image without tag and digest, such as `registry.example.com/soma-memory-server`."""

    tag: (
        Annotated[
            str,
            Field(
                max_length=128,
                json_schema_extra=rules(
                    (
                        r"self.matches('^[A-Za-z0-9_][A-Za-z0-9._-]*$')",
                        "image.tag must be letters, digits, '_', '.', '-', and start with a letter, digit or '_'",
                    )
                ),
            ),
        ]
        | None
    ) = None
    """Tag of the image."""

    digest: (
        Annotated[
            str,
            Field(
                max_length=71,
                json_schema_extra=rules(
                    (
                        "self.matches('^sha256:[0-9a-f]{64}$')",
                        "image.digest must be 'sha256:' and 64 hexadecimal digits",
                    )
                ),
            ),
        ]
        | None
    ) = None
    """Digest of the image; wins over the tag."""

    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the node asks the registry."""

    pull_secrets: Annotated[
        list[LocalObjectReference],
        Field(
            max_length=16,
            json_schema_extra=KEYED_BY_NAME,
        ),
    ] = []
    """Secrets with the registry's credentials."""


class Resources(ApiModel):
    """Compute resources of the server's container."""

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] = {}
    """What the scheduler sets aside."""

    limits: Annotated[dict[str, Quantity], Field(max_length=16)] = {}
    """What the container may not exceed."""


class KedaTrigger(ApiModel):
    """A scaler of KEDA, and what it asks."""

    type: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the scaler, such as `prometheus` or `cron`."""

    metadata: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)]
    """Settings of the scaler, as its page in KEDA's documentation names them."""

    metric_type: Literal["AverageValue", "Value", "Utilization"] | None = None
    """How the metric is compared. Default: KEDA's own."""

    authentication_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """TriggerAuthentication in the same namespace with the scaler's credentials."""


class Keda(ApiModel):
    """Settings of a ScaledObject of KEDA."""

    triggers: Annotated[
        list[KedaTrigger], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)
    ]
    """What the number of servers follows; the one that asks for the most wins."""

    polling_interval_seconds: Annotated[int, Field(ge=1, le=86400)] | None = None
    """Time between two looks at the triggers. Default: KEDA's own."""


class Autoscaling(ApiModel):
    """Who decides on the number of servers."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(has(self.type) && self.type == 'KEDA') == has(self.keda)",
                "autoscaling.keda goes with autoscaling.type KEDA, and with no other",
            ),
        )
    )

    type: Literal["None", "HPA", "KEDA"] = "None"
    """None: `spec.replicas`. HPA: a HorizontalPodAutoscaler by CPU. KEDA: a ScaledObject, where its kind is served.
    With both, `spec.replicas` is not looked at. Default: None."""

    min_replicas: Annotated[int, Field(ge=1, le=100)] = 1
    """Fewest servers. Default: 1."""

    max_replicas: Annotated[int, Field(ge=1, le=100)] = 1
    """Most servers. Default: 1."""

    target_cpu_utilization_percentage: Annotated[
        int, Field(ge=1, le=1000, alias="targetCPUUtilizationPercentage")
    ] = 80
    """CPU that the type HPA aims at, in percent of `resources.requests.cpu`. Default: 80."""

    keda: Keda | None = None
    """Settings of the type KEDA."""


class PodDisruptionBudgetSpec(ApiModel):
    """What a drain of nodes may take away."""

    enabled: bool = True
    """Whether a PodDisruptionBudget is made. Default: true."""

    max_unavailable: Annotated[int, Field(ge=0, le=1000)] = 1
    """Pods that may be away at once; 0 forbids every drain. Default: 1."""
