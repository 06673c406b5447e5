"""The reference page of the resources, from their schemas."""

from collections.abc import Iterator
from typing import Any

from soma_dev.crds import soma_memory_backup_crd, soma_memory_class_crd, soma_memory_crd
from soma_operator.core.backup.outcome import BACKUP_CONDITION_TYPES
from soma_operator.core.kinds import SOMA_MEMORY
from soma_operator.core.reasons import REASONS
from soma_operator.core.status import CONDITION_TYPES

Schema = dict[str, Any]

_BOUNDS = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} keys",
}


def crd_page() -> str:
    """Return the page."""
    api = f"{SOMA_MEMORY.group}/{SOMA_MEMORY.version}"
    lines = [
        f"# The resources of `{api}`",
        "",
        "Generated from `operator/soma_operator/api/v1alpha1` by `make crds`.",
        *_resource(soma_memory_crd(), "An empty spec is a complete wish."),
        *_resource(soma_memory_backup_crd(), "Deleting one leaves the copy where it is."),
        *_resource(soma_memory_class_crd(), "It belongs to no namespace."),
        "",
        "## Conditions",
        "",
        "`Ready` is always there; `Reconciling` and `Stalled` only while they hold, and never together.",
        f"Types of SomaMemory: {', '.join(f'`{kind}`' for kind in CONDITION_TYPES)}.",
        f"Types of SomaMemoryBackup: {', '.join(f'`{kind}`' for kind in BACKUP_CONDITION_TYPES)}.",
        "",
        "| reason | means |",
        "|---|---|",
        *(f"| `{reason}` | {text} |" for reason, text in REASONS.items()),
    ]
    return "\n".join(lines) + "\n"


def _resource(crd: Schema, remark: str) -> list[str]:
    names = crd["spec"]["names"]
    schema: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return [
        "",
        f"## {names['kind']}",
        "",
        f"Short name: `{names['shortNames'][0]}`. {remark}",
        *_section("Spec", schema["properties"]["spec"], "spec"),
        "",
        "### Rules beyond types",
        "",
        *(f"* {text}" for text in dict.fromkeys(_sentences(schema))),
        *_section("Status", schema["properties"].get("status"), "status"),
    ]


def _section(title: str, schema: Schema | None, root: str) -> list[str]:
    if schema is None:
        return []
    head = ["", f"### {title}", "", "| field | type | meaning |", "|---|---|---|"]
    return head + [
        f"| `{path}` | {_type(part)} | {_meaning(part)} |" for path, part in _fields(schema, root)
    ]


def _fields(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}", part
        yield from _fields(part, f"{path}.{name}")
        if "items" in part:
            yield from _fields(part["items"], f"{path}.{name}[]")


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "additionalProperties" in schema:
        return f"map to {_type(schema['additionalProperties'])}"
    return str(schema.get("type", "anything"))


def _meaning(schema: Schema) -> str:
    bounds = [text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema]
    meaning = str(schema.get("description", ""))
    return (meaning + (f" ({', '.join(bounds)})" if bounds else "")).replace("|", "\\|")


def _sentences(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", []))
        for part in schema.values():
            yield from _sentences(part)
