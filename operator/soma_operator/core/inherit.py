"""What a SomaMemory gets from its class, where its own spec is silent.

The spec itself is never touched: what a class says is filled in anew at every look.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from soma_common.errors import InvalidInput, Violation
from soma_common.violations import violations_of
from soma_operator.api.v1alpha1 import DEFAULT_MESSAGE_BYTES, SomaMemoryClass, SomaMemorySpec
from soma_operator.core.kinds import Manifest, name_of

_WHOLE = frozenset({"image", "podTemplate.affinity"})
"""What is taken from one side alone: a digest here and a tag there would be an image that nobody meant."""

_LIMITS = ("limits.maxMessageBytes", "limits.maxPayloadBytes")


def class_name_of(resource: Mapping[str, Any]) -> str | None:
    """Return the name of the class of a SomaMemory; None: it has none."""
    name: str | None = (resource.get("spec") or {}).get("className")
    return name


def inherited(spec: Manifest, of_class: Manifest, *, has_volume: bool) -> Manifest:
    """Return a spec with what its class says where it is silent.

    Args:
        spec: What the SomaMemory says.
        of_class: The SomaMemoryClass.
        has_volume: Whether there is a volume already, whose storage class cannot be changed any more.

    Raises:
        InvalidInput: The class does not have the form of this version.
    """
    try:
        said = SomaMemoryClass.model_validate({"spec": of_class.get("spec") or {}})
    except ValidationError as error:
        named = [
            Violation(f"SomaMemoryClass {name_of(of_class)} {one.field}", one.description)
            for one in violations_of(error)
        ]
        raise InvalidInput("the class is not valid", violations=named) from None
    defaults: Manifest = said.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if has_volume:
        defaults.get("storage", {}).get("embedded", {}).pop("storageClassName", None)
    return _over(defaults, spec)


def check_together(spec: SomaMemorySpec) -> None:
    """Check what the API server cannot, because it sees the class and the SomaMemory one by one.

    Raises:
        InvalidInput: Each is valid, and both together are not.
    """
    limits, strategy, bad = spec.limits, spec.update_strategy, []
    message, payload = limits.max_message_bytes or DEFAULT_MESSAGE_BYTES, limits.max_payload_bytes
    if payload is not None and message <= payload:
        text = f"{message} must be larger than {_LIMITS[1]}, {payload}, with what the class says"
        bad.append(Violation(f"spec.{_LIMITS[0]}", text))
    if strategy.min_ready_seconds >= strategy.progress_deadline_seconds:
        text = "must be less than progressDeadlineSeconds, with what the class says"
        bad.append(Violation("spec.updateStrategy.minReadySeconds", text))
    if spec.autoscaling.type == "HPA" and "cpu" not in spec.resources.requests:
        text = (
            "HPA compares with resources.requests.cpu, which neither the spec nor the class names"
        )
        bad.append(Violation("spec.autoscaling.type", text))
    given = spec.pod_template.security_context
    if given.type == "Assigned" and {given.run_as_user, given.run_as_group, given.fs_group} != {
        None
    }:
        text = "Assigned leaves runAsUser, runAsGroup and fsGroup to the cluster, and the spec or the class says one"
        bad.append(Violation("spec.podTemplate.securityContext.type", text))
    if bad:
        raise InvalidInput("the spec is not valid", violations=bad)


def _over(below: Manifest, above: Manifest, path: str = "") -> Manifest:
    """Return both maps as one, in which the second one wins."""
    made = {**below, **above}
    for key in below.keys() & above.keys():
        inner = f"{path}.{key}".lstrip(".")
        both = below[key], above[key]
        if inner not in _WHOLE and all(isinstance(one, dict) for one in both):
            made[key] = _over(*both, inner)
    return made
