"""How GitOps tools read a status, in our own words: kstatus, which Flux and `kubectl wait`-like tools rest on."""

from typing import Literal

from soma_operator.core.kinds import Manifest

Health = Literal["Terminating", "InProgress", "Failed", "Current"]


def kstatus(resource: Manifest) -> Health:
    """Return what kstatus makes of a custom resource; the order of the questions is its own."""
    metadata, status = resource["metadata"], resource.get("status", {})
    if "deletionTimestamp" in metadata:
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "Current" if conditions.get("Ready", "True") == "True" else "InProgress"
