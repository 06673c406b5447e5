"""Metrics of the memory server, all declared here. Label values come from closed sets."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_STREAM_SECONDS = (0.01, 0.1, 1, 10, 60, 600, 3600)
_GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)

MAX_TENANT_LABELS = 100
"""Tenants with series of their own: each costs three."""


@dataclass(frozen=True, slots=True)
class TenantCalls:
    """What became of one tenant's calls."""

    admitted: Counter
    shed: Counter
    limited: Counter


class ServerMetrics:
    """Everything that `/metrics` shows of the server itself.

    Args:
        labels: `service`, `instance`, `env` and `version`, shown once as `soma_server_info`: Prometheus joins them to
            the rest, and its own target labels carry the instance.
    """

    def __init__(self, labels: dict[str, str]) -> None:
        self.registry = CollectorRegistry()
        info = Gauge(
            "soma_server_info",
            "Facts of the server; always 1.",
            list(labels),
            registry=self.registry,
        )
        info.labels(**labels).set(1)
        self._declare_calls()
        self._declare_streams()
        self._declare_embedder()
        self._declare_access()
        self._declare_store()

    def tenant_calls(self, tenant: str) -> "TenantCalls":
        """Return a tenant's counters, to be asked for once a tenant; late tenants share those of `other`."""
        self._tenants_named += 1
        label = tenant if self._tenants_named <= MAX_TENANT_LABELS else "other"
        return TenantCalls(
            *(self._tenant_rpcs.labels(label, what) for what in ("admitted", "shed", "limited"))
        )

    def observe_tls_reload(self, outcome: str) -> None:
        """Count a change of the TLS files: `done` or `failed`."""
        self._tls_reloads.labels(outcome).inc()

    def rpc_time(self, method: str, code: str) -> Histogram:
        """Return the histogram of a method and a code; looking it up by labels costs more than observing."""
        key = (method, code)
        child = self._rpc_times.get(key)
        if child is None:
            child = self._rpc_times[key] = self.rpc_seconds.labels(method, code)
        return child

    def observe_stream(
        self, method: str, code: str, seconds: float, received: int, sent: int
    ) -> None:
        """Count one streaming call and its messages in both directions."""
        self.stream_seconds.labels(method, code).observe(seconds)
        self.stream_messages.labels(method, "received").inc(received)
        self.stream_messages.labels(method, "sent").inc(sent)

    def observe_embedder(self, outcome: str, texts: int, seconds: float | None) -> None:
        """Count what became of texts; with the seconds of their request, if there was one."""
        self._embedder_texts.labels(outcome).inc(texts)
        if seconds is not None:
            self._embedder_seconds.labels(outcome).observe(seconds)

    def observe_upkeep(self, action: str, memories: int) -> None:
        """Count what the upkeep did."""
        self._upkeep.labels(action).inc(memories)

    def observe_commit(self, writes: int, seconds: float) -> None:
        """Count one group commit."""
        self.commit_seconds.observe(seconds)
        self.commit_writes.observe(writes)

    def _declare_calls(self) -> None:
        self.rpc_seconds = Histogram(
            "soma_server_rpc_duration_seconds",
            "Time from the arrival of a call to its answer.",
            ["method", "code"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._rpc_times: dict[tuple[str, str], Histogram] = {}
        self.rpcs_in_progress = Gauge(
            "soma_server_rpcs_in_progress", "Calls that are worked on.", registry=self.registry
        )
        self.shed = Counter(
            "soma_server_rpcs_shed_total",
            "Calls refused because too many were worked on or open.",
            registry=self.registry,
        )
        self._tenant_rpcs = Counter(
            "soma_server_tenant_rpcs_total",
            "Calls and streams by tenant: admitted, shed for want of a slot, limited by the tenant's rate.",
            ["tenant", "outcome"],
            registry=self.registry,
        )
        self._tenants_named = 0

    def _declare_streams(self) -> None:
        self.stream_seconds = Histogram(
            "soma_server_stream_duration_seconds",
            "Time from the beginning of a streaming call to its end.",
            ["method", "code"],
            buckets=_STREAM_SECONDS,
            registry=self.registry,
        )
        self.stream_messages = Counter(
            "soma_server_stream_messages_total",
            "Messages of streaming calls that have ended.",
            ["method", "direction"],
            registry=self.registry,
        )
        self.streams_open = Gauge(
            "soma_server_streams_open", "Streaming calls that are open.", registry=self.registry
        )

    def _declare_embedder(self) -> None:
        self._embedder_texts = Counter(
            "soma_server_embedder_texts_total",
            "Texts for the embedder: ok, failed or refused by it, cached, and cut because they were too long.",
            ["outcome"],
            registry=self.registry,
        )
        self._embedder_seconds = Histogram(
            "soma_server_embedder_request_duration_seconds",
            "Time of one request to the embedder.",
            ["outcome"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.embedder_open = Gauge(
            "soma_server_embedder_breaker_open",
            "1: the embedder failed and is left alone, so that writes go on without embeddings.",
            registry=self.registry,
        )

    def _declare_access(self) -> None:
        self.front_deaths = Counter(
            "soma_server_front_deaths_total",
            "Front processes that died and were replaced; their calls ended, and their clients called again.",
            registry=self.registry,
        )
        self._tls_reloads = Counter(
            "soma_server_tls_reloads_total",
            "Changes of the TLS files: taken over, or failed so that the last good ones stay.",
            ["outcome"],
            registry=self.registry,
        )
        self.tokens_current = Gauge(
            "soma_server_tokens_current",
            "1: the file of tokens is in force; 0: its newest version is broken, and the one before is in force.",
            registry=self.registry,
        )
        self.auth_failures = Counter(
            "soma_server_auth_failures_total",
            "Calls refused for their credential: missing, unknown, expired, or without the scope.",
            ["reason"],
            registry=self.registry,
        )
        self.audit_failures = Counter(
            "soma_server_audit_failures_total",
            "Audit lines that could not be written.",
            registry=self.registry,
        )

    def _declare_store(self) -> None:
        self.commit_seconds = Histogram(
            "soma_server_commit_duration_seconds",
            "Time of one group commit, with its fsync.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.commit_writes = Histogram(
            "soma_server_commit_group_writes",
            "Writes that shared one commit.",
            buckets=_GROUP_SIZES,
            registry=self.registry,
        )
        self.tail_memories = Gauge(
            "soma_server_index_tail_memories",
            "Memories whose words are scanned exactly because the index does not have them yet.",
            registry=self.registry,
        )
        self._upkeep = Counter(
            "soma_server_upkeep_memories_total",
            "Memories that were expired, evicted, decayed, swept with their namespace, or had their accesses counted.",
            ["action"],
            registry=self.registry,
        )
        self.commit_seq = Gauge(
            "soma_server_commit_seq", "Last commit that every read sees.", registry=self.registry
        )
