"""PodMonitor: tells a Prometheus of the Prometheus operator to read the pods' metrics."""

from soma_operator.core.kinds import POD_MONITOR, Manifest
from soma_operator.core.render.metadata import child, selector_of
from soma_operator.core.resolve import ResolvedMemory


def pod_monitor(memory: ResolvedMemory) -> Manifest:
    """Return the monitor."""
    wish = memory.spec.monitoring.pod_monitor
    manifest = child(
        POD_MONITOR,
        memory.name,
        memory,
        spec={
            "selector": {"matchLabels": selector_of(memory.name)},
            "podMetricsEndpoints": [
                {"port": "http", "path": "/metrics", "interval": wish.interval}
            ],
        },
    )
    labels = manifest["metadata"]["labels"]
    manifest["metadata"]["labels"] = {**wish.labels, **labels}
    return manifest
