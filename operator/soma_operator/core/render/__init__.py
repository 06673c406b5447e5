"""From resolved values to manifests: one kind per file, one function per kind."""

from dataclasses import dataclass

from soma_operator.core.kinds import Manifest
from soma_operator.core.render.config_map import config_map
from soma_operator.core.render.deployment import deployment
from soma_operator.core.render.metadata import with_applied_hash
from soma_operator.core.render.persistent_volume_claim import persistent_volume_claim
from soma_operator.core.render.pod_disruption_budget import pod_disruption_budget
from soma_operator.core.render.service import service
from soma_operator.core.render.service_account import service_account
from soma_operator.core.resolve import ResolvedMemory


@dataclass(frozen=True, slots=True)
class Prepared:
    """Manifests that are wished for and not yet applied, in the order of applying."""

    manifests: tuple[Manifest, ...]


def render(memory: ResolvedMemory) -> Prepared:
    """Return every child; the Deployment comes last, for its pods mount and name the others."""
    manifests = [
        service_account(memory),
        config_map(memory),
        persistent_volume_claim(memory),
        service(memory),
    ]
    if memory.spec.pod_disruption_budget.enabled:
        manifests.append(pod_disruption_budget(memory))
    manifests.append(deployment(memory))
    return Prepared(tuple(with_applied_hash(manifest) for manifest in manifests))
