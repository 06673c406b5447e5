"""ConfigMap with the server's settings."""

from soma_operator.core.kinds import CONFIG_MAP, Manifest
from soma_operator.core.render.metadata import child
from soma_operator.core.resolve import ResolvedMemory
from soma_operator.core.revision import Revision


def config_map(memory: ResolvedMemory, revision: Revision) -> Manifest:
    """Return the ConfigMap."""
    return child(CONFIG_MAP, memory.names.config_map, memory, data=dict(revision.environment))
