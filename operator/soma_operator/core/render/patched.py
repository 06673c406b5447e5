"""Patches of users on what the operator renders."""

from collections.abc import Sequence
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException
from jsonpointer import JsonPointerException

from soma_common.errors import InvalidInput, Violation
from soma_operator.api.v1alpha1 import PodPatch
from soma_operator.core.kinds import Manifest

FIELD = "spec.podTemplate.patches"


def patched(template: Manifest, patches: Sequence[PodPatch]) -> Manifest:
    """Return a template with patches, each on what the one before it made.

    Raises:
        InvalidInput: One cannot be made; names it.
    """
    for number, patch in enumerate(patches):
        if patch.op != "remove" and patch.value is None:
            raise _invalid(number, f"{patch.op} needs a value")
        try:
            template = JsonPatch([_operation(patch)]).apply(template)
        except (JsonPatchException, JsonPointerException) as error:
            raise _invalid(number, f"cannot {patch.op} {patch.path}: {error}") from None
    return template


def _operation(patch: PodPatch) -> dict[str, Any]:
    operation = {"op": patch.op, "path": patch.path}
    return operation if patch.op == "remove" else {**operation, "value": patch.value}


def _invalid(number: int, description: str) -> InvalidInput:
    violation = Violation(f"{FIELD}[{number}]", description)
    return InvalidInput("the spec is not valid", violations=[violation])
