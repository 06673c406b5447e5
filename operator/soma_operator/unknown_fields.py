"""Fields that a manifest has and this version of the API has not: mostly slips of the pen."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel


def unknown_fields(model: type[BaseModel], value: Any, path: str) -> Iterator[str]:
    """Give the path of each field that a type does not know.

    Args:
        model: The type.
        value: What is said, as it was written.
        path: Of the value.
    """
    if not isinstance(value, Mapping):
        return
    known = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    for name, inner in value.items():
        if name not in known:
            yield f"{path}.{name}"
            continue
        for part in _models_in(known[name]):
            yield from _below(part, inner, f"{path}.{name}")


def _below(model: type[BaseModel], value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield from unknown_fields(model, value, path)
        return
    for number, item in enumerate(value):
        yield from unknown_fields(model, item, f"{path}[{number}]")


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Give the types that a field holds, alone, in a list, or where there may be none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
