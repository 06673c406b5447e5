"""SomaMemories and their classes out of a file, as people keep them: other kinds among them, fields left empty."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soma_common.errors import InvalidInput
from soma_common.violations import violations_of
from soma_operator.core.kinds import SOMA_MEMORY, SOMA_MEMORY_CLASS, Kind, Manifest, name_of

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


class Wishes(NamedTuple):
    """What a file holds of our kinds.

    Attributes:
        memories: SomaMemories; what may be left out is there, and empty.
        classes: SomaMemoryClasses by their names.
    """

    memories: tuple[Manifest, ...]
    classes: Mapping[str, Manifest]


def read_wishes(path: Path, namespace: str) -> Wishes:
    """Read a file.

    Args:
        path: The file; `-`: standard input.
        namespace: Where a manifest names none.

    Raises:
        InvalidInput: It cannot be read, holds no SomaMemory, or something that cannot be understood.
    """
    documents = _documents(path)
    found = [_whole(one, namespace) for one in documents if _is_of(SOMA_MEMORY, one)]
    if not found:
        raise InvalidInput("the file holds no SomaMemory", file=str(path))
    classes = [_whole(one, "") for one in documents if _is_of(SOMA_MEMORY_CLASS, one)]
    return Wishes(tuple(found), {name_of(one): one for one in classes})


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


def _is_of(kind: Kind, document: Any) -> bool:
    return (
        isinstance(document, dict)
        and document.get("apiVersion") == kind.api_version
        and document.get("kind") == kind.name
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
