"""Changes of the pods' template that no field of the spec speaks of."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from soma_operator.api.v1alpha1.base import ApiModel, rules

_LISTS = "(containers|volumes)"
_OURS = (
    rf"(metadata|spec|metadata/(labels|annotations)|spec/{_LISTS}|spec/{_LISTS}/0"
    r"|metadata/labels/app[.]kubernetes[.]io~1.*|metadata/annotations/memory[.]soma[.]sh~1.*"
    r"|spec/volumes/0/.*|spec/containers/0/(name|image|env|envFrom)(/.*)?"
    r"|spec/containers/0/volumeMounts(/0(/.*)?)?)"
)
"""What the operator finds its pods and their settings by; the first container is the server's, and the first volume
and its mount are its data."""


class PodPatch(ApiModel):
    """One operation of JSON Patch (RFC 6902) on the pods' template, after all else is filled in."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.path.matches('^/(metadata/(labels|annotations)|spec)/')",
                "patches must have paths in /spec, /metadata/labels or /metadata/annotations of the pod's template",
            ),
            (
                f"!self.path.matches('^/{_OURS}$')",
                "patches must leave names, labels, image, environment and data of the server alone: these have fields",
            ),
        )
    )

    op: Literal["add", "replace", "remove", "test"]
    """What is done: `add` and `replace` set a value, `remove` takes one away, `test` refuses the rest where another
    value stands."""

    path: Annotated[str, Field(max_length=512, pattern=r"^(/([^/~]|~[01])+)+$")]
    """JSON Pointer (RFC 6901) into the template, such as `/spec/hostAliases` or `/spec/containers/0/lifecycle`."""

    value: Annotated[
        Any, Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})
    ] = None
    """Value of `add`, `replace` and `test`; the API server judges it when the Deployment is written."""
