"""The CRDs, from the pydantic types of the API: JSON Schema made structural."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from soma_operator.api import v1alpha1
from soma_operator.core.kinds import SOMA_MEMORY, SOMA_MEMORY_BACKUP, SOMA_MEMORY_CLASS, Kind

Schema = dict[str, Any]
Column = tuple[str, str, str, int]
"""Head, type, path and priority; of priority 1 with `-o wide` only."""

FOLDERS = ("crds", "charts/soma-stack/files/crds")

_CARRIED = (
    "type", "description", "enum", "pattern", "format", "minimum", "maximum", "minLength", "maxLength",
    "minItems", "maxItems", "minProperties", "maxProperties", "anyOf", "nullable",
    "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
)  # fmt: skip

_COLUMNS: tuple[Column, ...] = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Status", "string", '.status.conditions[?(@.type=="Ready")].reason', 0),
    ("Replicas", "integer", ".status.readyReplicas", 0),
    ("Version", "string", ".status.version", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Class", "string", ".spec.className", 1),
    ("Endpoint", "string", ".status.endpoints.grpc", 1),
    ("Storage", "string", ".status.storage.capacity", 1),
    ("Backup", "date", ".status.backup.lastSuccessfulAt", 1),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 1),
)


_BACKUP_COLUMNS: tuple[Column, ...] = (
    ("Memory", "string", ".spec.memoryRef.name", 0),
    ("Phase", "string", ".status.phase", 0),
    ("Target", "string", ".spec.target.type", 0),
    ("Size", "string", ".status.size", 0),
    ("Completed", "date", ".status.completedAt", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Location", "string", ".status.location", 1),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 1),
)


_CLASS_COLUMNS: tuple[Column, ...] = (
    ("Size", "string", ".spec.storage.embedded.size", 0),
    ("Update", "string", ".spec.updateStrategy.type", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
)


@dataclass(frozen=True, slots=True)
class _Definition:
    """What a CRD says beside its schema."""

    kind: Kind
    short_name: str
    columns: tuple[Column, ...]
    model: type[v1alpha1.ApiModel]

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.kind.group}_{self.kind.plural}.yaml"


_MEMORY = _Definition(SOMA_MEMORY, "smem", _COLUMNS, v1alpha1.SomaMemory)
_BACKUP = _Definition(SOMA_MEMORY_BACKUP, "smembk", _BACKUP_COLUMNS, v1alpha1.SomaMemoryBackup)
_CLASS = _Definition(SOMA_MEMORY_CLASS, "smemcl", _CLASS_COLUMNS, v1alpha1.SomaMemoryClass)

CRD_FILES = (_MEMORY.file, _BACKUP.file, _CLASS.file)
"""Names of the files of all CRDs."""


def crd_files() -> dict[Path, bytes]:
    """Return the CRDs' files and the chart's byte-equal copies."""
    crds = {
        _MEMORY.file: soma_memory_crd(),
        _BACKUP.file: soma_memory_backup_crd(),
        _CLASS.file: soma_memory_class_crd(),
    }
    texts = {
        name: yaml.safe_dump(crd, sort_keys=False, width=110, allow_unicode=True)
        for name, crd in crds.items()
    }
    return {
        Path(folder) / name: text.encode() for folder in FOLDERS for name, text in texts.items()
    }


def soma_memory_crd() -> Schema:
    """Return the CustomResourceDefinition of SomaMemory."""
    crd = _crd(_MEMORY)
    version = crd["spec"]["versions"][0]
    version["subresources"]["scale"] = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for name in v1alpha1.SCHEMA_DEFAULTED:
        default = v1alpha1.SomaMemorySpec.model_fields[name].get_default()
        spec["properties"][name]["default"] = default
    # An empty spec is a wish for all defaults; without a default it would not get those of its fields.
    spec["default"] = {}
    return crd


def soma_memory_backup_crd() -> Schema:
    """Return the CustomResourceDefinition of SomaMemoryBackup."""
    return _crd(_BACKUP)


def soma_memory_class_crd() -> Schema:
    """Return the CustomResourceDefinition of SomaMemoryClass."""
    return _crd(_CLASS)


def _crd(definition: _Definition) -> Schema:
    kind = definition.kind
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{kind.group}",
            # Removing the definition removes every resource of it: an uninstall of the chart must not.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": kind.group,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [definition.short_name],
            },
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [_version(definition)],
        },
    }


def _version(definition: _Definition) -> Schema:
    has_status = "status" in definition.model.model_fields
    return {
        "name": definition.kind.version,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}
            for name, kind, path, priority in definition.columns
        ],
        **({"subresources": {"status": {}}} if has_status else {}),
        "schema": {"openAPIV3Schema": _root(definition.model)},
    }  # fmt: skip


def _root(model: type[v1alpha1.ApiModel]) -> Schema:
    source = model.model_json_schema(by_alias=True)
    schema = structural(source, source["$defs"])
    properties = schema["properties"]
    if "status" in properties:
        properties["status"]["default"] = {"observedGeneration": v1alpha1.NEVER_OBSERVED}
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        **properties,
    }
    return schema


def structural(schema: Schema, definitions: Schema) -> Schema:
    """Return a schema without references, titles, nulls and defaults, as the API server wants it."""
    schema = _resolved(schema, definitions)
    result = {key: schema[key] for key in _CARRIED if key in schema}
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if result.pop("x-kubernetes-int-or-string", False):
        result.pop("type", None)
        result["x-kubernetes-int-or-string"] = True
    if "const" in schema:
        result["enum"] = [schema["const"]]
    if result.get("type") == "integer":
        result["format"] = "int64"
    if "properties" in schema:
        result["properties"] = {
            name: structural(part, definitions) for name, part in schema["properties"].items()
        }
    if "required" in schema:
        result["required"] = schema["required"]
    if "items" in schema:
        result["items"] = structural(schema["items"], definitions)
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = structural(schema["additionalProperties"], definitions)
    return result


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """Follow a reference, and drop the null of an optional field: a field that is not set is absent."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _resolved({**target, **rest}, definitions)
    options = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    if len(options) == 1:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return _resolved({**options[0], **rest}, definitions)
    return schema
