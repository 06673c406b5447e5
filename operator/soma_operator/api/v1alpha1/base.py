"""What the types of the API have in common."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GRPC_PORT = 50053
HTTP_PORT = 8080
DEFAULT_DIMENSIONS = 256
DEFAULT_MESSAGE_BYTES = 8 * 1024 * 1024
LONGEST_MESSAGE = 32_768
"""Characters of a condition's message that the API server takes."""

NEVER_OBSERVED = -1
"""`status.observedGeneration` before the operator's first look: GitOps tools then see a resource in progress."""

_NUMBER = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
QUANTITY_PATTERN = rf"^(\+|-)?{_NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{_NUMBER}))?$"

PAUSE_ANNOTATION = "memory.soma.sh/reconcile"
"""On a SomaMemory, `disabled` pauses it without a change of the spec: for the hour of need."""

HIBERNATE_ANNOTATION = "memory.soma.sh/hibernated"
"""On a SomaMemory, `true` stops its servers without a change of the spec; the data is kept."""

RESTART_ANNOTATION = "memory.soma.sh/restartedAt"
"""On a SomaMemory, a new value restarts the pods, and takes along what waits for approval."""

APPROVE_ANNOTATION = "memory.soma.sh/approved-revision"
"""On a SomaMemory, names the revision (`status.updateRevision`) that may replace the running one."""

REJECT_ANNOTATION = "memory.soma.sh/rejected-revision"
"""On a SomaMemory, names a revision that must not run: the pods go back to the one that served before it."""

FORCE_DELETE_ANNOTATION = "memory.soma.sh/force-delete"
"""On a SomaMemory that is being deleted, `true` gives up the last copy: the volume goes without one."""


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


KEYED_BY_NAME = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}

ATOMIC = {"x-kubernetes-list-type": "atomic"}
"""A list that belongs to one writer as a whole, because its items have no key."""


class LocalObjectReference(ApiModel):
    """Names an object in the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object."""


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
