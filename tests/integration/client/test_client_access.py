"""The client with TLS and tokens against a server that asks for both; two tenants that never meet."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from soma_common.tokens import new_token, token_hash
from soma_dev.pki import Pair, make_authority, sign
from somamemory import (
    Access,
    AsyncMemoryClient,
    InvalidArgument,
    MemoryClient,
    NotFound,
    PermissionRefused,
    Unauthenticated,
    Unavailable,
)
from somamemory.cli import main
from tests.support.server_process import ServerProcess

SCOPES = ["read", "write", "link", "admin", "erase"]
ODD_NAMES = ["a", "a:b", "a_b", "a%", "a/b", "b"]


@dataclass
class Guarded:
    """A server over TLS that knows three tokens and one certificate."""

    address: str
    ca_file: Path
    tokens: dict[str, str]
    agent: Pair

    def client(self, who: str) -> MemoryClient:
        return MemoryClient(self.address, token=self.tokens[who], ca_file=self.ca_file)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority = make_authority(folder, "authority")
    pair = sign(authority, folder, "server", subject="/CN=server", names=["IP:127.0.0.1"])
    tokens = {name: new_token() for name in ("acme", "other", "reader")}
    entries = [
        {
            "name": name,
            "tenant": "acme" if name == "reader" else name,
            "scopes": ["read"] if name == "reader" else SCOPES,
            "sha256": token_hash(token),
        }
        for name, token in tokens.items()
    ]
    path = folder / "tokens.json"
    path.write_text(json.dumps({"tokens": entries}))
    with ServerProcess(
        folder / "data",
        tls_cert_file=pair.certificate,
        tls_key_file=pair.key,
        auth_tokens_file=path,
        embedder="none",
    ) as server:
        yield Guarded(server.address, authority.certificate, tokens, pair)


def test_tenants_never_meet(guarded: Guarded) -> None:
    """The same namespaces, ids and request ids in both, with names that once were patterns: each sees its own."""
    with guarded.client("acme") as acme, guarded.client("other") as other:
        for name in ODD_NAMES:
            for client, owner in ((acme, "acme"), (other, "other")):
                request_id = f"same-{name}"
                payload = {"text": f"tea of {owner}"}
                client.store(payload, namespace=name, id="same", request_id=request_id)
        for name in ODD_NAMES:
            for client, owner in ((acme, "acme"), (other, "other")):
                assert client.get("same", namespace=name).payload == {"text": f"tea of {owner}"}
                hits = client.recall("tea", namespace=name).hits
                assert [hit.memory.payload["text"] for hit in hits] == [f"tea of {owner}"]
        acme.delete("same", namespace="a")
        with pytest.raises(NotFound):
            acme.get("same", namespace="a")
        assert other.get("same", namespace="a").payload == {"text": "tea of other"}
        assert acme.server_info().tenant == "acme"
        assert acme.server_info().authentication == "tokens"


async def test_the_client_for_asyncio_sends_the_same(guarded: Guarded) -> None:
    """One description of access for both."""
    access = Access(token=lambda: guarded.tokens["acme"], ca_file=guarded.ca_file)
    async with AsyncMemoryClient(guarded.address, access=access) as client:
        assert (await client.server_info()).tenant == "acme"


def test_who_may_not_is_told_apart_from_who_is_unknown(guarded: Guarded) -> None:
    """A reader may not write; a stranger may nothing."""
    with guarded.client("reader") as reader:
        assert reader.server_info().tenant == "acme"
        with pytest.raises(PermissionRefused):
            reader.store({"text": "x"})
    for token in (None, new_token()):
        with (
            MemoryClient(guarded.address, token=token, ca_file=guarded.ca_file) as stranger,
            pytest.raises(Unauthenticated),
        ):
            stranger.server_info()


def test_a_server_of_another_authority_is_not_spoken_to(guarded: Guarded, tmp_path: Path) -> None:
    """The token is not shown to it either: there is no connection."""
    authority = make_authority(tmp_path, "another")
    for ca_file in (authority.certificate, None):
        with (
            MemoryClient(
                guarded.address, token=guarded.tokens["acme"], ca_file=ca_file, timeout_s=2
            ) as client,
            pytest.raises(Unavailable),
        ):
            client.server_info()


def test_a_token_file_is_read_again(guarded: Guarded, tmp_path: Path) -> None:
    """So that a rotated token needs no new client."""
    path = tmp_path / "token"
    path.write_text(guarded.tokens["acme"] + "\n")
    access = Access(token_file=path, ca_file=guarded.ca_file)
    with MemoryClient(guarded.address, access=access) as client:
        tenants = [client.server_info().tenant]
        path.write_text(guarded.tokens["other"])
        tenants.append(client.server_info().tenant)

    assert tenants == ["acme", "other"]


def test_the_command_line_takes_access_from_options_and_variables(
    guarded: Guarded,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The token from a file or a variable, never from an argument that everybody sees."""
    path = tmp_path / "token"
    path.write_text(guarded.tokens["other"])
    monkeypatch.setenv("SOMA_ADDRESS", guarded.address)
    monkeypatch.setenv("SOMA_CA_FILE", str(guarded.ca_file))
    monkeypatch.setenv("SOMA_TOKEN", guarded.tokens["acme"])
    seen = []
    for options in ([], ["--token-file", str(path)]):
        assert main([*options, "--json", "info"]) == 0
        seen.append(json.loads(capsys.readouterr().out)["tenant"])
    monkeypatch.delenv("SOMA_TOKEN")
    code = main(["info"])

    assert seen == ["acme", "other"]
    assert code == 6
    assert "--token-file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "fields",
    [
        {"token": "x", "token_file": "y"},
        {"cert_file": "x"},
        {"key_file": "x"},
    ],
)
def test_access_that_contradicts_itself_is_refused(fields: dict[str, str]) -> None:
    """Before any call."""
    with pytest.raises(InvalidArgument):
        Access(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("token", ["", "two\nlines", "é"])
def test_a_token_that_cannot_be_sent_is_refused(token: str) -> None:
    """It would end in a header of somebody's choosing, or in an error without a reason."""
    with MemoryClient(token=token) as client, pytest.raises(InvalidArgument):
        client.server_info()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """As a bad field, not as a handshake that fails."""
    with pytest.raises(InvalidArgument, match="ca_file"):
        MemoryClient(ca_file=tmp_path / "absent")
