"""From resolved values to manifests: one kind per file, one function per kind."""

from collections.abc import Iterator
from dataclasses import dataclass

from soma_operator.core.kinds import CERTIFICATE, POD_MONITOR, SCALED_OBJECT, Kind, Manifest
from soma_operator.core.render.certificate import certificate
from soma_operator.core.render.config_map import config_map
from soma_operator.core.render.controller_revision import controller_revision
from soma_operator.core.render.deployment import deployment
from soma_operator.core.render.horizontal_pod_autoscaler import horizontal_pod_autoscaler
from soma_operator.core.render.metadata import with_applied_hash
from soma_operator.core.render.network_policy import network_policy
from soma_operator.core.render.persistent_volume_claim import persistent_volume_claim
from soma_operator.core.render.pod_disruption_budget import pod_disruption_budget
from soma_operator.core.render.pod_monitor import pod_monitor
from soma_operator.core.render.scaled_object import scaled_object
from soma_operator.core.render.service import pods_service, service
from soma_operator.core.render.service_account import service_account
from soma_operator.core.resolve import ResolvedMemory
from soma_operator.core.revision import Choice


@dataclass(frozen=True, slots=True)
class Prepared:
    """Manifests that are wished for and not yet applied, in the order of applying."""

    manifests: tuple[Manifest, ...]


def render(
    memory: ResolvedMemory, choice: Choice, unserved: frozenset[Kind] = frozenset()
) -> Prepared:
    """Return every child that this cluster can hold, in the order of `CHILD_KINDS`."""
    manifests = _manifests(memory, choice, unserved)
    return Prepared(tuple(with_applied_hash(manifest) for manifest in manifests))


def _manifests(
    memory: ResolvedMemory, choice: Choice, unserved: frozenset[Kind]
) -> Iterator[Manifest]:
    spec = memory.spec
    yield service_account(memory)
    if spec.network_policy.enabled:
        yield network_policy(memory)
    for revision in choice.kept:
        yield controller_revision(memory, revision)
    yield config_map(memory, choice.running)
    yield persistent_volume_claim(memory)
    yield service(memory)
    if spec.service.headless:
        yield pods_service(memory)
    if spec.pod_disruption_budget.enabled:
        yield pod_disruption_budget(memory)
    yield deployment(memory, choice.running)
    if spec.autoscaling.type == "HPA":
        yield horizontal_pod_autoscaler(memory)
    if spec.tls.cert_manager is not None and CERTIFICATE not in unserved:
        yield certificate(memory)
    if spec.monitoring.pod_monitor.enabled and POD_MONITOR not in unserved:
        yield pod_monitor(memory)
    if spec.autoscaling.type == "KEDA" and SCALED_OBJECT not in unserved:
        yield scaled_object(memory)
