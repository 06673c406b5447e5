"""Where memories are kept, and what they are found by."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.base import DEFAULT_DIMENSIONS, ApiModel, rules
from soma_operator.api.v1alpha1.security import SecretName

_PORT = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"


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

    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod"] = "ReadWriteOnce"
    """Who may mount the volume at once; cannot be changed. ReadWriteOnce: the pods of a node. ReadWriteOncePod: one pod
    of the whole cluster, where the volumes' driver can tell (CSI). Default: ReadWriteOnce."""

    synchronous: Literal["Full", "Normal"] = "Full"
    """Full: an acknowledged write survives the loss of power. Normal: only the death of the process. Default: Full."""


class Storage(ApiModel):
    """Where memories are kept."""

    type: Literal["Embedded"] = "Embedded"
    """Kind of storage; cannot be changed. Embedded: a store on a volume of one server."""

    embedded: EmbeddedStorage = EmbeddedStorage()
    """Settings of the type Embedded."""


class OpenAIEmbedder(ApiModel):
    """An HTTP API in OpenAI's form, such as those of vLLM, TEI and Ollama."""

    endpoint: Annotated[
        str,
        Field(
            max_length=255,
            json_schema_extra=rules(
                (
                    f"self.matches('^https?://[A-Za-z0-9.-]+(:{_PORT})?(/[A-Za-z0-9._~-]+)*$')",
                    "openai.endpoint must be the base URL of the API, such as 'https://api.openai.com/v1'",
                )
            ),
        ),
    ]
    """Base URL of the API; `/embeddings` is added. The NetworkPolicy lets the pods out to its port."""

    model: Annotated[str, Field(min_length=1, max_length=255)]
    """Model as the API names it. After a change everything is embedded again, in the background."""

    previous_model: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Model of the same API that serves recall until everything is embedded for the new one."""

    api_key_secret_name: SecretName | None = None
    """Secret with `apiKey`; a changed one is used without a restart. Default: the API wants no key."""

    request_dimensions: bool = False
    """Whether the API is asked for `embeddings.dimensions`, as models with vectors that may be cut want it.
    Default: false."""

    document_prefix: Annotated[str, Field(max_length=255)] = ""
    """Set before every text that is stored, for models that want it, such as `search_document: `. Default: nothing."""

    query_prefix: Annotated[str, Field(max_length=255)] = ""
    """Set before every text that is asked, such as `search_query: `. Default: nothing."""


class Embeddings(ApiModel):
    """What turns text into vectors."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(has(self.provider) && self.provider == 'OpenAI') == has(self.openai)",
                "embeddings.openai goes with embeddings.provider OpenAI, and with no other",
            ),
        )
    )

    provider: Literal["Wordllama", "OpenAI", "None"] = "Wordllama"
    """Wordllama: built in, offline. OpenAI: an HTTP API in OpenAI's form. None: recall by keywords and by the caller's
    own vectors. Default: Wordllama."""

    openai: OpenAIEmbedder | None = None
    """Settings of the provider OpenAI."""

    dimensions: Annotated[int, Field(ge=2, le=4096)] = DEFAULT_DIMENSIONS
    """Dimension of every vector in the store; cannot be changed. Wordllama gives 64, 128 or 256. Default: 256."""
