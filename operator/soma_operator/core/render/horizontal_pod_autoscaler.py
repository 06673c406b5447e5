"""HorizontalPodAutoscaler: who decides on the number of servers, where the spec leaves it to the load."""

from soma_operator.core.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, Manifest
from soma_operator.core.render.metadata import child
from soma_operator.core.resolve import ResolvedMemory


def horizontal_pod_autoscaler(memory: ResolvedMemory) -> Manifest:
    """Return the autoscaler; it scales the Deployment, so that nothing writes to the SomaMemory's spec."""
    wish = memory.spec.autoscaling
    aim = {"type": "Utilization", "averageUtilization": wish.target_cpu_utilization_percentage}
    return child(
        HORIZONTAL_POD_AUTOSCALER,
        memory.name,
        memory,
        spec={
            "scaleTargetRef": {
                "apiVersion": DEPLOYMENT.api_version,
                "kind": DEPLOYMENT.name,
                "name": memory.name,
            },
            "minReplicas": wish.min_replicas,
            "maxReplicas": wish.max_replicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": aim}}],
        },
    )
