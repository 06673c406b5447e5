"""The CRDs, from the pydantic types of the API: JSON Schema made structural."""

from pathlib import Path
from typing import Any

import yaml

from soma_operator.api import v1alpha1
from soma_operator.core.kinds import SOMA_MEMORY

Schema = dict[str, Any]

CRD_FILE = f"{SOMA_MEMORY.group}_{SOMA_MEMORY.plural}.yaml"
FOLDERS = ("crds", "charts/soma-stack/files/crds")

_CARRIED = (
    "type", "description", "enum", "pattern", "format", "minimum", "maximum", "minLength", "maxLength",
    "minItems", "maxItems", "minProperties", "maxProperties", "anyOf", "nullable",
    "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
)  # fmt: skip

_COLUMNS = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Status", "string", '.status.conditions[?(@.type=="Ready")].reason', 0),
    ("Replicas", "integer", ".status.readyReplicas", 0),
    ("Version", "string", ".status.version", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Endpoint", "string", ".status.endpoints.grpc", 1),
    ("Storage", "string", ".status.storage.capacity", 1),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 1),
)


def crd_files() -> dict[Path, bytes]:
    """Return the CRD's file and the chart's byte-equal copy."""
    text = yaml.safe_dump(soma_memory_crd(), sort_keys=False, width=110, allow_unicode=True)
    return {Path(folder) / CRD_FILE: text.encode() for folder in FOLDERS}


def soma_memory_crd() -> Schema:
    """Return the CustomResourceDefinition of SomaMemory."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{SOMA_MEMORY.plural}.{SOMA_MEMORY.group}",
            # Removing the definition removes every resource of it: an uninstall of the chart must not.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": SOMA_MEMORY.group,
            "names": {
                "kind": SOMA_MEMORY.name,
                "listKind": f"{SOMA_MEMORY.name}List",
                "plural": SOMA_MEMORY.plural,
                "singular": SOMA_MEMORY.name.lower(),
                "shortNames": ["smem"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def _version() -> Schema:
    return {
        "name": SOMA_MEMORY.version,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}
            for name, kind, path, priority in _COLUMNS
        ],
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "schema": {"openAPIV3Schema": _root()},
    }  # fmt: skip


def _root() -> Schema:
    source = v1alpha1.SomaMemory.model_json_schema(by_alias=True)
    schema = structural(source, source["$defs"])
    properties = schema["properties"]
    for name in v1alpha1.SCHEMA_DEFAULTED:
        default = v1alpha1.SomaMemorySpec.model_fields[name].get_default()
        properties["spec"]["properties"][name]["default"] = default
    # An empty spec is a wish for all defaults; without a default it would not get those of its fields.
    properties["spec"]["default"] = {}
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
