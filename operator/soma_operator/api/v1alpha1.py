"""SomaMemory, version v1alpha1: the types, and the only source of the CRD.

Rules:
    - A default here is the operator's; only `SCHEMA_DEFAULTED` fields get it from the API server as well, so that
      what a user left open stays visible as open, and a later class of defaults can fill it.
    - A rule over several fields is CEL, in `rules(...)`, with a sentence that names the mend.
    - No default inside a list item, every list of objects has a key: else GitOps tools see differences.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GRPC_PORT = 50053
HTTP_PORT = 8080
DEFAULT_DIMENSIONS = 256

NEVER_OBSERVED = -1
"""`status.observedGeneration` before the operator's first look: GitOps tools then see a resource in progress."""

_NUMBER = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
QUANTITY_PATTERN = rf"^(\+|-)?{_NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{_NUMBER}))?$"

PAUSE_ANNOTATION = "memory.soma.sh/reconcile"
"""On a SomaMemory, `disabled` pauses it without a change of the spec: for the hour of need."""

RESTART_ANNOTATION = "memory.soma.sh/restartedAt"
"""On a SomaMemory, a new value restarts the pods."""


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return the CEL rules of a schema: each a condition, and the sentence for who breaks it."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": text} for rule, text in pairs]}


class ApiModel(BaseModel):
    """Base of every type: camelCase on the wire, unknown fields left to newer versions."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )


class LocalObjectReference(ApiModel):
    """Names an object in the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object."""


class Image(ApiModel):
    """Image of the memory server. What is left out is taken from the operator's own default."""

    repository: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Image without tag and digest, such as `registry.example.com/soma-memory-server`."""

    tag: (
        Annotated[
            str,
            Field(
                max_length=128,
                json_schema_extra=rules(
                    (
                        r"self.matches('^[A-Za-z0-9_][A-Za-z0-9._-]*$')",
                        "image.tag must be letters, digits, '_', '.', '-', and start with a letter, digit or '_'",
                    )
                ),
            ),
        ]
        | None
    ) = None
    """Tag of the image."""

    digest: (
        Annotated[
            str,
            Field(
                max_length=71,
                json_schema_extra=rules(
                    (
                        "self.matches('^sha256:[0-9a-f]{64}$')",
                        "image.digest must be 'sha256:' and 64 hexadecimal digits",
                    )
                ),
            ),
        ]
        | None
    ) = None
    """Digest of the image; wins over the tag."""

    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the node asks the registry."""

    pull_secrets: Annotated[
        list[LocalObjectReference],
        Field(
            max_length=16,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = []
    """Secrets with the registry's credentials."""


class EmbeddedStorage(ApiModel):
    """A volume that the server keeps its store on."""

    size: Annotated[
        str,
        Field(
            max_length=32,
            json_schema_extra=rules(
                (
                    "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
                    "storage.embedded.size must be a quantity above zero, such as '10Gi'",
                ),
            ),
        ),
    ] = "10Gi"
    """Size of the volume; may grow where the storage class allows it, never shrink. Default: 10Gi."""

    storage_class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Storage class of the volume; cannot be changed. Default: the cluster's default class."""

    synchronous: Literal["Full", "Normal"] = "Full"
    """Full: an acknowledged write survives the loss of power. Normal: only the death of the process. Default: Full."""


class Storage(ApiModel):
    """Where memories are kept."""

    type: Literal["Embedded"] = "Embedded"
    """Kind of storage; cannot be changed. Embedded: a store on a volume of one server."""

    embedded: EmbeddedStorage = EmbeddedStorage()
    """Settings of the type Embedded."""


class Embeddings(ApiModel):
    """What turns text into vectors."""

    provider: Literal["Wordllama", "None"] = "Wordllama"
    """Wordllama: built in, offline. None: recall by keywords and by the caller's own vectors. Default: Wordllama."""

    dimensions: Annotated[int, Field(ge=2, le=4096)] = DEFAULT_DIMENSIONS
    """Dimension of every vector in the store; cannot be changed. Wordllama gives 64, 128 or 256. Default: 256."""


class ServiceSpec(ApiModel):
    """How clients reach the server."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Type of the Service. Default: ClusterIP."""

    port: Annotated[
        int,
        Field(
            ge=1,
            le=65535,
            json_schema_extra=rules(
                (
                    f"self != {HTTP_PORT}",
                    f"service.port {HTTP_PORT} is taken by health and metrics: choose another, such as {GRPC_PORT}",
                )
            ),
        ),
    ] = GRPC_PORT
    """Port of the gRPC services. Default: 50053."""

    annotations: Annotated[
        dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)
    ] = {}
    """Annotations of the Service, such as those that a cloud's load balancer reads."""


Quantity = Annotated[
    str | int,
    Field(
        json_schema_extra={
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": QUANTITY_PATTERN,
            "x-kubernetes-int-or-string": True,
        }
    ),
]


class Resources(ApiModel):
    """Compute resources of the server's container."""

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] = {}
    """What the scheduler sets aside."""

    limits: Annotated[dict[str, Quantity], Field(max_length=16)] = {}
    """What the container may not exceed."""


