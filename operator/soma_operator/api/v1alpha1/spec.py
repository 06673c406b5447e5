"""The wish."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.backup_policy import BackupPolicy, Bootstrap
from soma_operator.api.v1alpha1.base import ApiModel
from soma_operator.api.v1alpha1.memory_class import ClassName
from soma_operator.api.v1alpha1.network import Limits, Monitoring, NetworkPolicySpec, ServiceSpec
from soma_operator.api.v1alpha1.pod_template import PodTemplate
from soma_operator.api.v1alpha1.rules import SPEC_RULES
from soma_operator.api.v1alpha1.security import Auth, Tls
from soma_operator.api.v1alpha1.storage import Embeddings, Storage
from soma_operator.api.v1alpha1.update import UpdateStrategy
from soma_operator.api.v1alpha1.workload import (
    Autoscaling,
    Image,
    PodDisruptionBudgetSpec,
    Resources,
)


class SomaMemorySpec(ApiModel):
    """What is wished for."""

    model_config = ConfigDict(json_schema_extra=SPEC_RULES)

    class_name: ClassName | None = None
    """SomaMemoryClass that fills in what this spec leaves open. Default: none."""

    image: Image = Image()
    """Image of the memory server. Default: the one that came with the operator."""

    replicas: Annotated[int, Field(ge=0, le=100)] = 1
    """Memory servers to run; 0 stops the memory and keeps its data."""

    paused: bool = False
    """While true, the operator changes nothing that belongs to this resource. Default: false."""

    hibernated: bool = False
    """While true, no server runs and the data is kept. Default: false."""

    storage: Storage = Storage()
    """Where memories are kept. Default: embedded, on a volume of 10Gi."""

    embeddings: Embeddings = Embeddings()
    """What turns text into vectors. Default: the built-in offline model."""

    tls: Tls = Tls()
    """Encryption of the gRPC port. Default: none."""

    auth: Auth = Auth()
    """Who may call. Default: everybody."""

    service: ServiceSpec = ServiceSpec()
    """How clients reach the server. Default: inside the cluster, port 50053."""

    resources: Resources = Resources()
    """Compute resources of the server. Default: none asked, none forbidden."""

    pod_template: PodTemplate = PodTemplate()
    """What the pods get beside what the operator gives them: labels, placement, priority."""

    autoscaling: Autoscaling = Autoscaling()
    """Who decides on the number of servers. Default: `replicas`."""

    network_policy: NetworkPolicySpec = NetworkPolicySpec()
    """Which connections the pods may have."""

    pod_disruption_budget: PodDisruptionBudgetSpec = PodDisruptionBudgetSpec()
    """What a drain of nodes may take away."""

    update_strategy: UpdateStrategy = UpdateStrategy()
    """How a change reaches the pods."""

    monitoring: Monitoring = Monitoring()
    """What the server tells about itself."""

    limits: Limits = Limits()
    """Bounds of the server."""

    backup: BackupPolicy = BackupPolicy()
    """When copies are made, where they are kept, and which of them go. Default: none are made."""

    bootstrap: Bootstrap = Bootstrap()
    """What the storage begins with; cannot be changed. Default: nothing."""

    deletion_policy: Literal["Retain", "Delete", "Snapshot"] = "Retain"
    """What becomes of the volume when the resource is deleted. Retain: it stays, and a new SomaMemory of the same
    name takes it up. Snapshot: a last copy is made to `backup.target` and verified, then the volume goes. Delete: all
    memories are lost. Default: Retain."""

    deletion_timeout_seconds: Annotated[int, Field(ge=10, le=86400)] = 600
    """How long a deletion waits for the last copy of the policy Snapshot; after that the resource goes, and the volume
    stays. Default: 600."""


SCHEMA_DEFAULTED = frozenset({"replicas"})
"""Fields of the spec whose default the API server writes: the scale subresource must find its field."""
