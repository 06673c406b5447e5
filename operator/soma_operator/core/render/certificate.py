"""Certificate: asks cert-manager to keep the server's certificate in a Secret."""

from soma_operator.core.kinds import CERTIFICATE, Manifest
from soma_operator.core.render.metadata import child
from soma_operator.core.resolve import ResolvedMemory


def certificate(memory: ResolvedMemory) -> Manifest:
    """Return the Certificate; a renewed one reaches the pods by the Secret, without a restart."""
    wish = memory.spec.tls.cert_manager
    assert wish is not None, "a rule of the API ties it to the mode"
    spec: Manifest = {
        "secretName": memory.spec.tls.secret_name,
        "dnsNames": list(dict.fromkeys([*_names(memory), *wish.dns_names])),
        "issuerRef": wish.issuer_ref.model_dump(),
        "usages": ["server auth", "digital signature"],
        # A key that was read once is of no use after the next renewal.
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
    }
    for name, value in (("duration", wish.duration), ("renewBefore", wish.renew_before)):
        if value is not None:
            spec[name] = value
    return child(CERTIFICATE, memory.name, memory, spec=spec)


def _names(memory: ResolvedMemory) -> list[str]:
    """Return the names that clients in the cluster reach the server by."""
    services = [memory.name]
    if memory.spec.service.headless:
        services.append(memory.names.pods_service)
    endings = (
        "",
        f".{memory.namespace}",
        f".{memory.namespace}.svc",
        f".{memory.namespace}.svc.cluster.local",
    )
    return [service + ending for service in services for ending in endings]