class PodDisruptionBudgetSpec(ApiModel):
    """What a drain of nodes may take away."""

    enabled: bool = True
    """Whether a PodDisruptionBudget is made. Default: true."""

    max_unavailable: Annotated[int, Field(ge=0, le=1000)] = 1
    """Pods that may be away at once; 0 forbids every drain. Default: 1."""


class UpdateStrategy(ApiModel):
    """How a change reaches the pods."""

    progress_deadline_seconds: Annotated[int, Field(ge=10, le=86400)] = 600
    """How long a change may take before the resource counts as stalled. Default: 600."""


class Monitoring(ApiModel):
    """What the server tells about itself."""

    log_level: Literal["Debug", "Info", "Warning", "Error"] = "Info"
    """Least severe level that is logged. Default: Info."""


class Limits(ApiModel):
    """Bounds of the server. Default of each: the server's own."""

    max_message_bytes: Annotated[int, Field(ge=64 * 1024, le=256 * 1024 * 1024)] | None = None
    """Largest gRPC message."""

    max_payload_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] | None = None
    """Largest payload of one memory."""

    max_concurrent_calls: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Calls worked on at once."""


def _value(path: str, default: str, of: str = "self") -> str:
    """Return CEL for an optional field or its default.

    Asked step by step with `has`: the shorter `.?` forgets the types, and with them the bounds that the API server
    estimates the cost of a rule by.
    """
    parts = path.split(".")
    steps = [".".join([of, *parts[: end + 1]]) for end in range(len(parts))]
    there = " && ".join(f"has({step})" for step in steps)
    return f"({there} ? {steps[-1]} : {default})"


def _kept(path: str, default: str) -> str:
    """Return the rule that an update does not change a value."""
    return f"{_value(path, default)} == {_value(path, default, of='oldSelf')}"


_MOVE = "export the memories and import them into a new SomaMemory"
_EMBEDDED = "'Embedded'"
_WORDLLAMA = "'Wordllama'"
_SIZE = ("storage.embedded.size", "'10Gi'")
_IS_NOT_LESS = (
    f"quantity({_value(*_SIZE)}).compareTo(quantity({_value(*_SIZE, of='oldSelf')})) >= 0"
)
_DIMENSIONS = ("embeddings.dimensions", str(DEFAULT_DIMENSIONS))

SPEC_RULES = rules(
    (
        f"{_value('storage.type', _EMBEDDED)} != 'Embedded' || {_value('replicas', '1')} <= 1",
        "storage.type Embedded keeps all memories on one volume, which one server holds: replicas must be 0 or 1",
    ),
    (
        f"{_value('embeddings.provider', _WORDLLAMA)} != 'Wordllama' || {_value(*_DIMENSIONS)} in [64, 128, 256]",
        "embeddings.dimensions must be 64, 128 or 256 with the provider Wordllama",
    ),
    (
        f"{_value('limits.maxMessageBytes', '8388608')} > {_value('limits.maxPayloadBytes', '0')}",
        "limits.maxMessageBytes (default 8388608) must be larger than limits.maxPayloadBytes",
    ),
    (
        _kept("storage.type", _EMBEDDED),
        f"storage.type cannot be changed: {_MOVE}",
    ),
    (
        _kept("storage.embedded.storageClassName", "''"),
        f"storage.embedded.storageClassName cannot be changed: {_MOVE}",
    ),
    (
        f"!isQuantity({_value(*_SIZE)}) || {_IS_NOT_LESS}",
        f"storage.embedded.size cannot shrink: {_MOVE}",
    ),
    (
        _kept(*_DIMENSIONS),
        f"embeddings.dimensions cannot be changed: {_MOVE}",
    ),
)

RESOURCE_RULES = rules(
    (
        "self.metadata.name.size() <= 52 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name must be at most 52 characters of a-z, 0-9 and '-', first a letter, last not '-'",
    ),
)


class SomaMemorySpec(ApiModel):
    """What is wished for."""

    model_config = ConfigDict(json_schema_extra=SPEC_RULES)

    image: Image = Image()
    """Image of the memory server. Default: the one that came with the operator."""

    replicas: Annotated[int, Field(ge=0, le=100)] = 1
    """Memory servers to run; 0 stops the memory and keeps its data."""

    paused: bool = False
    """While true, the operator changes nothing that belongs to this resource. Default: false."""

    storage: Storage = Storage()
    """Where memories are kept. Default: embedded, on a volume of 10Gi."""

    embeddings: Embeddings = Embeddings()
    """What turns text into vectors. Default: the built-in offline model."""

    service: ServiceSpec = ServiceSpec()
    """How clients reach the server. Default: inside the cluster, port 50053."""

    resources: Resources = Resources()
    """Compute resources of the server. Default: none asked, none forbidden."""

    pod_disruption_budget: PodDisruptionBudgetSpec = PodDisruptionBudgetSpec()
    """What a drain of nodes may take away."""

    update_strategy: UpdateStrategy = UpdateStrategy()
    """How a change reaches the pods."""

    monitoring: Monitoring = Monitoring()
    """What the server tells about itself."""

    limits: Limits = Limits()
    """Bounds of the server."""

    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """What becomes of the volume when the resource is deleted. Retain: it stays, and a new SomaMemory of the same
    name takes it up. Delete: all memories are lost. Default: Retain."""


SCHEMA_DEFAULTED = frozenset({"replicas"})
"""Fields of the spec whose default the API server writes: the scale subresource must find its field."""


class Condition(ApiModel):
    """One aspect of the state, as in metav1.Condition."""

    type: Annotated[str, Field(max_length=316)]
    """Aspect that this is about."""

    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""

    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Stable word for machines."""

    message: Annotated[str, Field(max_length=32768)]
    """Sentence for people: what is, and what mends it."""

    last_transition_time: datetime
    """When the status changed last."""

    observed_generation: int | None = None
    """Generation of the spec that this speaks of."""


