"""The part of Argo CD's configuration that knows our resources, put together from the Lua files."""

from pathlib import Path

import yaml

from soma_dev.paths import ROOT
from soma_operator.core.kinds import SOMA_MEMORY, SOMA_MEMORY_BACKUP

FOLDER = Path("examples/gitops/argocd")
FILE = FOLDER / "argocd-cm.yaml"

_HEAD = """\
# Generated from the Lua files beside it by `make crds`. Add it to Argo CD's own ConfigMap, such as by
# `kubectl patch configmap argocd-cm -n argocd --patch-file argocd-cm.yaml`.
"""


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as such."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)


def argocd_config_map() -> bytes:
    """Return the patch of the ConfigMap `argocd-cm`."""
    kind, backup = (f"{one.group}_{one.name}" for one in (SOMA_MEMORY, SOMA_MEMORY_BACKUP))
    actions = sorted(
        path for path in (ROOT / FOLDER / "actions").glob("*.lua") if path.stem != "discovery"
    )
    customization = {
        "discovery.lua": (ROOT / FOLDER / "actions/discovery.lua").read_text(),
        "definitions": [{"name": path.stem, "action.lua": path.read_text()} for path in actions],
    }
    data = {
        f"resource.customizations.health.{kind}": (ROOT / FOLDER / "health.lua").read_text(),
        f"resource.customizations.actions.{kind}": _dump(customization),
        f"resource.customizations.health.{backup}": (
            ROOT / FOLDER / "backup-health.lua"
        ).read_text(),
    }
    return (_HEAD + _dump({"data": data})).encode()


def _dump(content: object) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=120)
