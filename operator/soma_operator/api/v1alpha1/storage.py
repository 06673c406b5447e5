"""Where memories are kept, and what they are found by."""

from typing import Annotated, Literal

from pydantic import Field

from soma_operator.api.v1alpha1.base import DEFAULT_DIMENSIONS, ApiModel, rules


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
