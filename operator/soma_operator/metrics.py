"""Metrics of the operator, all of them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """Counters of one operator process; label values come from closed sets."""

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
