"""ScaledObject: lets KEDA decide on the number of servers, by what its triggers tell."""

from soma_operator.api.v1alpha1 import KedaTrigger
from soma_operator.core.kinds import DEPLOYMENT, SCALED_OBJECT, Manifest
from soma_operator.core.render.metadata import child
from soma_operator.core.resolve import ResolvedMemory

PAUSED_ANNOTATION = "autoscaling.keda.sh/paused-replicas"
"""Of KEDA: holds the number of servers, whatever the triggers tell."""


def scaled_object(memory: ResolvedMemory) -> Manifest:
    """Return the ScaledObject; it scales the Deployment, so that nothing writes to the SomaMemory's spec."""
    wish = memory.spec.autoscaling
    assert wish.keda is not None, "a rule of the API ties it to the type"
    spec: Manifest = {
        "scaleTargetRef": {
            "apiVersion": DEPLOYMENT.api_version,
            "kind": DEPLOYMENT.name,
            "name": memory.name,
        },
        "minReplicaCount": wish.min_replicas,
        "maxReplicaCount": wish.max_replicas,
        "triggers": [_trigger(one) for one in wish.keda.triggers],
    }
    if wish.keda.polling_interval_seconds is not None:
        spec["pollingInterval"] = wish.keda.polling_interval_seconds
    manifest = child(SCALED_OBJECT, memory.name, memory, spec=spec)
    if memory.replicas.wished == 0:
        # Other than an HPA, KEDA takes 0 for a number like any other, and starts servers from it.
        manifest["metadata"]["annotations"] = {PAUSED_ANNOTATION: "0"}
    return manifest


def _trigger(wish: KedaTrigger) -> Manifest:
    trigger: Manifest = {"type": wish.type, "metadata": dict(wish.metadata)}
    if wish.metric_type is not None:
        trigger["metricType"] = wish.metric_type
    if wish.authentication_name is not None:
        trigger["authenticationRef"] = {"name": wish.authentication_name}
    return trigger
