"""Who reaches the servers, and what they tell about themselves."""

from typing import Annotated, Any, Literal

from pydantic import Field

from soma_operator.api.v1alpha1.base import ATOMIC, GRPC_PORT, HTTP_PORT, ApiModel, rules

Foreign = Annotated[
    dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})
]
"""An object as another API knows it; that API judges it when it is written."""


class ServiceSpec(ApiModel):
    """How clients reach the server."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Type of the Service. Default: ClusterIP."""

    port: Annotated[
        int,
        Field(
            ge=1,
            le=65535,
            json_schema_extra=rules(
                (
                    f"self != {HTTP_PORT}",
                    f"service.port {HTTP_PORT} is taken by health and metrics: choose another, such as {GRPC_PORT}",
                )
            ),
        ),
    ] = GRPC_PORT
    """Port of the gRPC services. Default: 50053."""

    annotations: Annotated[
        dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)
    ] = {}
    """Annotations of the Service, such as those that a cloud's load balancer reads."""

    headless: bool = False
    """Whether there is a second Service, NAME-pods, whose name stands for the pods themselves: clients that spread
    their calls over what a name stands for, as the Python client does, use all of them. Default: false."""

    max_connection_age_seconds: Annotated[int, Field(ge=10, le=86400)] | None = None
    """Longest life of a gRPC connection; clients then make a new one, and find new pods. Default: the server's."""


class NetworkPolicySpec(ApiModel):
    """Which connections the pods may have, where the cluster's network enforces policies."""

    enabled: bool = True
    """Whether a NetworkPolicy is made: gRPC and health in, DNS out. Default: true."""

    allow_from: Annotated[list[Foreign], Field(max_length=32, json_schema_extra=ATOMIC)] = []
    """Who may call gRPC, as peers of a NetworkPolicy. Default: everybody."""

    egress: Annotated[list[Foreign], Field(max_length=32, json_schema_extra=ATOMIC)] = []
    """What the pods may reach beside DNS, as egress rules of a NetworkPolicy. Default: nothing."""


class PodMonitorSpec(ApiModel):
    """A PodMonitor for the Prometheus operator."""

    enabled: bool = False
    """Whether a PodMonitor is made, where its kind is served. Default: false."""

    labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)] = {}
    """Labels by which a Prometheus finds it."""

    interval: Annotated[
        str,
        Field(
            max_length=16,
            json_schema_extra=rules(
                (
                    "self.matches('^[1-9][0-9]*(s|m|h)$')",
                    "monitoring.podMonitor.interval must be a number and 's', 'm' or 'h', such as '30s'",
                )
            ),
        ),
    ] = "30s"
    """Time between two readings. Default: 30s."""


class Monitoring(ApiModel):
    """What the server tells about itself."""

    log_level: Literal["Debug", "Info", "Warning", "Error"] = "Info"
    """Least severe level that is logged. Default: Info."""

    audit: Literal["Off", "Log"] = "Off"
    """Log: a line for every call that asks for more than to read, in the pod's log. Default: Off."""

    pod_monitor: PodMonitorSpec = PodMonitorSpec()
    """A PodMonitor for the Prometheus operator. Default: none."""


class Limits(ApiModel):
    """Bounds of the server. Default of each: the server's own."""

    max_message_bytes: Annotated[int, Field(ge=64 * 1024, le=256 * 1024 * 1024)] | None = None
    """Largest gRPC message."""

    max_payload_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] | None = None
    """Largest payload of one memory."""

    max_concurrent_calls: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Calls worked on at once."""

    max_concurrent_streams: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Streaming calls open at once."""

    tenant_requests_per_second: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Calls of one tenant in a second, where its token says nothing else."""

    tenant_bytes_per_second: Annotated[int, Field(ge=1024, le=1_000_000_000)] | None = None
    """Bytes of one tenant's calls in a second, where its token says nothing else."""
