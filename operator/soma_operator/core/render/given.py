"""What a user gives the server's container: variables and files."""

from soma_operator.api.v1alpha1 import PodTemplate
from soma_operator.core.kinds import Manifest
from soma_operator.core.render.secrets import GROUP_MAY_READ

_PREFIX = "given-"
"""Keeps these volumes apart from those of the operator, whatever they are called."""


def variables(wish: PodTemplate) -> list[Manifest]:
    """Return the environment variables, as a container has them."""
    return [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in wish.env]


def files_volumes(wish: PodTemplate) -> list[Manifest]:
    """Return the volumes of files, as a pod has them."""
    return [
        {
            "name": f"{_PREFIX}{one.name}",
            **(
                {"configMap": {"name": one.config_map_name, "defaultMode": GROUP_MAY_READ}}
                if one.secret_name is None
                else {"secret": {"secretName": one.secret_name, "defaultMode": GROUP_MAY_READ}}
            ),
        }
        for one in wish.volumes
    ]


def files_mounts(wish: PodTemplate) -> list[Manifest]:
    """Return where the container finds them."""
    return [
        {"name": f"{_PREFIX}{one.name}", "mountPath": one.mount_path, "readOnly": True}
        for one in wish.volumes
    ]
