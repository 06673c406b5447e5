"""NetworkPolicy: which connections the pods may have."""

import re

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
    """Return the policy: gRPC from those who are named, health and metrics from everybody; DNS and back ends out."""
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
            "egress": [dns, *_back_ends(memory), *wish.egress],
        },
    )


def _back_ends(memory: ResolvedMemory) -> list[Manifest]:
    """Return the way to what the spec names: by its port, because a policy knows no names, and addresses change."""
    openai = memory.spec.embeddings.openai
    return [] if openai is None else [{"ports": [_port(_port_of(openai.endpoint))]}]


def _port_of(url: str) -> int:
    # The CRD has a rule for the form.
    named = re.match(r"https?://[^/:]+:(\d+)", url)
    if named is not None:
        return int(named[1])
    return 443 if url.startswith("https:") else 80


def _port(number: int, protocol: str = "TCP") -> Manifest:
    return {"port": number, "protocol": protocol}
