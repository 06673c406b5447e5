"""NetworkPolicy: which connections the pods may have."""

from soma_operator.api.v1alpha1 import GRPC_PORT, HTTP_PORT
from soma_operator.core.kinds import NETWORK_POLICY, Manifest
from soma_operator.core.render.metadata import (
    BACKUP_APP,
    MEMORY_LABEL,
    NAME_LABEL,
    child,
    selector_of,
)
from soma_operator.core.resolve import ResolvedMemory

DNS_PORT = 53


def network_policy(memory: ResolvedMemory) -> Manifest:
    """Return the policy: gRPC from those who are named, health and metrics from everybody, and DNS out."""
    wish = memory.spec.network_policy
    grpc: Manifest = {"ports": [_port(GRPC_PORT)]}
    if wish.allow_from:
        copies = {NAME_LABEL: BACKUP_APP, MEMORY_LABEL: memory.name}
        grpc["from"] = [*wish.allow_from, {"podSelector": {"matchLabels": copies}}]
    # Without a peer: name servers are found under any address, and a probe comes from the node.
    dns = {"ports": [_port(DNS_PORT, "UDP"), _port(DNS_PORT)]}
    return child(
        NETWORK_POLICY,
        memory.name,
        memory,
        spec={
            "podSelector": {"matchLabels": selector_of(memory.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [grpc, {"ports": [_port(HTTP_PORT)]}],
            "egress": [dns, *wish.egress],
        },
    )


def _port(number: int, protocol: str = "TCP") -> Manifest:
    return {"port": number, "protocol": protocol}
