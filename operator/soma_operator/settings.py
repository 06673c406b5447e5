"""Settings of the operator: `SOMA_OPERATOR_*`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from soma_common.settings import Port, SomaBaseSettings


class OperatorSettings(SomaBaseSettings):
    """Settings of one operator process; the chart renders them."""

    model_config = SettingsConfigDict(
        env_prefix="SOMA_OPERATOR_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    service: str = "soma-operator"
    """Value of the label `service` on log lines."""

    namespace: str = "default"
    """Namespace the operator runs in: home of its Lease. The chart fills it from the pod."""

    identity: str = "local"
    """Name of this process in the Lease and in Events. The chart fills it with the pod's name."""

    watch_namespaces: str = ""
    """Namespaces to serve, separated by commas. Empty: all of them."""

    server_image: str = "localhost/soma-memory-server:latest"
    """Image of memory servers whose SomaMemory names none."""

    server_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """Pull policy of memory servers whose SomaMemory names none."""

    http_host: str = "0.0.0.0"  # noqa: S104 - the kubelet probes from outside the pod
    """Address that the HTTP port listens on."""

    http_port: Port = 8080
    """Port of `/livez`, `/readyz` and `/metrics`."""

    workers: Annotated[int, Field(ge=1, le=256)] = 4
    """Resources reconciled at once. One that hangs holds one worker, never another resource. More are no faster on an
    API server that is busy, and take its time from the controllers that bind volumes and run pods."""

    reconcile_timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    """Longest reconcile, seconds; more than two request timeouts, so that a slow API server is not cut off."""

    min_interval_s: Annotated[float, Field(ge=0, le=60)] = 1.0
    """Least time between two reconciles of one resource, seconds: bounds status writes while pods roll."""

    resync_s: Annotated[float, Field(ge=1, le=3600)] = 300.0
    """Every resource is reconciled at least this often, seconds: the net below lost watch events."""

    backoff_base_s: Annotated[float, Field(gt=0, le=60)] = 0.5
    """First wait after a failed reconcile, seconds; doubled with each further failure."""

    backoff_cap_s: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """Longest wait after a failed reconcile, seconds."""

    leader_election: bool = True
    """Off: this process acts without asking. For a laptop, where it is surely alone."""

    lease_name: str = "soma-operator"
    """Name of the Lease that the acting process holds."""

    lease_duration_s: Annotated[float, Field(ge=1, le=300)] = 15.0
    """A Lease that did not change for this long is free, seconds: the longest pause after a dead leader."""

    lease_renew_s: Annotated[float, Field(gt=0, le=100)] = 2.0
    """Time between renewals of the Lease, and between looks at a foreign one, seconds."""

    otlp_endpoint: str | None = None
    """Collector of traces, such as `http://collector:4318`; `/v1/traces` is added (OTLP over HTTP). None: there are no
    traces. Headers, certificates and the like: by OpenTelemetry's variables, such as `OTEL_EXPORTER_OTLP_HEADERS`."""

    trace_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the reconciles that are traced."""

    kubeconfig: Path | None = None
    """File that names the API server. None: the pod's ServiceAccount, else `KUBECONFIG`, else `~/.kube/config`."""

    request_timeout_s: Annotated[float, Field(gt=0, le=300)] = 30.0
    """Longest answer of the API server to one request, seconds."""

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces to serve; empty means all."""
        return tuple(name.strip() for name in self.watch_namespaces.split(",") if name.strip())
