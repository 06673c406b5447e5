"""Secrets in the pods: as files, which the kubelet renews in place and the server reads again."""

from soma_operator.api.v1alpha1 import SomaMemorySpec
from soma_operator.core.kinds import Manifest
from soma_operator.core.render.environment import (
    API_KEY,
    AUTH_DIR,
    AUTHORITY,
    CERTIFICATE,
    CLIENT_CA,
    EMBEDDER_DIR,
    PRIVATE_KEY,
    TLS_DIR,
    TOKENS,
)

GROUP_MAY_READ = 0o440
"""The files belong to root; the server's group is that of the pod's volumes."""


def secret_volumes(spec: SomaMemorySpec) -> list[Manifest]:
    """Return the volumes: one for each folder, of as many Secrets as it takes."""
    volumes = {
        "tls": _tls_sources(spec),
        "auth": _auth_sources(spec),
        "embedder": _embedder_sources(spec),
    }
    return [
        {"name": name, "projected": {"defaultMode": GROUP_MAY_READ, "sources": sources}}
        for name, sources in volumes.items()
        if sources
    ]


def secret_mounts(spec: SomaMemorySpec) -> list[Manifest]:
    """Return where the server's container finds the volumes."""
    folders = {"tls": TLS_DIR, "auth": AUTH_DIR, "embedder": EMBEDDER_DIR}
    names = [volume["name"] for volume in secret_volumes(spec)]
    return [{"name": name, "mountPath": folders[name], "readOnly": True} for name in names]


def _tls_sources(spec: SomaMemorySpec) -> list[Manifest]:
    if not spec.tls.is_on:
        return []
    sources = [_source(spec.tls.secret_name, {CERTIFICATE: CERTIFICATE, PRIVATE_KEY: PRIVATE_KEY})]
    if spec.tls.client_auth == "Require":
        name = spec.tls.client_ca_secret_name or spec.tls.secret_name
        sources.append(_source(name, {AUTHORITY: CLIENT_CA}))
    return sources


def _auth_sources(spec: SomaMemorySpec) -> list[Manifest]:
    return (
        []
        if spec.auth.type == "None"
        else [_source(spec.auth.tokens_secret_name, {TOKENS: TOKENS})]
    )


def _embedder_sources(spec: SomaMemorySpec) -> list[Manifest]:
    wish = spec.embeddings.openai
    if wish is None or wish.api_key_secret_name is None:
        return []
    return [_source(wish.api_key_secret_name, {API_KEY: API_KEY})]


def _source(name: str | None, paths: dict[str, str]) -> Manifest:
    items = [{"key": key, "path": path} for key, path in paths.items()]
    return {"secret": {"name": name, "items": items}}
