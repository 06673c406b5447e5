"""`soma token new`: what it prints is what a server takes."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from memory_server.transport.auth import AccessScope
from memory_server.transport.metrics import ServerMetrics
from memory_server.transport.tokens import TokenAuthenticator, TokensFile
from soma_common.tokens import PREFIX, token_hash
from somamemory.cli import main, tokens
from tests.support.memories import StoppedClock

ARGUMENTS = ["token", "new", "agent", "--tenant", "acme", "--scope", "read", "--scope", "write"]


def test_the_entry_is_one_that_a_server_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The token alone on standard output, the entry in TOML beside it; its hash is the token's."""
    assert main([*ARGUMENTS, "--expires", "2030-01-01T00:00:00"]) == 0
    printed = capsys.readouterr()
    token = printed.out.strip()
    path = tmp_path / "tokens.toml"
    path.write_text(printed.err.partition("\n\n")[2])
    entry = tomllib.loads(path.read_text())["tokens"][0]

    TokenAuthenticator(path, StoppedClock(), ServerMetrics({"service": "test"}))
    assert token.startswith(PREFIX)
    assert entry["sha256"] == token_hash(token)
    assert (entry["name"], entry["tenant"], entry["scopes"]) == ("agent", "acme", ["read", "write"])
    assert entry["expires_at"].isoformat() == "2030-01-01T00:00:00+00:00"
    assert token not in printed.err


def test_json_holds_both(capsys: pytest.CaptureFixture[str]) -> None:
    """For programs; no two tokens are the same."""
    made: list[dict[str, Any]] = []
    for _ in range(2):
        assert main([*ARGUMENTS, "--json"]) == 0
        made.append(json.loads(capsys.readouterr().out))

    assert made[0]["token"] != made[1]["token"]
    assert made[0]["entry"]["sha256"] == token_hash(made[0]["token"])


def test_a_scope_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """And the ones that there are, are named."""
    assert main(["token", "new", "agent", "--tenant", "acme", "--scope", "root"]) == 2
    assert "erase" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["", "my agent", "agent\n", "ägent", "a\x7f", "x" * 129, "x" * 128, '"~!\\', "agent"]
)
def test_a_name_is_taken_if_a_server_takes_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the caller's and as the tenant's: one bad entry makes the whole file invalid."""
    entry = {"name": name, "tenant": name, "scopes": ["read"], "sha256": "0" * 64}
    try:
        TokensFile.model_validate({"tokens": [entry]})
        code = 0
    except ValidationError:
        code = 2

    assert main(["token", "new", "--tenant", "acme", "--", name]) == code
    assert main(["token", "new", "agent", "--tenant", name]) == code
    assert (capsys.readouterr().out == "") is (code == 2)


def test_the_command_knows_the_scopes_of_the_server() -> None:
    """The client must not import the server; so both lists are compared here."""
    assert [scope.value for scope in AccessScope] == tokens.SCOPES
    assert tokens.PREFIX == PREFIX
