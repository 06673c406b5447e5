"""Where the API server is, and who we are to it."""

import base64
from pathlib import Path

import pytest
import yaml

from soma_common.errors import InvalidInput
from soma_operator.adapters.access import find_access, of_kubeconfig


def write(path: Path, user: dict[str, object], cluster: dict[str, object] | None = None) -> Path:
    address = {"server": "https://api.test:6443/", **(cluster or {})}
    config = {
        "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "other"}, {"name": "c", "cluster": address}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_token_is_read(tmp_path: Path) -> None:
    """Server and token of the current context."""
    access = of_kubeconfig(write(tmp_path / "config", {"token": "secret"}))

    assert (access.server, access.bearer()) == ("https://api.test:6443", "secret")


def test_a_token_file_is_read_each_time(tmp_path: Path) -> None:
    """A token that is renewed in place is never kept."""
    file = tmp_path / "token"
    file.write_text("first\n")
    access = of_kubeconfig(write(tmp_path / "config", {"tokenFile": "token"}))

    tokens = [access.bearer()]
    file.write_text("second\n")

    assert [*tokens, access.bearer()] == ["first", "second"]


def test_certificates_are_read_from_data_and_from_files(tmp_path: Path) -> None:
    """Both forms of a kubeconfig give the same."""
    (tmp_path / "ca.crt").write_text("CA")
    data = base64.b64encode(b"CERT").decode()
    user: dict[str, object] = {"client-certificate-data": data, "client-key-data": data}

    access = of_kubeconfig(write(tmp_path / "config", user, {"certificate-authority": "ca.crt"}))

    assert (access.authorities, access.certificate, access.private_key) == ("CA", "CERT", "CERT")


@pytest.mark.parametrize(
    ("user", "sentence"),
    [({"exec": {"command": "login"}}, "logs in by a program"), ({"auth-provider": {}}, "program")],
)
def test_what_we_do_not_do_is_said(tmp_path: Path, user: dict[str, object], sentence: str) -> None:
    """A kubeconfig that runs a program to log in is refused with the mend."""
    with pytest.raises(InvalidInput) as caught:
        of_kubeconfig(write(tmp_path / "config", user))

    assert sentence in caught.value.message


def test_a_broken_kubeconfig_is_named(tmp_path: Path) -> None:
    """A context that names a missing user is told with the file."""
    path = write(tmp_path / "config", {"token": "x"})
    path.write_text(path.read_text().replace("name: u", "name: v"))

    with pytest.raises(InvalidInput) as caught:
        of_kubeconfig(path)

    assert caught.value.facts == {"file": str(path), "field": "user"}


def test_the_order_of_places(tmp_path: Path) -> None:
    """A named file wins, then KUBECONFIG; nothing at all is an error that says where it looked."""
    named = write(tmp_path / "named", {"token": "named"})
    variable = write(tmp_path / "variable", {"token": "variable"})

    assert find_access(named, {"KUBECONFIG": str(variable)}).bearer() == "named"
    assert find_access(None, {"KUBECONFIG": f"{variable}:{named}"}).bearer() == "variable"
    with pytest.raises(InvalidInput) as caught:
        find_access(None, {"KUBECONFIG": str(tmp_path / "none")})
    assert caught.value.facts["file"] == str(tmp_path / "none")
