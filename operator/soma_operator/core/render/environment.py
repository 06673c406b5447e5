"""Settings of the server, as environment variables that SMFSettings reads."""

from soma_operator.api.v1alpha1 import (
    GRPC_PORT,
    HTTP_PORT,
    Auth,
    Limits,
    OpenAIEmbedder,
    ServiceSpec,
    Tls,
)
from soma_operator.core.resolve import ResolvedMemory

DATA_DIR = "/data"
TLS_DIR = "/etc/soma/tls"
AUTH_DIR = "/etc/soma/auth"
EMBEDDER_DIR = "/etc/soma/embedder"

CERTIFICATE, PRIVATE_KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"
"""Keys of a Secret with a certificate, as Kubernetes and cert-manager name them."""

CLIENT_CA = "client-ca.crt"
TOKENS = "tokens.toml"
API_KEY = "apiKey"

GRACE_PERIOD_S = 30
"""From SIGTERM to SIGKILL of a pod; longer than delay and drain together."""

DRAIN_DELAY_S = 3
"""Endpoints forget a pod within about a second or two: until then it goes on serving."""

DRAIN_S = 15


LOCK_WAIT_S = GRACE_PERIOD_S + 10
"""A pod that was deleted is replaced at once, while it still finishes its calls and holds the store."""


def environment(memory: ResolvedMemory) -> dict[str, str]:
    """Return the settings of the server."""
    spec = memory.spec
    return {
        "SOMA_SERVICE": "somamemory",
        "SOMA_INSTANCE": memory.name,
        "SOMA_ENV": memory.namespace,
        "SOMA_LOG_LEVEL": spec.monitoring.log_level.upper(),
        "SOMA_LOG_FORMAT": "json",
        "SOMA_GRPC_PORT": str(GRPC_PORT),
        "SOMA_HTTP_PORT": str(HTTP_PORT),
        "SOMA_STORE": spec.storage.type.lower(),
        "SOMA_DATA_DIR": DATA_DIR,
        "SOMA_LOCK_WAIT_S": str(LOCK_WAIT_S),
        "SOMA_SYNCHRONOUS": spec.storage.embedded.synchronous.upper(),
        "SOMA_EMBEDDER": spec.embeddings.provider.lower(),
        "SOMA_EMBEDDING_DIMENSIONS": str(spec.embeddings.dimensions),
        "SOMA_DRAIN_DELAY_S": str(DRAIN_DELAY_S),
        "SOMA_DRAIN_S": str(DRAIN_S),
        **({} if spec.monitoring.audit == "Off" else {"SOMA_AUDIT": "log"}),
        **_embedder(spec.embeddings.openai),
        **_limits(spec.limits),
        **_connections(spec.service),
        **_security(spec.tls, spec.auth),
    }


def _limits(limits: Limits) -> dict[str, str]:
    given = {
        "SOMA_MAX_MESSAGE_BYTES": limits.max_message_bytes,
        "SOMA_MAX_PAYLOAD_BYTES": limits.max_payload_bytes,
        "SOMA_MAX_CONCURRENT_RPCS": limits.max_concurrent_calls,
        "SOMA_MAX_CONCURRENT_STREAMS": limits.max_concurrent_streams,
        "SOMA_TENANT_REQUESTS_PER_S": limits.tenant_requests_per_second,
        "SOMA_TENANT_BYTES_PER_S": limits.tenant_bytes_per_second,
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def _embedder(wish: OpenAIEmbedder | None) -> dict[str, str]:
    if wish is None:
        return {}
    key = None if wish.api_key_secret_name is None else f"{EMBEDDER_DIR}/{API_KEY}"
    given = {
        "SOMA_EMBEDDER_URL": wish.endpoint,
        "SOMA_EMBEDDER_MODEL": wish.model,
        "SOMA_EMBEDDER_PREVIOUS_MODEL": wish.previous_model,
        "SOMA_EMBEDDER_API_KEY_FILE": key,
        "SOMA_EMBEDDER_REQUEST_DIMENSIONS": "True" if wish.request_dimensions else None,
        "SOMA_EMBEDDER_DOCUMENT_PREFIX": wish.document_prefix or None,
        "SOMA_EMBEDDER_QUERY_PREFIX": wish.query_prefix or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _connections(service: ServiceSpec) -> dict[str, str]:
    age = service.max_connection_age_seconds
    return {} if age is None else {"SOMA_MAX_CONNECTION_AGE_S": str(age)}


def _security(tls: Tls, auth: Auth) -> dict[str, str]:
    settings = {}
    if tls.is_on:
        settings["SOMA_TLS_CERT_FILE"] = f"{TLS_DIR}/{CERTIFICATE}"
        settings["SOMA_TLS_KEY_FILE"] = f"{TLS_DIR}/{PRIVATE_KEY}"
    if tls.client_auth == "Require":
        settings["SOMA_TLS_CLIENT_CA_FILE"] = f"{TLS_DIR}/{CLIENT_CA}"
    if auth.type == "Tokens":
        settings["SOMA_AUTH_TOKENS_FILE"] = f"{AUTH_DIR}/{TOKENS}"
    return settings
