"""`soma token`: credentials for callers of a server; made here, known to nobody else."""

import hashlib
import json
import re
import secrets
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer

PREFIX = "soma_"
"""As in `soma_common.tokens`; scanners of repositories know leaked tokens by it."""

SCOPES = ["read", "write", "link", "admin", "erase", "backup"]

_RANDOM_BYTES = 32

_NAME = re.compile(r"[\x21-\x7e]{1,128}")
"""What a server takes for a name or a tenant; any other makes its whole file of tokens invalid."""


def _named(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise typer.BadParameter("must have 1 to 128 visible ASCII characters, no blanks")
    return text


def new(
    name: Annotated[
        str, typer.Argument(help="Name of the caller, shown in the audit trail.", callback=_named)
    ],
    tenant: Annotated[
        str, typer.Option("--tenant", help="Whose memories the token opens.", callback=_named)
    ],
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", help=f"What it allows, more than once: {', '.join(SCOPES)}. Default: read."
        ),
    ] = None,
    expires_at: Annotated[
        datetime | None, typer.Option("--expires", help="When it ends, UTC. Default: never.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a token. It is printed once; the server is given its hash only.

    The entry belongs into the file that SOMA_AUTH_TOKENS_FILE names; a running server takes it over within a second.
    """
    if sys.stdout is None:
        raise typer.BadParameter("standard output is closed: nobody would learn the token")
    chosen = scopes or ["read"]
    if unknown := [scope for scope in chosen if scope not in SCOPES]:
        raise typer.BadParameter(f"there is no scope {unknown[0]!r}; there are {', '.join(SCOPES)}")
    token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    entry = {
        "name": name,
        "tenant": tenant,
        "scopes": chosen,
        "sha256": hashlib.sha256(token.encode()).hexdigest(),
    }
    if expires_at is not None:
        entry["expires_at"] = expires_at.replace(tzinfo=UTC).isoformat()
    if as_json:
        sys.stdout.write(json.dumps({"token": token, "entry": entry}) + "\n")
        return
    sys.stdout.write(f"{token}\n")
    sys.stderr.write("keep the line above; it is not shown again. For the file of tokens:\n\n")
    sys.stderr.write(_toml(entry))


def _toml(entry: Mapping[str, object]) -> str:
    lines = [
        # TOML writes a time without quotation marks, and texts and lists of texts as JSON does.
        f"{key} = {value if key == 'expires_at' else json.dumps(value)}"
        for key, value in entry.items()
    ]
    return "\n".join(["[[tokens]]", *lines, ""])