class Endpoints(ApiModel):
    """Addresses inside the cluster."""

    grpc: str | None = None
    """`host:port` of the gRPC services."""

    http: str | None = None
    """`host:port` of health and metrics."""


class StorageStatus(ApiModel):
    """State of the storage."""

    type: str | None = None
    """Kind of storage."""

    capacity: str | None = None
    """Size that the volume has."""

    claim_name: str | None = None
    """Name of the PersistentVolumeClaim."""


class SomaMemoryStatus(ApiModel):
    """What is observed."""

    observed_generation: int = NEVER_OBSERVED
    """Generation of the spec that the status speaks of; -1 before the first look."""

    phase: str | None = None
    """One word for people; machines read the conditions."""

    conditions: Annotated[
        list[Condition],
        Field(
            max_length=32,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
        ),
    ] = []
    """State by aspect. Ready is always there; Reconciling and Stalled only while they hold."""

    progress_started_at: datetime | None = None
    """When the change that is under way began; the progress deadline counts from here."""

    replicas: int | None = None
    """Pods there are."""

    ready_replicas: int | None = None
    """Pods that can serve."""

    updated_replicas: int | None = None
    """Pods that run the newest configuration."""

    selector: str | None = None
    """Labels of the pods, for the scale subresource."""

    image: str | None = None
    """Image that the pods are to run."""

    version: str | None = None
    """Tag or short digest of the image."""

    endpoints: Endpoints | None = None
    """Addresses inside the cluster."""

    storage: StorageStatus | None = None
    """State of the storage."""

    operator_version: str | None = None
    """Version of the operator that wrote this."""


class SomaMemory(ApiModel):
    """A long-term memory for agents: a gRPC server and its durable store."""

    model_config = ConfigDict(json_schema_extra=RESOURCE_RULES)

    spec: SomaMemorySpec = SomaMemorySpec()
    """What is wished for."""

    status: SomaMemoryStatus | None = None
    """What is observed."""
