"""SomaMemories out of a file, as people keep them: several documents, other kinds among them, fields left empty."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soma_common.errors import InvalidInput
from soma_common.violations import violations_of
from soma_operator.core.kinds import SOMA_MEMORY, Manifest

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


class _Metadata(BaseModel):
    """What the plan reads; the API server knows and checks the rest."""

    model_config = ConfigDict(extra="allow", strict=True)

    name: str = Field(pattern=DNS_LABEL)
    namespace: str | None = Field(None, pattern=DNS_LABEL)
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Document(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    metadata: _Metadata
    spec: dict[str, Any] | None = None


def read_manifests(path: Path, namespace: str) -> Iterator[Manifest]:
    """Yield the SomaMemories of a file; what may be left out is there, and empty.

    Args:
        path: The file; `-`: standard input.
        namespace: Where a manifest names none.

    Raises:
        InvalidInput: It cannot be read, holds none, or one that cannot be understood.
    """
    found = [one for one in _documents(path) if _is_ours(one)]
    if not found:
        raise InvalidInput("the file holds no SomaMemory", file=str(path))
    for one in found:
        yield _whole(one, namespace)


def _documents(path: Path) -> list[Any]:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
        return list(yaml.safe_load_all(text))
    except OSError as error:
        raise InvalidInput(
            "the file cannot be read", file=str(path), cause=error.strerror or ""
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        cause = " ".join(str(error).split())
        raise InvalidInput("the file is not YAML", file=str(path), cause=cause) from None


def _is_ours(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and document.get("apiVersion") == SOMA_MEMORY.api_version
        and document.get("kind") == SOMA_MEMORY.name
    )


def _whole(document: Manifest, namespace: str) -> Manifest:
    try:
        made = _Document.model_validate(document)
    except ValidationError as error:
        raise InvalidInput("the manifest is not valid", violations=violations_of(error)) from None
    metadata = {
        **document["metadata"],
        "namespace": made.metadata.namespace or namespace,
        "labels": made.metadata.labels or {},
        "annotations": made.metadata.annotations or {},
    }
    return {**document, "metadata": metadata, "spec": made.spec or {}}
