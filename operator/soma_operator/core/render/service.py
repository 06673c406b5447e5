"""Services in front of the server's pods."""

from soma_operator.api.v1alpha1 import GRPC_PORT, HTTP_PORT
from soma_operator.core.kinds import SERVICE, Manifest
from soma_operator.core.render.metadata import child, selector_of
from soma_operator.core.resolve import ResolvedMemory


def service(memory: ResolvedMemory) -> Manifest:
    """Return the Service: gRPC for clients, HTTP for health and metrics."""
    wish = memory.spec.service
    manifest = child(
        SERVICE,
        memory.name,
        memory,
        spec={
            "type": wish.type,
            "selector": selector_of(memory.name),
            "ports": [
                {
                    "name": "grpc",
                    "port": wish.port,
                    "protocol": "TCP",
                    "targetPort": "grpc",
                    # Meshes and gateways balance gRPC by call, not by connection, when they are told.
                    "appProtocol": "grpc",
                },
                {
                    "name": "http",
                    "port": HTTP_PORT,
                    "protocol": "TCP",
                    "targetPort": "http",
                    "appProtocol": "http",
                },
            ],
        },
    )
    if wish.annotations:
        manifest["metadata"]["annotations"] = dict(wish.annotations)
    return manifest


def pods_service(memory: ResolvedMemory) -> Manifest:
    """Return the headless Service: its name resolves to the pods that are ready.

    Nothing stands between a client and the pods, so that the port is theirs, whatever the other Service's is.
    """
    grpc = {
        "name": "grpc",
        "port": GRPC_PORT,
        "protocol": "TCP",
        "targetPort": "grpc",
        "appProtocol": "grpc",
    }
    return child(
        SERVICE,
        memory.names.pods_service,
        memory,
        spec={"clusterIP": "None", "selector": selector_of(memory.name), "ports": [grpc]},
    )
