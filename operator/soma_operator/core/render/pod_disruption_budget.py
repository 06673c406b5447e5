"""PodDisruptionBudget: what a drain of nodes may take away."""

from soma_operator.core.kinds import POD_DISRUPTION_BUDGET, Manifest
from soma_operator.core.render.metadata import child, selector_of
from soma_operator.core.resolve import ResolvedMemory


def pod_disruption_budget(memory: ResolvedMemory) -> Manifest:
    """Return the budget."""
    return child(
        POD_DISRUPTION_BUDGET,
        memory.name,
        memory,
        spec={
            "maxUnavailable": memory.spec.pod_disruption_budget.max_unavailable,
            "selector": {"matchLabels": selector_of(memory.name)},
            # A pod that cannot become ready protects nothing: without this a drain waits for it for ever.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    )
