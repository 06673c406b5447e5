"""Defaults that many SomaMemories share."""

from typing import Annotated

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.base import ApiModel
from soma_operator.api.v1alpha1.network import Limits, Monitoring, NetworkPolicySpec, ServiceSpec
from soma_operator.api.v1alpha1.pod_template import PodTemplate
from soma_operator.api.v1alpha1.rules import LIMITS_RULE
from soma_operator.api.v1alpha1.storage import EmbeddedStorage
from soma_operator.api.v1alpha1.update import UpdateStrategy
from soma_operator.api.v1alpha1.workload import (
    Image,
    PodDisruptionBudgetSpec,
    Resources,
)

ClassName = Annotated[str, Field(min_length=1, max_length=253)]


class ClassStorage(ApiModel):
    """Where memories are kept."""

    embedded: EmbeddedStorage = EmbeddedStorage()
    """Of a SomaMemory with the storage type Embedded. The size may grow later; the storage class is that of new
    volumes."""


class SomaMemoryClassSpec(ApiModel):
    """What a SomaMemory of this class gets where its own spec is silent; field by field, but the image as a whole."""

    model_config = ConfigDict(json_schema_extra=LIMITS_RULE)

    image: Image = Image()
    """Image of the memory server."""

    storage: ClassStorage = ClassStorage()
    """Where memories are kept."""

    service: ServiceSpec = ServiceSpec()
    """How clients reach the server."""

    resources: Resources = Resources()
    """Compute resources of the server."""

    pod_template: PodTemplate = PodTemplate()
    """What the pods get beside what the operator gives them."""

    network_policy: NetworkPolicySpec = NetworkPolicySpec()
    """Which connections the pods may have."""

    pod_disruption_budget: PodDisruptionBudgetSpec = PodDisruptionBudgetSpec()
    """What a drain of nodes may take away."""

    update_strategy: UpdateStrategy = UpdateStrategy()
    """How a change reaches the pods; a change of the class is one of every SomaMemory of it."""

    monitoring: Monitoring = Monitoring()
    """What the server tells about itself."""

    limits: Limits = Limits()
    """Bounds of the server."""


class SomaMemoryClass(ApiModel):
    """Defaults of the SomaMemories that name it in `spec.className`; nothing of it is written to them."""

    spec: SomaMemoryClassSpec = SomaMemoryClassSpec()
    """The defaults."""
