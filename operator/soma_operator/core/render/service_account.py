"""ServiceAccount of the server's pods: a name without rights."""

from soma_operator.core.kinds import SERVICE_ACCOUNT, Manifest
from soma_operator.core.render.metadata import child
from soma_operator.core.resolve import ResolvedMemory


def service_account(memory: ResolvedMemory) -> Manifest:
    """Return the ServiceAccount; the server does not talk to the API server, so no token is mounted."""
    return child(SERVICE_ACCOUNT, memory.name, memory, automountServiceAccountToken=False)
