"""Metrics of the operator, all of them."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from soma_operator.core.backup.freshness import freshness
from soma_operator.core.kinds import Manifest, name_of

OF_A_MEMORY = ("k8s_namespace", "k8s_name")
"""Labels that name a SomaMemory. Not `namespace`: a scrape puts that of the operator there."""


class Metrics:
    """Counters of one operator process; label values come from closed sets, but for those of copies."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.queue_depth = Gauge(
            "soma_operator_queue_depth",
            "Resources that wait to be reconciled, those that wait after a failure included.",
            registry=self.registry,
        )
        self.reconcile_seconds = Histogram(
            "soma_operator_reconcile_seconds",
            "Duration of one reconcile by its result: unchanged, changed, gone, failed.",
            ["result"],
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        self.api_requests = Counter(
            "soma_operator_api_requests_total",
            "Requests to the API server by verb, resource and HTTP status; code 0: no answer.",
            ["verb", "resource", "code"],
            registry=self.registry,
        )
        self.kept = Gauge(
            "soma_operator_kept",
            "Things kept in memory by what they are: remembered objects, keys of the queue, resources seen, tasks.",
            ["what"],
            registry=self.registry,
        )
        self.is_leader = Gauge(
            "soma_operator_is_leader", "1 in the process that acts, else 0.", registry=self.registry
        )

    def tell_backups(self, memories: Callable[[], Iterable[Manifest]]) -> None:
        """Tell how old copies are from now on; `memories` as for `BackupMetrics`."""
        self.registry.register(BackupMetrics(memories))


class BackupMetrics(Collector):
    """Tells how old the newest verified copy of each memory with a schedule is; counted when somebody asks.

    Args:
        memories: Gives every SomaMemory as it is known now; none in a process that does not act.
    """

    def __init__(self, memories: Callable[[], Iterable[Manifest]]) -> None:
        self._memories = memories

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the families without a sample, so that registering asks for no memories."""
        return self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the families with a sample for each memory."""
        verified, healthy = self._families()
        for memory in self._memories():
            found = freshness(memory)
            if found is not None:
                labels = (memory["metadata"]["namespace"], name_of(memory))
                verified.add_metric(labels, found.at.timestamp())
                healthy.add_metric(labels, float(found.is_healthy))
        yield verified
        yield healthy

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "soma_operator_backup_verified_timestamp_seconds",
                "When the newest verified copy of a memory's schedule was complete, Unix time; without one, when the "
                "memory was made. Memories that sleep have none.",
                labels=OF_A_MEMORY,
            ),
            GaugeMetricFamily(
                "soma_operator_backup_healthy",
                "1 while the condition BackupHealthy of a memory with a schedule is True, else 0.",
                labels=OF_A_MEMORY,
            ),
        )
