"""Who may speak to an API server of ours: static tokens and the kubeconfig files that carry them."""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """A user as the API server knows it."""

    name: str
    group: str = ""


def write_access(
    folder: Path, users: Mapping[str, User], *, server: str, authority: Path
) -> Mapping[str, str]:
    """Write `tokens.csv` and one `<key>.kubeconfig` for each user, and return the tokens.

    Tokens that are there are kept, so that a cluster started again keeps its users.
    """
    table = folder / "tokens.csv"
    known = _read(table) if table.exists() else {}
    tokens = {key: known.get(user.name, secrets.token_hex(16)) for key, user in users.items()}
    lines = [f'{tokens[key]},{user.name},{key},"{user.group}"\n' for key, user in users.items()]
    _write_private(table, "".join(lines))
    for key, token in tokens.items():
        _write_private(folder / f"{key}.kubeconfig", kubeconfig(server, authority, token))
    return tokens


def kubeconfig(server: str, authority: Path, token: str, *, namespace: str = "default") -> str:
    """Return a kubeconfig with one context; JSON is YAML."""
    trusted = base64.b64encode(authority.read_bytes()).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "soma",
        "clusters": [
            {"name": "soma", "cluster": {"server": server, "certificate-authority-data": trusted}}
        ],
        "users": [{"name": "soma", "user": {"token": token}}],
        "contexts": [
            {
                "name": "soma",
                "context": {"cluster": "soma", "user": "soma", "namespace": namespace},
            }
        ],
    }
    return json.dumps(content, indent=1)


def _read(table: Path) -> dict[str, str]:
    rows = (line.split(",") for line in table.read_text().splitlines())
    return {row[1]: row[0] for row in rows}


def _write_private(path: Path, content: str) -> None:
    path.touch(mode=0o600)
    path.write_text(content)
