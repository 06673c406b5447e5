"""The one source of settings for everything that runs.

Precedence: explicit argument > environment > file > default. The environment comes from the ConfigMap
and the Secret that the operator renders, or from the shell; the file is a dotenv file named by
`SOMA_ENV_FILE`. Settings are read once, in a program's `__main__`, and passed down as values.

No default names a host: an address that is not given means that the dependency is not used.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from soma_common.errors import InvalidInput, Violation
from soma_common.violations import violations_of

Port = Annotated[int, Field(ge=1, le=65535)]

Settings = TypeVar("Settings", bound="SomaBaseSettings")

ENV_PREFIX = "SOMA_"
ENV_FILE_VARIABLE = "SOMA_ENV_FILE"


class SomaBaseSettings(BaseSettings):
    """Settings that every program has."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe level that is logged."""

    log_format: Literal["json", "text"] = "json"
    """One JSON object a line for machines, or plain lines for people."""

    service: str = "somamemory"
    """Value of the label `service` on metrics and log lines."""

    instance: str = "local"
    """Value of the label `instance`: the name of the SomaMemory, or of the laptop's server."""

    env: str = "dev"
    """Value of the label `env`."""


class SMFSettings(SomaBaseSettings):
    """Settings of one memory server; the operator renders them, the server reads them."""

    grpc_host: str = "0.0.0.0"  # noqa: S104 - a server in a pod listens on all its addresses
    """Address that the gRPC port listens on."""

    grpc_port: Port = 50053
    """Port of the gRPC services."""

    http_host: str = "0.0.0.0"  # noqa: S104 - as above: the kubelet probes from outside the pod
    """Address that the HTTP port listens on."""

    http_port: Port = 8080
    """Port of `/healthz`, `/readyz` and `/metrics`."""

    front_processes: Annotated[int, Field(ge=0, le=16)] = 1
    """Processes that speak gRPC for the one that stores and recalls; each takes some 20 MiB and as many processors as
    there are, and for answers that clients do not read at most 320 MiB. 0: it does so itself, which takes several times
    as long for each call, and unread answers are not bounded."""

    tls_cert_file: Path | None = None
    """Certificate chain of the gRPC port, PEM; a changed file is taken over without a restart. None: plain text. The
    HTTP port is always plain, for the kubelet's probes."""

    tls_key_file: Path | None = None
    """Private key of the certificate, PEM, without a password."""

    tls_client_ca_file: Path | None = None
    """Authority that must have signed the certificate of every client, PEM (mTLS). None: clients need none."""

    auth_tokens_file: Path | None = None
    """File of the callers: hashes of bearer tokens and identities of client certificates, each with its tenant and its
    scopes (see tokens.md); a changed file is taken over without a restart. None: nobody is authenticated, and everybody
    is the tenant `default`."""

    audit: Literal["off", "log", "file"] = "off"
    """Where a line goes for every call that asks for more than to read: who, what, which ids, with what outcome. Each
    holds the hash of the one before it; `python -m soma_common.audit_chain` checks a file."""

    audit_file: Path | None = None
    """The file of `audit=file`; lines are appended."""

    tenant_requests_per_s: Annotated[float, Field(gt=0)] | None = None
    """Rate of one tenant's calls, where the file of tokens says nothing else; messages of streams count as calls, and a
    second's worth may come at once. None: not limited."""

    tenant_bytes_per_s: Annotated[float, Field(gt=0)] | None = None
    """Rate of one tenant's requests, bytes, as above. None: not limited."""

    store: Literal["embedded", "in_memory"] = "embedded"
    """Where memories are kept. `in_memory` forgets everything when it stops: for tests only."""

    data_dir: Path = Path("data")
    """Folder of the embedded store; made when missing, held by one server at a time."""

    lock_wait_s: Annotated[float, Field(ge=0, le=600)] = 0.0
    """How long to wait for another server to let go of the data folder, seconds. On a laptop that server is a mistake,
    so none; in a cluster it is the pod before this one, which may take its whole grace period."""

    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    """SQLite's durability. FULL: an acknowledged write survives the loss of power. NORMAL: only of the process."""

    embedder: Literal["wordllama", "openai", "none"] = "wordllama"
    """What makes embeddings. `wordllama`: static word vectors, offline. `openai`: an HTTP API in OpenAI's form (also
    vLLM, TEI, Ollama). `none`: recall by keywords, and by the caller's own vectors."""

    embedder_url: str | None = None
    """Base of the embedder's API, such as `https://api.openai.com/v1`; `/embeddings` is added."""

    embedder_model: str | None = None
    """Model as the API names it. Another model, dimension or prefix means that everything is embedded again."""

    embedder_previous_model: str | None = None
    """Model of the same API that serves recall while everything is embedded for another one. None: unless it was
    wordllama, recall by vectors comes back as memories are embedded."""

    embedder_api_key_file: Path | None = None
    """File with the API's key; read for each request. None: the API wants none."""

    embedder_timeout_s: Annotated[float, Field(gt=0, le=60)] = 3.0
    """Of one request to the API, seconds. A write waits for it at most, and is then stored without an embedding."""

    embedder_batch_texts: Annotated[int, Field(ge=1, le=2048)] = 128
    """Texts in one request to the API."""

    embedder_batch_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 400_000
    """Bytes of text in one request to the API."""

    embedder_text_bytes: Annotated[int, Field(ge=64, le=1024 * 1024)] = 24_000
    """Bytes of one text that are sent; the rest is cut off and counted in a metric. About 8,000 tokens of English."""

    embedder_cache_size: Annotated[int, Field(ge=1, le=1_000_000)] = 4096
    """Embeddings from the API that are kept in memory; each takes 4 bytes a dimension and some 200 more."""

    embedder_request_dimensions: bool = False
    """Ask the API for `embedding_dimensions`: for models whose vectors may be cut. Many APIs do not know this."""

    embedder_document_prefix: str = ""
    """Set before every text that is stored, for models that want it, such as `search_document: `."""

    embedder_query_prefix: str = ""
    """Set before every text that is asked, such as `search_query: `."""

    embedding_dimensions: Annotated[int, Field(ge=2, le=4096)] = 256
    """Dimension of every embedding in the store; fixed when the store is made. wordllama gives 64, 128 or 256."""

    max_message_bytes: Annotated[int, Field(ge=64 * 1024, le=256 * 1024 * 1024)] = 8 * 1024 * 1024
    """Largest gRPC message received, bytes. gRPC's own default of 4 MiB is too small for a full batch."""

    max_payload_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 1024 * 1024
    """Largest payload of one memory, bytes."""

    max_concurrent_rpcs: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Unary calls worked on at once; one more is refused with a time to retry after."""

    max_concurrent_streams: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Streaming calls open at once; one more is refused with a time to retry after."""

    stream_idle_s: Annotated[float, Field(ge=30, le=3600)] = 60.0
    """How long a streaming call may be open without a message in either direction, seconds; a watcher hears something
    every 15."""

    max_connection_age_s: Annotated[float, Field(ge=1, le=86400)] = 1800.0
    """How long a gRPC connection may live, seconds, a tenth more or less: its client is then asked to make a new one,
    and so finds servers that came meanwhile. No call fails by it."""

    max_connection_grace_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """How long calls that are open on such a connection may go on, seconds. A stream that is still open then breaks,
    and the Python client goes on with it on a new connection."""

    write_queue_size: Annotated[int, Field(ge=1, le=1_000_000)] = 4096
    """Writes waiting for the committer; one more is refused with a time to retry after."""

    request_id_ttl_s: Annotated[int, Field(ge=60, le=30 * 86400)] = 7 * 86400
    """How long a request id replays its answer, seconds. Longer than any sensible retry, shorter than for ever."""

    decay_every_s: Annotated[float, Field(ge=1, le=86400)] = 600.0
    """How often memories are looked at that a namespace's policy lets decay, seconds."""

    default_deadline_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Deadline of a call whose client gave none, seconds. Where callers are authenticated, a request has to arrive in
    this time, too, whatever deadline its client gave."""

    drain_s: Annotated[float, Field(ge=0, le=600)] = 10.0
    """How long accepted calls may take to finish after SIGTERM, seconds. Below the pod's grace period of 30."""

    drain_delay_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Time between `not ready` and the end of accepting, seconds, so that endpoints forget the pod first."""

    redis_url: SecretStr | None = None
    """Cache and rate limits. None: not used."""

    postgres_url: SecretStr | None = None
    """Production store. None: not used."""

    qdrant_url: str | None = None
    """External vector index. None: not used."""

    kafka_bootstrap_servers: str | None = None
    """Event log, `host:port` separated by commas. None: not used."""

    auth_service_url: str | None = None
    """Issuer of JWTs. None: not used."""

    opa_service_url: str | None = None
    """Policy decisions. None: not used."""

    vault_addr: str | None = None
    """Secrets. None: not used."""

    etcd_endpoint: str | None = None
    """Feature flags. None: not used."""

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file must be given together")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("tls_client_ca_file needs tls_cert_file and tls_key_file")
        return self

    @model_validator(mode="after")
    def _audit_is_whole(self) -> Self:
        if self.audit == "file" and self.audit_file is None:
            raise ValueError("audit=file needs audit_file")
        return self

    @model_validator(mode="after")
    def _embedder_is_whole(self) -> Self:
        if self.embedder == "openai" and not (self.embedder_url and self.embedder_model):
            raise ValueError("the embedder openai needs embedder_url and embedder_model")
        if self.embedder == "wordllama" and self.embedding_dimensions not in (64, 128, 256):
            raise ValueError(
                "embedding_dimensions must be 64, 128 or 256 with the embedder wordllama"
            )
        return self


def load_settings(kind: type[Settings], **explicit: Any) -> Settings:
    """Read the settings of a program, once.

    Args:
        kind: Which settings.
        explicit: Values that win over the environment; those that are None count as not given.

    Raises:
        InvalidInput: A value is out of range or of the wrong type, or the file cannot be read; names every bad setting.
    """
    given = {name: value for name, value in explicit.items() if value is not None}
    try:
        return kind(_env_file=_env_file(), **given)  # type: ignore[call-arg] # pydantic-settings takes it; the subclass hides it
    except (OSError, UnicodeDecodeError):
        violations = [Violation("env_file", "must name a file that can be read, of UTF-8")]
    except ValidationError as error:
        violations = violations_of(error, "settings")
    raise InvalidInput("the settings are not valid", violations=violations)


def _env_file() -> Path | None:
    """Return the file that the environment names; pydantic-settings would take one that is missing for an empty one."""
    name = os.environ.get(ENV_FILE_VARIABLE)
    if name is None:
        return None
    path = Path(name).expanduser()
    if not (path.is_file() or path.is_fifo()):
        raise FileNotFoundError(path)
    return path
